"""An archive keeps what was committed through any crash, and counts each record once."""

import gzip
import os
import sqlite3
import stat
from collections.abc import Callable
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from admin.archive import archive, files, index, manifest
from admin.archive.archive import Reader, directory_of
from admin.archive.failures import ArchiveFailed
from admin.archive.files import read_places
from tests.support.archives import DAY, an_item, entries, list_files, payloads_of, put

FIRST, SECOND = f"demo/{DAY}/00000001.ndjson.gz", f"demo/{DAY}/00000002.ndjson.gz"


class Crash(BaseException):
    """Ends the writer like a kill: nothing after it is done."""


def test_a_committed_file_is_listed_with_its_content_and_each_transaction_is_found(tmp_path: Path) -> None:
    put(tmp_path / "a", an_item(1, b"[1]"), an_item(2, b"[2]", b"[22]"))
    [entry] = entries(tmp_path / "a")
    content = (tmp_path / "a" / FIRST).read_bytes()
    assert (entry.file, entry.tenant, entry.day, entry.count) == (FIRST, "demo", DAY, 2)
    assert (entry.first_ms, entry.last_ms, entry.format) == (1001, 1002, 1)
    assert (entry.size, entry.sha256) == (len(content), sha256(content).hexdigest())
    lines = gzip.decompress(content).splitlines()
    assert [msgspec.json.decode(line)["id"] for line in lines] == ["CP.1.1", "CP.1.2"]
    assert payloads_of(tmp_path / "a", 1) == [b"[1]"]
    assert payloads_of(tmp_path / "a", 2) == [b"[2]", b"[22]"]
    assert payloads_of(tmp_path / "a", 3) is None
    assert list_files(tmp_path / "a") == {FIRST}


def test_only_the_user_of_the_process_may_read_an_archive(tmp_path: Path) -> None:
    put(tmp_path / "a", an_item(1))
    for folder, _, names in os.walk(tmp_path / "a"):
        assert stat.S_IMODE(Path(folder).stat().st_mode) == 0o700
        modes = {name: oct(stat.S_IMODE((Path(folder) / name).stat().st_mode)) for name in names}
        assert modes == dict.fromkeys(names, "0o600")


def test_the_same_record_is_not_written_a_second_time(tmp_path: Path) -> None:
    put(tmp_path, an_item(1))
    with archive.open_to_write(tmp_path) as opened, opened.new_file("demo", "2027-01-01") as file:
        assert file.add(an_item(1)) == FIRST
        assert file.add(an_item(2)) is None
        assert file.commit() is not None
        assert [entry.count for entry in entries(tmp_path)] == [1, 1]
    assert put(tmp_path, an_item(1), an_item(2)) is None
    assert len(entries(tmp_path)) == 2


def test_a_record_that_changed_is_written_again_and_the_newest_one_is_read(tmp_path: Path) -> None:
    put(tmp_path, an_item(1, b"[1]"), an_item(2))
    put(tmp_path, an_item(1, b"[1]", b"[2]"))
    assert payloads_of(tmp_path, 1) == [b"[1]", b"[2]"]
    with closing(sqlite3.connect(tmp_path / index.NAME)) as database:
        assert database.execute("SELECT sequence FROM transactions ORDER BY sequence").fetchall() == [
            (1,),
            (2,),
        ]


def test_several_short_records_share_a_member_and_a_long_record_ends_it(tmp_path: Path) -> None:
    long = b'["%b"]' % (b"x" * files.MEMBER_TEXT)
    put(tmp_path, an_item(1, b"[1]"), an_item(2, long), an_item(3, b"[3]"), an_item(4, b"[4]"))
    places = [place for place, _ in read_places(tmp_path / FIRST)]
    assert [place.offset for place in places] == [0, 0, places[0].length, places[0].length]
    for number, sent in enumerate((b"[1]", long, b"[3]", b"[4]"), 1):
        assert payloads_of(tmp_path, number) == [sent]


