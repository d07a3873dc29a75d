"""The files with records: written under a temporary name, made durable, and read back before they count.

A file is a sequence of gzip members, so `zcat` reads it as a whole. A member has one record, or several short
ones, so one record can be read without the rest of the file.
"""

import gzip
import os
import zlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO, NamedTuple

from admin.archive.failures import ArchiveFailed
from admin.archive.lines import Line

MEMBER_TEXT = 1 << 16
"""A member that has so many bytes of text gets no further record."""
_LEVEL = 6
_GZIP = 31
_CHUNK = 1 << 20
_MEMBER_CHUNK = 1 << 14
_TEXT_CHUNK = 1 << 17


class Place(NamedTuple):
    """Where a record is. `offset` and `length` are those of its member in the file, in bytes.

    The record begins `skip` bytes after the beginning of the text of the member, and has `size` bytes.
    """

    offset: int
    length: int
    skip: int
    size: int


class Written(NamedTuple):
    """A file under its temporary name, durable and read back. `places` has its records in order."""

    size: int
    sha256: str
    places: list[Place]


class FileWriter:
    """Writes records into a new file with the mode 0600. All methods raise OSError."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.digests: list[bytes] = []
        self.text_size = 0
        self._handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        self._file = os.fdopen(self._handle, "wb")
        self._sha256 = sha256()
        self._size = 0
        self._places: list[Place] = []
        self._waiting: list[tuple[int, int]] = []
        self._begin_member()

    def add(self, line: Line) -> None:
        """Add a record."""
        self._waiting.append((self._text, line.size))
        for chunk in line.chunks():
            self._write(self._deflate.compress(chunk))
        self._write(self._deflate.compress(b"\n"))
        self._text += line.size + 1
        self.text_size += line.size + 1
        self.digests.append(line.digest())
        if self._text >= MEMBER_TEXT:
            self._end_member()

    def finish(self) -> Written:
        """Make the file durable, and read it back from the disk. Raises ArchiveFailed if they differ."""
        self._end_member()
        self._file.flush()
        os.fsync(self._handle)
        # The copy in the system's memory would prove nothing about the disk.
        os.posix_fadvise(self._handle, 0, 0, os.POSIX_FADV_DONTNEED)
        self._file.close()
        written = Written(self._size, self._sha256.hexdigest(), self._places)
        check(self.path, written.size, written.sha256, self.digests)
        return written

    def discard(self) -> None:
        """Remove the file."""
        self.path.unlink(missing_ok=True)
        with suppress(OSError):  # On a full disk, the rest cannot be written.
            self._file.close()

    def _begin_member(self) -> None:
        self._deflate = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP)
        self._begin, self._text = self._size, 0

    def _end_member(self) -> None:
        if not self._waiting:
            return
        self._write(self._deflate.flush())
        length = self._size - self._begin
        self._places += (Place(self._begin, length, skip, size) for skip, size in self._waiting)
        self._waiting.clear()
        self._begin_member()

    def _write(self, compressed: bytes) -> None:
        self._file.write(compressed)
        self._sha256.update(compressed)
        self._size += len(compressed)


def check(path: Path, size: int, digest: str, of_records: Sequence[bytes]) -> None:
    """Compare a file with what was written. Raises ArchiveFailed or OSError."""
    if sha256_of(path) != (size, digest):
        raise ArchiveFailed(f"{path} is damaged: it has not the content that was written")
    if list(_read_digests(path)) != list(of_records):
        raise ArchiveFailed(f"{path} is damaged: it does not have the {len(of_records)} records written")


def sha256_of(path: Path) -> tuple[int, str]:
    """Return the size and the SHA-256 of a file. Raises OSError."""
    found = sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            found.update(chunk)
        return file.tell(), found.hexdigest()


def _read_digests(path: Path) -> Iterator[bytes]:
    """Yield the SHA-256 of each record of a file. Raises ArchiveFailed or OSError."""
    found = sha256()
    try:
        with gzip.open(path, "rb") as file:
            while chunk := file.read(_CHUNK):
                first, *rest = chunk.split(b"\n")
                found.update(first)
                for part in rest:
                    yield found.digest()
                    found = sha256(part)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ArchiveFailed(f"{path} is damaged: {error}") from error


def read_places(path: Path) -> Iterator[tuple[Place, bytes]]:
    """Yield the records of a file with their places, without the help of an index.

    Raises ArchiveFailed or OSError.
    """
    begin = 0
    with path.open("rb") as file:
        while member := _read_member(file, begin):
            text, length = member
            skip = 0
            for line in text.split(b"\n")[:-1]:
                yield Place(begin, length, skip, len(line)), line
                skip += len(line) + 1
            begin += length


def _read_member(file: BinaryIO, begin: int) -> tuple[bytes, int] | None:
    """Return the text and the length of the member at this byte, or None at the end of the file."""
    file.seek(begin)
    inflate, parts, read = zlib.decompressobj(_GZIP), list[bytes](), 0
    while not inflate.eof:
        chunk = file.read(_MEMBER_CHUNK)
        if not chunk and not read:
            return None
        try:
            parts.append(inflate.decompress(chunk))
        except zlib.error as error:
            raise ArchiveFailed(f"{file.name} is damaged after byte {begin}: {error}") from error
        if not chunk:
            raise ArchiveFailed(f"{file.name} is damaged after byte {begin}: it is cut short")
        read += len(chunk)
    return b"".join(parts), read - len(inflate.unused_data)


def read_record(path: Path, place: Place) -> bytes:
    """Read one record. Raises ArchiveFailed or OSError."""
    return b"".join(read_chunks(path, place))


def read_chunks(path: Path, place: Place) -> Iterator[bytes]:
    """Yield one record in parts. Raises ArchiveFailed or OSError."""
    inflate = zlib.decompressobj(_GZIP)
    skip, left = place.skip, place.size
    with path.open("rb") as file:
        file.seek(place.offset)
        while left and (member := file.read(_MEMBER_CHUNK)):
            while left and member:
                try:
                    text = inflate.decompress(member, _TEXT_CHUNK)
                except zlib.error as error:
                    raise ArchiveFailed(f"{path} is damaged after byte {place.offset}: {error}") from error
                member = inflate.unconsumed_tail
                text, skip = text[skip:], max(0, skip - len(text))
                if text:
                    yield text[:left]
                    left -= min(left, len(text))
