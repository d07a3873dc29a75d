"""The data directory of the embedded server: its lock, and the path of the server's socket."""

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import trio

from state.errors import StoreRefused

_LOCK_S = 2.0
_SOCKET_PATH_MAX = 100  # Linux allows 107 bytes for the path of a unix socket, and macOS 103.


async def lock_directory(lock: int, directory: Path) -> None:
    """Lock the directory for this process. Raises StoreRefused if another process keeps the lock.

    A server whose parent was killed keeps the lock until the server has died too, so this function waits for
    the lock up to `_LOCK_S`.
    """
    until = trio.current_time() + _LOCK_S
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if trio.current_time() < until:
                await trio.sleep(0.02)
                continue
            raise StoreRefused(
                f"the data directory {directory} is in use by another process; stop it or give another"
                " directory"
            ) from None
        return


@contextmanager
def open_directory(data_dir: Path) -> Iterator[tuple[Path, int]]:
    """Make the directory if it is missing, and open its lock file. Raises StoreRefused."""
    directory = data_dir.absolute()
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StoreRefused(
            f"the data directory {directory} cannot be written: {error.strerror}; "
            "give a directory that can be written"
        ) from error
    try:
        yield directory, lock
    finally:
        os.close(lock)


@contextmanager
def choose_socket_path(directory: Path) -> Iterator[str]:
    path = str(directory / "valkey.sock")
    if len(os.fsencode(path)) <= _SOCKET_PATH_MAX:
        yield path
        return
    # mkdtemp makes a directory with mode 0700. The directory is in /tmp, because a path below TMPDIR may be
    # too long as well.
    with tempfile.TemporaryDirectory(prefix="csms-", dir="/tmp", ignore_cleanup_errors=True) as short:
        yield f"{short}/valkey.sock"
