from pathlib import Path

import pytest

from state.backups.failures import BackupFailed
from state.backups.source import open_source


@pytest.fixture
def files(tmp_path: Path) -> Path:
    path = tmp_path / "dir"
    path.mkdir()
    (path / "a.aof.1.base.rdb").write_bytes(b"base")
    (path / "a.aof.1.incr.aof").write_bytes(b"incr")
    (path / "a.aof.manifest").write_text(
        "file a.aof.1.base.rdb seq 1 type b\nfile a.aof.1.incr.aof seq 1 type i\n"
    )
    return path


def test_open_files_stay_readable_when_a_rewrite_removes_them(files: Path) -> None:
    with open_source(files.parent, "dir", "a.aof") as source:
        assert [file.name for file in source.files] == ["a.aof.1.base.rdb", "a.aof.1.incr.aof"]
        assert (source.is_current(), source.size) == (True, 8)
        for file in files.glob("a.aof.1.*"):
            file.unlink()
        (files / "a.aof.manifest").write_text("file a.aof.2.incr.aof seq 2 type i\n")
        assert (source.is_current(), source.size) == (False, 8)


def test_a_file_that_a_rewrite_has_replaced_is_left_out(files: Path) -> None:
    with (files / "a.aof.manifest").open("a") as manifest:
        manifest.write("file a.aof.0.incr.aof seq 0 type h\n")
    with open_source(files.parent, "dir", "a.aof") as source:
        assert len(source.files) == 2


@pytest.mark.parametrize(
    ("file", "text", "words"),
    [
        ("a.aof.1.incr.aof", None, "is missing, which .* names"),
        ("a.aof.manifest", None, "does not exist; give the directory of the server's setting dir"),
        ("a.aof.manifest", "file a seq 1 type b startoffset 7\n", "has a form that this release"),
        ("a.aof.manifest", "", "has a form that this release"),
    ],
)
def test_files_that_cannot_be_a_store_are_refused(
    files: Path, file: str, text: str | None, words: str
) -> None:
    (files / file).unlink()
    if text is not None:
        (files / file).write_text(text)
    with pytest.raises(BackupFailed, match=words), open_source(files.parent, "dir", "a.aof"):
        pass
