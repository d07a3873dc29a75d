from pathlib import Path

import msgspec
import pytest

from state import keys, meta
from state.backups import manifest
from state.backups.failures import BackupFailed
from state.backups.manifest import File, Manifest
from tests.support.backups import a_manifest


def test_a_manifest_is_read_as_it_was_written(tmp_path: Path) -> None:
    manifest.write(tmp_path, a_manifest())
    assert manifest.read(tmp_path) == a_manifest()
    assert [path.name for path in tmp_path.iterdir()] == ["manifest.json"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format": manifest.FORMAT + 1}, "has the form 2, and this release"),
        ({"files": (File("../x", 1, ""),)}, "names a file outside the backup"),
        ({"files": (File("/x", 1, ""),)}, "names a file outside the backup"),
        ({"files": (File("appendonlydir/../../x", 1, ""),)}, "names a file outside the backup"),
        ({"directory": ".."}, "names a file outside the backup"),
        ({"directory": "../x", "files": ()}, "names a file outside the backup"),
        ({"directory": "/x", "files": ()}, "names a file outside the backup"),
        ({"directory": "", "files": ()}, "names a file outside the backup"),
        ({"directory": "x\0", "files": ()}, "names a file outside the backup"),
        ({"files": 7}, "is damaged"),
        ({"begun_ms": 10**17}, "is damaged"),
    ],
)
def test_a_manifest_that_cannot_be_right_is_refused(
    tmp_path: Path, change: dict[str, object], words: str
) -> None:
    manifest.write(tmp_path, msgspec.structs.replace(a_manifest(), **change))
    with pytest.raises(BackupFailed, match=words):
        manifest.read(tmp_path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"partitions": 512}, f"512 partitions, and this release of csms needs {keys.PARTITIONS}"),
        ({"readable_from": meta.FORMAT + 1}, f"read from form {meta.FORMAT + 1} on"),
    ],
)
def test_a_store_that_this_release_cannot_read_is_refused(change: dict[str, int], words: str) -> None:
    found: Manifest = msgspec.structs.replace(a_manifest(), **change)
    with pytest.raises(BackupFailed, match=words):
        manifest.require_readable(Path("b"), found)


def test_only_whole_backups_are_listed_and_the_oldest_comes_first(tmp_path: Path) -> None:
    for begun_ms in (1_000, 3_000, 2_000):
        path = tmp_path / manifest.name_of(begun_ms)
        path.mkdir()
        manifest.write(path, msgspec.structs.replace(a_manifest(), begun_ms=begun_ms))
    (tmp_path / manifest.name_of(4_000)).mkdir()  # It has no manifest.
    left = tmp_path / f"{manifest.name_of(5_000)}{manifest.UNFINISHED}"
    left.mkdir()
    manifest.write(left, a_manifest())
    (tmp_path / "other").mkdir()
    assert [one.manifest.begun_ms for one in manifest.list_whole(tmp_path)] == [1_000, 2_000, 3_000]
    assert list(manifest.list_unfinished(tmp_path)) == [left]


def test_an_unfinished_backup_is_refused_even_if_it_has_a_manifest(tmp_path: Path) -> None:
    left = tmp_path / f"{manifest.name_of(1_000)}{manifest.UNFINISHED}"
    left.mkdir()
    manifest.write(left, a_manifest())
    with pytest.raises(BackupFailed, match="is not a whole backup"):
        manifest.read(left)


@pytest.mark.parametrize("garbage", [b'"\xff"}', b"[" * 100_000], ids=["not UTF-8", "nested"])
def test_a_manifest_of_garbage_is_refused(tmp_path: Path, garbage: bytes) -> None:
    (tmp_path / manifest.NAME).write_bytes(b'{"format": 1, "server": ' + garbage)
    with pytest.raises(BackupFailed, match="is damaged"):
        manifest.read(tmp_path)
