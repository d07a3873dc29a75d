"""The task of an admin process that archives finished transactions, and lets old ones leave the store.

One process at a time does this for the whole store.
"""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog
import trio

from admin.archive import archiver, dropping
from admin.archive.dropping import Dropped
from admin.archive.failures import ArchiveFailed
from admin.config import ArchiveConfig, RetentionConfig
from gateway.service.config import ConfigError
from gateway.service.metrics import Reading
from state.errors import StateError
from state.nodes.duty import hold_duty
from state.store import Store
from state.transactions import archiving
from state.transactions.archiving import ArchiveNote

DUTY_MS = 60_000
LOOK_S = 10.0
"""Time between two looks at the oldest transaction that is not archived, and after a turn that failed."""
_HOUR_MS = 3_600_000

_log = structlog.get_logger("csms.admin")


class Archiving:
    """Archives again and again. Its counters are metrics of the process."""

    def __init__(
        self, store: Store, incarnation: str, archive: ArchiveConfig, retention: RetentionConfig
    ) -> None:
        """Raise ConfigError for settings that contradict each other."""
        if archive.directory is not None and retention.transactions_days is not None:
            raise ConfigError(
                "retention.transactions_days is for systems without an archive; remove it, or remove"
                " archive.directory"
            )
        self.directory = None if archive.directory is None else Path(archive.directory)
        self.lag_s = 0.0
        self.archived = self.dropped = self.errors = 0
        self._store, self._incarnation = store, incarnation
        self._every_s, self._retention = archive.every_s, retention
        self._waits = False

    async def run(self) -> None:
        """Work until cancelled. Does nothing without an archive and without `retention.transactions_days`."""
        if self.directory is None and self._retention.transactions_days is None:
            return
        next_turn = trio.current_time()
        while True:
            with self._report():
                if (now := trio.current_time()) >= next_turn:
                    # A turn that fails, for example because the store is away, is soon tried again.
                    next_turn = now + min(self._every_s, LOOK_S)
                    await self._take_turn()
                    next_turn = now + self._every_s
                await self._look()
            await trio.sleep(min(LOOK_S, max(0.0, next_turn - trio.current_time())))

    async def turn(self) -> None:
        """Archive and drop what is due. Raises ArchiveFailed, and errors of the store."""
        store, hot_ms = self._store, int(self._retention.transactions_hot_h * _HOUR_MS)
        if self.directory is not None:
            began_ms = store.server_time_ms()
            turn = await archiver.run_turn(store, self.directory)
            self.archived += turn.written
            await self._note(self.directory, began_ms)
            self._count(await dropping.drop_archived(store, self.directory, began_ms - hot_ms))
            if turn.written:
                _log.info("archive.written", transactions=turn.written, files=turn.files)
        elif await archiving.read_note(store) is not None:
            raise ArchiveFailed(
                "retention.transactions_days drops nothing, because this store has an archive; remove the"
                " setting from all admin processes"
            )
        else:
            days = self._retention.transactions_days or 0
            before_ms = store.server_time_ms() - days * 24 * _HOUR_MS
            self._count(await dropping.drop_old(store, before_ms))

    def readings(self) -> Iterator[Reading]:
        yield Reading(
            "csms_archive_lag_seconds",
            "Age of the oldest finished transaction that is not in the archive, by the receipt of its stop. "
            "It is 0 if there is none, or if this process has no archive.",
            self.lag_s,
            "gauge",
        )
        yield Reading(
            "csms_archive_errors",
            "Turns of archiving that failed. While they fail, no transaction leaves the store.",
            self.errors,
        )
        yield Reading("csms_archived_transactions", "Transactions written to the archive.", self.archived)
        yield Reading("csms_dropped_transactions", "Transactions that left the store.", self.dropped)

    async def work_once(self) -> str | None:
        """Take one turn, or return why not. Raises ArchiveFailed, and errors of the store."""
        if not await self._hold_duty():
            return "another process is archiving; only one at a time does"
        return await self._work()

    async def _work(self) -> str | None:
        """Take one turn with the duty, or return why not."""
        if not self._store.packs:
            # Gateways of the release before would not notice that a late value makes a transaction due again.
            return "the store has an old form; run csms store upgrade"
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._keep_duty)
            await self.turn()
            nursery.cancel_scope.cancel()
        return None

    async def _take_turn(self) -> None:
        if not await self._hold_duty():
            return
        refusal = await self._work()
        if refusal is not None and not self._waits:
            _log.warning("archive.waiting", reason=refusal)
        self._waits = refusal is not None

    async def leave_duty(self) -> None:
        """Let another process archive at once, and not only when the time of this one is over."""
        await hold_duty(self._store, "archive", self._incarnation, 1)

    async def _hold_duty(self) -> bool:
        return await hold_duty(self._store, "archive", self._incarnation, DUTY_MS)

    async def _keep_duty(self) -> None:
        while True:
            await trio.sleep(DUTY_MS / 3000)
            try:
                await self._hold_duty()
            except StateError:
                continue  # The turn meets the same error, or another process takes the duty.

    async def _note(self, directory: Path, now_ms: int) -> None:
        oldest = await archiving.oldest_waiting_ms(self._store)
        through_ms = now_ms if oldest is None else min(now_ms, oldest)
        # The turn made the note if there was none.
        id_ = "" if (before := await archiving.read_note(self._store)) is None else before.id
        host = socket.gethostname()
        note = ArchiveNote(id=id_, host=host, directory=str(directory), through_ms=through_ms)
        await archiving.note_archive(self._store, note)

    async def _look(self) -> None:
        if self.directory is not None:
            oldest, now_ms = await archiving.oldest_waiting_ms(self._store), self._store.server_time_ms()
            self.lag_s = 0.0 if oldest is None else max(0.0, (now_ms - oldest) / 1000)

    def _count(self, dropped: Dropped) -> None:
        self.dropped += dropped.transactions
        if dropped.missing:
            self.errors += 1
            _log.error("archive.files_missing", files=len(dropped.missing), first=min(dropped.missing))

    @contextmanager
    def _report(self) -> Iterator[None]:
        try:
            yield
        except* StateError as errors:
            _log.info("archive.turn_abandoned", error=str(errors.exceptions[0]))
        except* ArchiveFailed as errors:
            self.errors += 1
            _log.error("archive.failed", error=str(errors.exceptions[0]))
        except* Exception:  # noqa: BLE001  A turn that fails must not end the process.
            self.errors += 1
            _log.exception("archive.turn_failed")
