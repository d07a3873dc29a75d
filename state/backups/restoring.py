"""Verifies a backup, and lays its files down for a server that has no data."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from state.backups import copying, manifest
from state.backups.copying import Report
from state.backups.directory import describe, require_room
from state.backups.failures import BackupFailed
from state.backups.manifest import File, Manifest
from state.backups.opening import open_regular
from state.durable import sync_directory

_UNFINISHED = "restore.unfinished"
_HARMLESS = frozenset({"lost+found", _UNFINISHED})


def verify(path: Path, report: Report) -> Manifest:
    """Read a whole backup, and compare it with its manifest. Raises BackupFailed."""
    found = manifest.read(path)
    for file in found.files:
        try:
            size, digest = copying.digest_of(path / file.name, report)
        except OSError as error:
            raise _unreadable(path / file.name, error) from None
        _compare(path, file, size, digest)
    return found


def restore(path: Path, store_directory: Path, report: Report) -> Manifest:
    """Copy the files of a backup to a directory that has none, and compare them with the manifest.

    The server's files get their name only when all of them are whole and on disk. Raises BackupFailed.
    """
    found = manifest.read(path)
    manifest.require_readable(path, found)
    _require_empty(store_directory)
    try:
        store_directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        require_room(store_directory, found.bytes, "free some, or use a larger disk")
        with _unfinished(store_directory) as unfinished:
            for file in found.files:
                _copy_file(path, unfinished, file, report)
            sync_directory(unfinished)
            _give_to_owner(store_directory, unfinished)
            unfinished.rename(store_directory / found.directory)
        sync_directory(store_directory)
    except OSError as error:
        raise describe(error, store_directory) from None
    return found


def _require_empty(directory: Path) -> None:
    try:
        names = {one.name for one in directory.iterdir()} - _HARMLESS
    except FileNotFoundError:
        return
    except OSError as error:
        raise BackupFailed(f"{directory} cannot be read: {error.strerror}") from None
    if names:
        raise BackupFailed(
            f"{directory} is not empty: it has {min(names)}; stop the server, and move what is there to"
            " another directory, because a restore replaces nothing"
        )


@contextmanager
def _unfinished(directory: Path) -> Iterator[Path]:
    path = directory / _UNFINISHED
    if path.exists():  # Of a restore that was killed.
        shutil.rmtree(path)
    path.mkdir(mode=0o700)
    try:
        yield path
    finally:
        if path.exists():
            shutil.rmtree(path)


def _copy_file(path: Path, target: Path, file: File, report: Report) -> None:
    source = path / file.name
    try:
        handle = open_regular(source)
    except OSError as error:
        raise _unreadable(source, error) from None
    try:
        size = os.fstat(handle).st_size
        if size == file.size:
            _compare(path, file, size, copying.copy(handle, target / source.name, size, report))
        else:
            _compare(path, file, size, "")
    finally:
        os.close(handle)


def _compare(path: Path, file: File, size: int, digest: str) -> None:
    if size != file.size:
        raise BackupFailed(
            f"{path / file.name} has {size:,} bytes, and {file.size:,} were written; use another backup"
        )
    if digest != file.sha256:
        raise BackupFailed(
            f"{path / file.name} is damaged, because its content is not the one that was written; use another"
            " backup"
        )


def _unreadable(path: Path, error: OSError) -> BackupFailed:
    if isinstance(error, FileNotFoundError):
        return BackupFailed(f"{path} is missing; use another backup")
    return BackupFailed(f"{path} cannot be read: {error.strerror}")


def _give_to_owner(directory: Path, files: Path) -> None:
    """Let root give the files to the owner of the directory, who is the user of the server."""
    if os.geteuid() == 0:
        owner = directory.stat()
        for path in (files, *files.iterdir()):
            os.chown(path, owner.st_uid, owner.st_gid)
