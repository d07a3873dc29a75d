"""An archive on disk, as its one writer and its readers use it.

A file becomes part of the archive in this order: written under a temporary name, durable, read back, renamed,
listed in the manifest, indexed. A crash between any two of these leaves either nothing, or something that the
next writer removes or completes.
"""

import fcntl
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from admin.archive import index, manifest, reading
from admin.archive.failures import ArchiveFailed
from admin.archive.files import FileWriter, read_chunks, read_places, read_record
from admin.archive.index import Found, Index, Listed, Row
from admin.archive.lines import Line
from admin.archive.manifest import Entry
from admin.archive.records import FORMAT, Record, RecordUnreadable, decode, decode_head
from state.durable import sync_directory
from state.meta import release
from state.transactions.listing import index_name
from state.transactions.unpacked_values import Rough

LOCK, WRITING, UNFINISHED, ID = "archive.lock", "archive.writing", "archive.part", "archive.id"
"""Names with a dot, which no directory of a tenant has."""
FILE_TEXT = 1 << 28
"""A file that has so many bytes of text gets no further record."""


class Item(NamedTuple):
    """A transaction that is put into the archive, with its record."""

    charge_point: str
    id: int
    started_ms: int
    finished_ms: int
    line: Line


class _Waiting(NamedTuple):
    charge_point: str
    id: int
    listed: str
    finished_ms: int


class Archive:
    """The archive as its writer has it. All methods block, and raise ArchiveFailed or OSError."""

    def __init__(self, directory: Path, opened: Index) -> None:
        self.directory = directory
        self._index = opened

    def is_empty(self) -> bool:
        return self._index.manifest_bytes() == 0

    def read_id(self) -> str:
        """Return the id that the archive shares with its store, or an empty text."""
        path = self.directory / ID
        return path.read_text(errors="replace").strip() if path.exists() else ""

    def write_id(self, id_: str) -> None:
        _write_durably(self.directory / ID, id_.encode() + b"\n")
        sync_directory(self.directory)

    @contextmanager
    def new_file(self, tenant: str, day: str) -> Iterator["NewFile"]:
        """Begin a file of a tenant and a day. The file counts only after `NewFile.commit`."""
        new = NewFile(self.directory, self._index, tenant, day)
        try:
            yield new
        finally:
            new.discard()


class NewFile:
    """A file that is being written, with records of one tenant and one day."""

    def __init__(self, directory: Path, opened: Index, tenant: str, day: str) -> None:
        self._directory, self._index, self._tenant, self._day = directory, opened, tenant, day
        self._sequence = opened.last_sequence() + 1
        self._waiting: list[_Waiting] = []
        self._writer = FileWriter(directory / UNFINISHED)
        self.name = f"{directory_of(tenant)}/{day}/{self._sequence:08d}.ndjson.gz"

    @property
    def is_full(self) -> bool:
        return self._writer.text_size >= FILE_TEXT

    def add(self, item: Item) -> str | None:
        """Add a record, unless the archive has the same record already. Returns the name of its file then."""
        known = self._index.find(self._tenant, item.charge_point, item.id)
        if known is not None and known.digest == item.line.digest():
            return known.file
        self._writer.add(item.line)
        listed = index_name(item.charge_point, item.started_ms, item.id)
        self._waiting.append(_Waiting(item.charge_point, item.id, listed, item.finished_ms))
        return None

    def commit(self) -> Entry | None:
        """Make the file a part of the archive. Returns None if it would be empty."""
        if not self._waiting:
            return None
        written = self._writer.finish()
        target = self._directory / self.name
        if target.exists():
            raise ArchiveFailed(
                f"{target} is not in {manifest.NAME}, but exists; move it to another directory, because"
                " a new file must not take its place"
            )
        _make_directories(self._directory, target.parent)
        _write_durably(self._directory / WRITING, self.name.encode())
        self._writer.path.rename(target)
        sync_directory(target.parent)
        entry = Entry(
            sequence=self._sequence,
            file=self.name,
            tenant=self._tenant,
            day=self._day,
            count=len(self._waiting),
            first_ms=min(one.finished_ms for one in self._waiting),
            last_ms=max(one.finished_ms for one in self._waiting),
            size=written.size,
            sha256=written.sha256,
            format=FORMAT,
            written_by=release(),
            written_ms=time.time_ns() // 1_000_000,
        )
        try:
            manifest.append(self._directory, entry)
        except OSError:
            target.unlink()
            raise
        rows = (
            Row(one.charge_point, one.id, one.listed, place, digest)
            for one, place, digest in zip(self._waiting, written.places, self._writer.digests, strict=True)
        )
        end = (self._directory / manifest.NAME).stat().st_size
        self._index.add(entry, rows, end)
        return entry

    def discard(self) -> None:
        self._writer.discard()


