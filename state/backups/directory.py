"""The directory that keeps the backups of one store: its lock, unfinished backups, and how many are kept."""

import errno
import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from state.backups import manifest
from state.backups.failures import BackupFailed
from state.durable import sync_directory

_LOCK = "backup.lock"
_SPARE = 16 << 20
"""Room that must be left after a backup."""


@contextmanager
def lock(directory: Path) -> Iterator[None]:
    """Make the directory if it is missing, and lock it. Raises BackupFailed.

    The lock ends with this process, however it ends.
    """
    try:
        directory.mkdir(mode=0o700, exist_ok=True)
        handle = os.open(directory / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise BackupFailed(
            f"the directory {directory} cannot be written: {error.strerror}; its parent directory must"
            " exist, and the user of this process must be able to write there"
        ) from None
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BackupFailed(
                f"another process is writing a backup to {directory}; wait for its end"
            ) from None
        except OSError as error:
            raise BackupFailed(
                f"{directory / _LOCK} cannot be locked: {error.strerror}; give a directory on a file system"
                " with locks"
            ) from None
        yield
    finally:
        os.close(handle)


def require_apart(directory: Path, store_directory: Path) -> None:
    """Raise BackupFailed if the backups would be among the files of the store."""
    if directory.resolve().is_relative_to(store_directory.resolve()):
        raise BackupFailed(
            f"{directory} is within {store_directory}, so the backups would be lost with the store; give a"
            " directory on another disk"
        )


def require_room(directory: Path, size: int, advice: str) -> None:
    """Raise BackupFailed, with what to do, if the files of a backup do not fit."""
    free = shutil.disk_usage(directory).free
    if free < size + _SPARE:
        raise BackupFailed(
            f"the backup needs {size + _SPARE:,} bytes, and the disk of {directory} has {free:,} bytes free;"
            f" {advice}"
        )


@contextmanager
def unfinished(directory: Path, name: str) -> Iterator[Path]:
    """Make the directory of a backup under a name that no reader takes for a whole one.

    After the block, the directory gets its name. If the block fails, the directory is removed. Raises
    BackupFailed for an error of the disk.
    """
    for left in manifest.list_unfinished(directory):  # By a backup that was killed.
        shutil.rmtree(left)
    path = directory / f"{name}{manifest.UNFINISHED}"
    try:
        path.mkdir(mode=0o700)
        yield path
        path.rename(directory / name)
        sync_directory(directory)
    except OSError as error:
        raise describe(error, directory) from error
    finally:
        with suppress(FileNotFoundError):
            shutil.rmtree(path)


def describe(error: OSError, path: Path) -> BackupFailed:
    """Say what to do about an error of the disk."""
    text = f"{error.filename or path} cannot be written: {error.strerror}"
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        text = f"{text}; free some room, or give a directory on another disk"
    return BackupFailed(text)


def remove_oldest(directory: Path, store: str, keep: int) -> list[str]:
    """Remove the oldest whole backups of a store, and return their names. Raises BackupFailed.

    Backups of another store are left alone. So are those from before the store lost all its data, because it
    has another id since.
    """
    own = [one.path for one in manifest.list_whole(directory) if store and one.manifest.store == store]
    removed = own[: max(0, len(own) - keep)]
    for path in removed:
        # A crash must not leave half a backup under the name of a whole one.
        left = path.rename(path.with_name(f"{path.name}{manifest.UNFINISHED}"))
        try:
            shutil.rmtree(left)
        except OSError as error:
            raise BackupFailed(f"{left} cannot be removed: {error.strerror}") from None
    return [path.name for path in removed]
