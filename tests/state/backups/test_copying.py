import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from state.backups import copying
from state.backups.failures import BackupFailed
from state.redis.connection import pack

COMMAND = pack([b"SET", b"key", b"value"])
BLOCK = pack([b"MULTI"]) + COMMAND + pack([b"EXEC"])


@given(
    parts=st.lists(st.sampled_from([COMMAND, BLOCK, b"#TS:1795968179\r\n"]), max_size=6), at=st.integers(0)
)
def test_a_file_is_cut_after_its_last_whole_command_or_block(
    tmp_path_factory: pytest.TempPathFactory, parts: list[bytes], at: int
) -> None:
    whole, torn = b"".join(parts), BLOCK[: at % len(BLOCK)]
    path = tmp_path_factory.mktemp("cut") / "file"
    path.write_bytes(whole + torn)
    assert copying.cut(path) == len(torn)
    assert path.read_bytes() == whole
    assert copying.cut(path) == 0


def test_a_damaged_file_is_refused_and_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(COMMAND + b"x" * 5 + COMMAND)
    with pytest.raises(BackupFailed, match="damaged at byte 33"):
        copying.cut(path)
    assert path.stat().st_size == 2 * len(COMMAND) + 5


def test_a_copy_has_the_wanted_bytes_of_a_file_that_grows_and_their_digest(tmp_path: Path) -> None:
    source, pieces = tmp_path / "source", list[int]()
    source.write_bytes(os.urandom(3 << 20))
    with source.open("rb") as file:
        digest = copying.copy(file.fileno(), tmp_path / "copy", (2 << 20) + 1, pieces.append)
    assert (tmp_path / "copy").read_bytes() == source.read_bytes()[: (2 << 20) + 1]
    assert copying.digest_of(tmp_path / "copy", lambda _: None) == ((2 << 20) + 1, digest)
    assert sum(pieces) == (2 << 20) + 1
    assert (tmp_path / "copy").stat().st_mode & 0o777 == 0o600


def test_a_file_that_became_shorter_is_no_source(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"abc")
    with source.open("rb") as file, pytest.raises(BackupFailed, match="3 of 4 bytes"):
        copying.copy(file.fileno(), tmp_path / "copy", 4, lambda _: None)
