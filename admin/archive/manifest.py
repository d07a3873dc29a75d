"""The manifest of an archive: one line of JSON for each file that counts.

A file counts as soon as its line is whole in the manifest. A last line without its end is the trace of a
crash, and counts as not written.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from admin.archive.failures import ArchiveFailed

NAME = "manifest.ndjson"


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A file of the archive.

    `sequence` orders the files. If a transaction is in two files, the later file has its newer record.
    `first_ms` and `last_ms` are the times at which its transactions were finished, the earliest and the
    latest. `size` is in bytes, and `written_by` is the release of csms.
    """

    sequence: int
    file: str
    tenant: str
    day: str
    count: int
    first_ms: int
    last_ms: int
    size: int
    sha256: str
    format: int
    written_by: str
    written_ms: int


def append(directory: Path, entry: Entry) -> None:
    """Add a file durably. Raises OSError."""
    handle = os.open(directory / NAME, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        rest = memoryview(msgspec.json.encode(entry) + b"\n")
        whole = os.fstat(handle).st_size
        try:
            while rest:
                rest = rest[os.write(handle, rest) :]
            os.fsync(handle)
        except OSError:
            os.ftruncate(handle, whole)
            raise
    finally:
        os.close(handle)


def read(directory: Path, start: int = 0) -> Iterator[tuple[Entry, int]]:
    """Yield each entry from the byte `start` on, with the byte at which the next line begins.

    Raises OSError, and ArchiveFailed for a line that is not an entry.
    """
    path = directory / NAME
    if not path.exists():
        return
    with path.open("rb") as file:
        file.seek(start)
        end = start
        for line in file:
            if not line.endswith(b"\n"):
                return
            end += len(line)
            try:
                yield msgspec.json.decode(line, type=Entry), end
            except msgspec.MsgspecError as error:
                raise ArchiveFailed(
                    f"{path} is damaged before byte {end}: {error}; restore the file from a backup"
                ) from error


def cut_torn_line(directory: Path) -> None:
    """Remove a last line that was not written to its end. Raises OSError."""
    path = directory / NAME
    if not path.exists():
        return
    with path.open("r+b") as file:
        whole = sum(len(line) for line in file if line.endswith(b"\n"))
        if whole != file.seek(0, os.SEEK_END):
            file.truncate(whole)
            os.fsync(file.fileno())
