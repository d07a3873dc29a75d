"""The index of an archive, by which one transaction is found without reading the files.

The index is an SQLite database made from the manifest and the files. It can be removed, and the next writer
makes it again.
"""

import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from admin.archive.failures import ArchiveFailed
from admin.archive.files import Place
from admin.archive.manifest import Entry

NAME = "index.sqlite"
_VERSION = 1
_BUSY_S = 10.0
_TABLES = """
CREATE TABLE files (sequence INTEGER PRIMARY KEY, file TEXT NOT NULL, size INTEGER NOT NULL);
CREATE TABLE transactions (
    tenant TEXT NOT NULL, charge_point TEXT NOT NULL, id INTEGER NOT NULL, listed TEXT NOT NULL,
    sequence INTEGER NOT NULL, offset INTEGER NOT NULL, length INTEGER NOT NULL, skip INTEGER NOT NULL,
    size INTEGER NOT NULL, digest BLOB NOT NULL, PRIMARY KEY (tenant, charge_point, id)
) WITHOUT ROWID;
CREATE INDEX by_start ON transactions (tenant, listed);
CREATE TABLE manifest (bytes INTEGER NOT NULL);
INSERT INTO manifest VALUES (0);
"""
_PLACE = "file, sequence, offset, length, skip, transactions.size, digest"


class Row(NamedTuple):
    """A transaction of a file that is added to the index. `listed` is its name in lists (listing.py)."""

    charge_point: str
    id: int
    listed: str
    place: Place
    digest: bytes


class Found(NamedTuple):
    """The newest record of a transaction: its file, its place there, and its SHA-256."""

    file: str
    sequence: int
    place: Place
    digest: bytes


class Listed(NamedTuple):
    listed: str
    charge_point: str
    id: int
    found: Found


class Index:
    """Methods raise ArchiveFailed if the database cannot be read or written."""

    def __init__(self, database: sqlite3.Connection, path: Path) -> None:
        self._database, self._path = database, path

    def close(self) -> None:
        self._database.close()

    def manifest_bytes(self) -> int:
        """Return how many bytes of the manifest are in the index."""
        [[read]] = self._ask("SELECT bytes FROM manifest")
        return int(read)

    def last_sequence(self) -> int:
        [[last]] = self._ask("SELECT coalesce(max(sequence), 0) FROM files")
        return int(last)

    def add(self, entry: Entry, rows: Iterable[Row], read: int) -> None:
        """Add a file with its transactions. `read` is the number of bytes of the manifest up to this file."""
        with self._failures(), self._database:
            file = (entry.sequence, entry.file, entry.size)
            self._database.execute("INSERT OR REPLACE INTO files VALUES (?, ?, ?)", file)
            self._database.executemany(
                "INSERT OR REPLACE INTO transactions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                ((entry.tenant, *row[:3], entry.sequence, *row.place, row.digest) for row in rows),
            )
            self._database.execute("UPDATE manifest SET bytes = ?", (read,))

    def find(self, tenant: str, charge_point: str, id_: int) -> Found | None:
        found = self._ask(
            f"SELECT {_PLACE} FROM transactions JOIN files USING (sequence)"  # noqa: S608  A constant.
            " WHERE tenant = ? AND charge_point = ? AND id = ?",
            (tenant, charge_point, id_),
        )
        return _read(found[0]) if found else None

    def list_(
        self, tenant: str, *, charge_point: str | None, after: str, before: str | None, limit: int
    ) -> list[Listed]:
        """List transactions by the time of their start, newest first, between two names in lists."""
        rows = self._ask(
            f"SELECT listed, charge_point, id, {_PLACE}"  # noqa: S608  A constant.
            " FROM transactions JOIN files USING (sequence)"
            " WHERE tenant = ? AND listed >= ? AND (? IS NULL OR listed < ?)"
            " AND (? IS NULL OR charge_point = ?) ORDER BY listed DESC LIMIT ?",
            (tenant, after, before, before, charge_point, charge_point, limit),
        )
        return [Listed(listed, name, id_, _read(rest)) for listed, name, id_, *rest in rows]

    def files_with(self, sequences: Sequence[int]) -> dict[int, tuple[str, int]]:
        """Return the name and the size of each of these files that the index has."""
        marks = ", ".join("?" * len(sequences))
        rows = self._ask(
            f"SELECT sequence, file, size FROM files WHERE sequence IN ({marks})",  # noqa: S608  Only marks.
            tuple(sequences),
        )
        return {sequence: (file, size) for sequence, file, size in rows}

    def _ask(self, query: str, values: Sequence[object] = ()) -> list[Any]:
        with self._failures():
            return self._database.execute(query, values).fetchall()

    @contextmanager
    def _failures(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise ArchiveFailed(f"{self._path} cannot be used: {error}") from error


def open_to_write(directory: Path) -> Index:
    """Open the index, or make a new one if there is none that this release can read.

    Raises ArchiveFailed or OSError.
    """
    path = directory / NAME
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    try:
        database = _connect(path, "rw")
    except sqlite3.OperationalError as error:
        raise ArchiveFailed(f"{path} cannot be used: {error}") from error
    except sqlite3.DatabaseError:
        return make_again(directory)
    return Index(database, path)


def make_again(directory: Path) -> Index:
    """Make an empty index in place of the present one. Raises ArchiveFailed or OSError."""
    path = directory / NAME
    path.unlink()
    path.with_name(f"{NAME}-journal").unlink(missing_ok=True)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    try:
        database = _connect(path, "rw", prepare=_TABLES)
    except sqlite3.Error as error:
        raise ArchiveFailed(f"{path} cannot be made: {error}") from error
    return Index(database, path)


@contextmanager
def open_to_read(directory: Path) -> Iterator[Index]:
    """Open the index. Raises ArchiveFailed."""
    path = directory / NAME
    try:
        # After a crash of the writer, a reader that may write repairs the database.
        database = _connect(path, "rw" if os.access(path, os.W_OK) else "ro")
    except sqlite3.Error as error:
        raise ArchiveFailed(f"{path} cannot be read: {error}") from error
    with closing(database):
        yield Index(database, path)


def _connect(path: Path, mode: str, *, prepare: str = "") -> sqlite3.Connection:
    """Connect to a database of this version, after running `prepare`. Raises sqlite3.Error."""
    database = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}",
        uri=True,
        timeout=_BUSY_S,
        check_same_thread=False,  # The methods run in worker threads, one at a time.
    )
    try:
        database.execute("PRAGMA synchronous = FULL")
        if prepare:
            database.executescript(f"BEGIN; {prepare} PRAGMA user_version = {_VERSION}; COMMIT;")
        [version] = database.execute("PRAGMA user_version").fetchone()
    except BaseException:
        database.close()
        raise
    if version != _VERSION:
        database.close()
        raise sqlite3.DatabaseError(f"the database has version {version}, and not {_VERSION}")
    return database


def _read(row: Sequence[Any]) -> Found:
    file, sequence, offset, length, skip, size, digest = row
    return Found(file, sequence, Place(offset, length, skip, size), digest)