@contextmanager
def open_to_write(directory: Path) -> Iterator[Archive]:
    """Open an archive for its one writer, and clean up after a crash of the writer before.

    Raises ArchiveFailed or OSError.
    """
    try:
        directory.mkdir(mode=0o700, exist_ok=True)
        lock = os.open(directory / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise ArchiveFailed(
            f"the archive {directory} cannot be written: {error.strerror}; its parent directory must exist,"
            " and the user of this process must be able to write there"
        ) from error
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ArchiveFailed(
                f"another process is writing the archive {directory}; only one at a time can write it"
            ) from None
        manifest.cut_torn_line(directory)
        (directory / UNFINISHED).unlink(missing_ok=True)
        opened = index.open_to_write(directory)
        try:
            _check_manifest(directory, opened)
            _complete(directory, opened)
            _remove_unlisted(directory, opened)
            yield Archive(directory, opened)
        finally:
            opened.close()
    finally:
        os.close(lock)


class Reader:
    """An archive as its readers use it. All methods block, and raise ArchiveFailed or OSError."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def exists(self) -> bool:
        return (self.directory / index.NAME).exists()

    def find(self, tenant: str, charge_point: str, id_: int) -> Found | None:
        with index.open_to_read(self.directory) as opened:
            return opened.find(tenant, charge_point, id_)

    def find_all(self, tenant: str, names: Sequence[tuple[str, int]]) -> list[Found | None]:
        """Find transactions, named by their charge points and their ids."""
        with index.open_to_read(self.directory) as opened:
            return [opened.find(tenant, charge_point, id_) for charge_point, id_ in names]

    def list_(
        self, tenant: str, *, charge_point: str | None, after: str, before: str | None, limit: int
    ) -> list[Listed]:
        """List transactions by the time of their start, newest first, between two names in lists."""
        with index.open_to_read(self.directory) as opened:
            return opened.list_(tenant, charge_point=charge_point, after=after, before=before, limit=limit)

    def is_whole(self, names: Sequence[str]) -> dict[str, bool]:
        """Return whether each of these files is in the archive, with the size that it was written with."""
        sequences = {name: _sequence_of(name) for name in names}
        with index.open_to_read(self.directory) as opened:
            known = opened.files_with([number for number in sequences.values() if number is not None])
        return {name: self._has(name, known.get(number or 0)) for name, number in sequences.items()}

    def _has(self, name: str, known: tuple[str, int] | None) -> bool:
        try:
            return known is not None and known == (name, (self.directory / name).stat().st_size)
        except OSError:
            return False

    def read(self, found: Found) -> Record:
        return decode(self.read_line(found))

    def read_head(self, found: Found) -> Record:
        """Read a record, without its meter values and without checking its digest if it is long."""
        size = _HEAD
        while size < found.place.size:
            try:
                return decode_head(read_record(self.directory / found.file, found.place._replace(size=size)))
            except RecordUnreadable:
                size *= 4  # A charge point may have sent very long texts in its start and its stop.
        return self.read(found)

    def read_some(self, found: Found, *, begin: Rough | None, most: int, most_bytes: int) -> Record:
        """Read a record with some of its meter values (reading.py)."""
        digest = sha256()

        def chunks() -> Iterator[bytes]:
            for chunk in read_chunks(self.directory / found.file, found.place):
                digest.update(chunk)
                yield chunk
                # A thread that never sleeps lets the others wait 5 ms each time that they want to run.
                time.sleep(_REST_S)

        rest = chunks()
        try:
            record = reading.read_some(rest, begin=begin, most=most, most_bytes=most_bytes)
        except RecordUnreadable:
            # A damaged file is not the same as a record that this release cannot read.
            for _ in rest:
                pass
            self._check(found, digest.digest())
            raise
        self._check(found, digest.digest())
        return record

    def read_line(self, found: Found) -> bytes:
        line = read_record(self.directory / found.file, found.place)
        self._check(found, sha256(line).digest())
        return line

    def _check(self, found: Found, digest: bytes) -> None:
        if digest != found.digest:
            raise ArchiveFailed(
                f"{self.directory / found.file} is damaged after byte {found.place.offset}; restore the file"
                " from a backup"
            )


def directory_of(tenant: str) -> str:
    """Return the name of a tenant's directory. Tenants with long names get a name that is cut and unique."""
    name = quote(tenant, safe="").replace(".", "%2E")
    return name if len(name) <= _LONGEST else f"{name[:_CUT]}~{sha256(tenant.encode()).hexdigest()}"


_LONGEST, _CUT = 200, 120
_HEAD = 1 << 20
_REST_S = 0.0002


def _check_manifest(directory: Path, opened: Index) -> None:
    """Raise ArchiveFailed if the manifest lost lines. Otherwise new files would take the place of others."""
    path, known = directory / manifest.NAME, opened.manifest_bytes()
    if known > _size(path):
        raise ArchiveFailed(
            f"{path} has lost lines: it has {_size(path)} bytes, and had {known}; restore it from a backup."
            f" If the backup is older, also remove {index.NAME}"
        )
    if known:
        return
    # The index is new.
    listed = {entry.file for entry, _ in manifest.read(directory)} | {_read_writing(directory)}
    unlisted = {str(one.relative_to(directory)) for one in directory.glob("*/*/*.ndjson.gz")} - listed
    if unlisted:
        raise ArchiveFailed(
            f"{path} does not have {len(unlisted)} files of the directory, such as {min(unlisted)}; restore"
            " it from a backup, or move the files to another directory"
        )


def _complete(directory: Path, opened: Index) -> None:
    """Add to the index the files of the manifest that it does not have yet."""
    for entry, end in manifest.read(directory, opened.manifest_bytes()):
        rows = []
        for place, line in read_places(directory / entry.file):
            found = decode(line).transaction
            listed = index_name(found.charge_point, found.started_ms, found.id)
            rows.append(Row(found.charge_point, found.id, listed, place, sha256(line).digest()))
        opened.add(entry, rows, end)


def _remove_unlisted(directory: Path, opened: Index) -> None:
    """Remove the file that was renamed right before a crash, and is not in the manifest."""
    name = _read_writing(directory)
    number = _sequence_of(name)
    if number is not None and not opened.files_with([number]):
        (directory / name).unlink(missing_ok=True)
    (directory / WRITING).unlink(missing_ok=True)


def _read_writing(directory: Path) -> str:
    path = directory / WRITING
    return path.read_text() if path.exists() else ""


def _sequence_of(name: str) -> int | None:
    number = name.rpartition("/")[2].removesuffix(".ndjson.gz")
    return int(number) if number.isascii() and number.isdecimal() else None


def _make_directories(root: Path, path: Path) -> None:
    if path == root or path.exists():
        return
    _make_directories(root, path.parent)
    path.mkdir(mode=0o700)
    sync_directory(path.parent)


def _write_durably(path: Path, content: bytes) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.write(handle, content)
        os.fsync(handle)
    finally:
        os.close(handle)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