@pytest.mark.parametrize("broken", [b"", b"not a database", b"SQLite format 3\x00" + b"x" * 5000])
def test_an_index_that_is_gone_or_damaged_is_made_again_by_the_next_writer(
    tmp_path: Path, broken: bytes
) -> None:
    put(tmp_path, an_item(1, b"[1]"), an_item(2))
    put(tmp_path, an_item(2, b"[2]"))
    (tmp_path / index.NAME).write_bytes(broken)
    with archive.open_to_write(tmp_path):
        pass
    assert (payloads_of(tmp_path, 1), payloads_of(tmp_path, 2)) == ([b"[1]"], [b"[2]"])


@pytest.mark.parametrize("left", [0, 1])
@pytest.mark.parametrize("lost", [(), (index.NAME,)])
def test_a_manifest_that_lost_lines_is_refused_and_no_file_is_touched(
    tmp_path: Path, left: int, lost: tuple[str, ...]
) -> None:
    for number in (1, 2, 3):
        put(tmp_path, an_item(number))
    lines = (tmp_path / manifest.NAME).read_bytes().splitlines(keepends=True)
    before = list_files(tmp_path)
    (tmp_path / manifest.NAME).write_bytes(b"".join(lines[:left]))
    for name in lost:
        (tmp_path / name).unlink()
    for _ in range(2):
        with pytest.raises(ArchiveFailed, match=r"manifest\.ndjson.* from a backup"):
            put(tmp_path, an_item(4))
    assert list_files(tmp_path) == before
    (tmp_path / manifest.NAME).write_bytes(b"".join(lines))
    put(tmp_path, an_item(4))
    assert [payloads_of(tmp_path, number) for number in (1, 2, 3, 4)] == [[]] * 4


def test_a_new_file_does_not_take_the_place_of_one_that_the_manifest_does_not_have(tmp_path: Path) -> None:
    put(tmp_path, an_item(1))
    (tmp_path / SECOND).write_bytes(b"kept")
    with pytest.raises(ArchiveFailed, match="must not take its place"):
        put(tmp_path, an_item(2))
    assert (tmp_path / SECOND).read_bytes() == b"kept"


def test_only_one_writer_at_a_time_has_an_archive(tmp_path: Path) -> None:
    with (
        archive.open_to_write(tmp_path),
        pytest.raises(ArchiveFailed, match="another process"),
        archive.open_to_write(tmp_path),
    ):
        pass
    with archive.open_to_write(tmp_path):
        pass


def test_an_archive_whose_parent_does_not_exist_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(ArchiveFailed, match="parent directory"), archive.open_to_write(tmp_path / "b" / "a"):
        pass


def test_a_reader_of_a_directory_without_an_archive_says_so(tmp_path: Path) -> None:
    with pytest.raises(ArchiveFailed, match=r"index\.sqlite"):
        Reader(tmp_path).find("demo", "CP.1", 1)


def test_a_damaged_record_is_not_read_as_if_it_were_whole(tmp_path: Path) -> None:
    put(tmp_path, an_item(1, b"[12345]"))
    content = bytearray((tmp_path / FIRST).read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / FIRST).write_bytes(content)
    with pytest.raises(ArchiveFailed, match="damaged"):
        payloads_of(tmp_path, 1)


def test_a_file_is_whole_only_with_the_size_that_it_was_written_with(tmp_path: Path) -> None:
    put(tmp_path, an_item(1))
    put(tmp_path, an_item(2))
    with (tmp_path / SECOND).open("ab") as file:
        file.write(b"x")
    known = Reader(tmp_path).is_whole([FIRST, SECOND, "other/2026-11-29/00000001.ndjson.gz", "no file"])
    assert list(known.values()) == [True, False, False, False]
    (tmp_path / FIRST).unlink()
    assert Reader(tmp_path).is_whole([FIRST]) == {FIRST: False}


