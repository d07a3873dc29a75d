"""A file is read back before it counts, and must have what was written."""

import os
from pathlib import Path

import pytest

from admin.archive.failures import ArchiveFailed
from admin.archive.files import FileWriter, read_places, read_record
from admin.archive.lines import Line


def test_the_records_of_a_file_are_read_by_their_places(tmp_path: Path) -> None:
    writer = FileWriter(tmp_path / "file")
    lines = [b"%d" % number * (number * 1000 + 1) for number in range(60)]
    for line in lines:
        writer.add(Line([line]))
    written = writer.finish()
    assert [read_record(tmp_path / "file", place) for place in written.places] == lines
    assert list(read_places(tmp_path / "file")) == list(zip(written.places, lines, strict=True))
    assert len({place.offset for place in written.places}) > 3


def test_a_file_that_the_disk_changed_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = FileWriter(tmp_path / "file")
    writer.add(Line([b"a line"]))

    def lose(_handle: int) -> None:
        (tmp_path / "file").write_bytes(b"x" * (tmp_path / "file").stat().st_size)

    monkeypatch.setattr(os, "fsync", lose)
    with pytest.raises(ArchiveFailed, match="not the content"):
        writer.finish()


@pytest.mark.parametrize("digests", [[], [b"x" * 32], [b"", b""]])
def test_a_file_whose_text_is_not_the_records_is_refused(tmp_path: Path, digests: list[bytes]) -> None:
    writer = FileWriter(tmp_path / "file")
    writer.add(Line([b"a line"]))
    writer.digests[:] = digests
    with pytest.raises(ArchiveFailed, match="records"):
        writer.finish()


@pytest.mark.parametrize("cut", [1, 9, 30])
def test_a_file_that_is_cut_is_damaged(tmp_path: Path, cut: int) -> None:
    writer = FileWriter(tmp_path / "file")
    writer.add(Line([b"a line that is long enough"]))
    writer.finish()
    (tmp_path / "file").write_bytes((tmp_path / "file").read_bytes()[:-cut])
    with pytest.raises(ArchiveFailed, match="damaged"):
        list(read_places(tmp_path / "file"))