def _count_steps(monkeypatch: pytest.MonkeyPatch, crash_at: int | None) -> Callable[[], int]:
    """Count what a writer does to the disk, and crash it right before or right after one of these steps."""
    done = 0

    def wrap(owner: Any, name: str) -> None:
        real = getattr(owner, name)

        def step(*args: Any, **kwargs: Any) -> Any:
            nonlocal done
            done += 1
            if done == crash_at:
                raise Crash
            return real(*args, **kwargs)

        monkeypatch.setattr(owner, name, step)

    wrap(os, "fsync")
    wrap(os, "write")
    wrap(Path, "rename")
    wrap(Path, "mkdir")
    wrap(index.Index, "add")
    monkeypatch.setattr(files.FileWriter, "discard", lambda writer: writer._file.close())
    return lambda: done


def test_a_crash_at_any_step_loses_no_committed_record_and_leaves_none_in_two_files(tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        put(tmp_path / "whole", an_item(1), day="2026-01-01")
        count = _count_steps(patch, None)
        put(tmp_path / "whole", an_item(2))
        steps = count()
    assert steps > 8
    for crash_at in range(1, steps + 1):
        directory = tmp_path / str(crash_at)
        put(directory, an_item(1, b"[1]"), day="2026-01-01")
        with pytest.MonkeyPatch.context() as patch:
            _count_steps(patch, crash_at)
            with pytest.raises(Crash):
                put(directory, an_item(2, b"[2]"))
        # The next writer does not know whether the record was committed.
        put(directory, an_item(2, b"[2]"), an_item(3, b"[3]"), day="2026-12-31")
        listed = [entry.file for entry in entries(directory)]
        lines = [line for file in listed for _, line in read_places(directory / file)]
        ids = [msgspec.json.decode(line)["id"] for line in lines]
        assert sorted(ids) == ["CP.1.1", "CP.1.2", "CP.1.3"], crash_at
        assert list_files(directory) == set(listed), crash_at
        assert [payloads_of(directory, number) for number in (1, 2, 3)] == [[b"[1]"], [b"[2]"], [b"[3]"]]


def test_a_line_of_the_manifest_without_its_end_counts_as_not_written(tmp_path: Path) -> None:
    put(tmp_path, an_item(1))
    whole = (tmp_path / manifest.NAME).read_bytes()
    put(tmp_path, an_item(2))
    (tmp_path / manifest.NAME).write_bytes((tmp_path / manifest.NAME).read_bytes()[:-5])
    (tmp_path / index.NAME).unlink()  # A line is in the index only when it is whole in the manifest.
    assert len(entries(tmp_path)) == 1
    with archive.open_to_write(tmp_path):
        assert (tmp_path / manifest.NAME).read_bytes() == whole
    assert payloads_of(tmp_path, 2) is None
    put(tmp_path, an_item(2))
    assert payloads_of(tmp_path, 2) == []


def test_a_damaged_line_of_the_manifest_is_an_error_and_not_skipped(tmp_path: Path) -> None:
    put(tmp_path, an_item(1))
    put(tmp_path, an_item(2))
    lines = (tmp_path / manifest.NAME).read_bytes().splitlines(keepends=True)
    (tmp_path / manifest.NAME).write_bytes(b"{}\n" + lines[1])
    with pytest.raises(ArchiveFailed, match="damaged"):
        entries(tmp_path)


def test_a_disk_that_is_full_leaves_the_archive_as_it_was(tmp_path: Path) -> None:
    put(tmp_path, an_item(1))
    before = (entries(tmp_path), list_files(tmp_path))

    def fail(*_: object) -> int:
        raise OSError(28, "No space left on device")

    for function in ("fsync", "write"):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, function, fail)
            with pytest.raises(OSError, match="No space"):
                put(tmp_path, an_item(2))
        assert (entries(tmp_path), list_files(tmp_path)) == before
    put(tmp_path, an_item(2))
    assert payloads_of(tmp_path, 2) == []


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=255))
def test_the_directory_of_a_tenant_is_one_safe_name(tenant: str) -> None:
    name = directory_of(tenant)
    assert len(name) <= 255
    assert not set(name) & set("/\\: ")
    assert name
    assert "." not in name  # The files of the archive itself have a dot in their names.
    assert directory_of(tenant + "x") != name
