"""The state that all sessions of a gateway process share."""

import itertools
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import structlog
import trio

from gateway.config import GatewayConfig
from gateway.fact_log import FactLog
from gateway.fault_counts import FaultCounts
from gateway.memory_ceiling import MemoryCeiling, find_limit
from gateway.ocpp16.faults.table import FaultName
from gateway.refusal_counts import Note, RefusalCounts
from gateway.refusal_log import RefusalLog
from gateway.revocations import Revocations
from gateway.telemetry import Telemetry
from gateway.until_stored import until_stored
from state.errors import StateError
from state.keys import ChargePointKeys
from state.nodes import leases, nodes
from state.store import Store

log = structlog.get_logger()

READOPTIONS = 50
RELEASES = 200


class Node:
    """One gateway process.

    `background` runs work that must go on after the end of the session that started it, and logs its errors.
    """

    def __init__(
        self,
        config: GatewayConfig,
        store: Store,
        pepper: bytes,
        nursery: trio.Nursery,
        revocations: Revocations | None = None,
    ) -> None:
        self.config = config
        self.store = store
        self.pepper = pepper
        self.incarnation = nodes.new_incarnation()
        self.telemetry = Telemetry()
        self.fault_counts = FaultCounts(store, self.background)
        self.refusals = RefusalCounts(store, self.background)
        self.refusal_log = RefusalLog(nursery)
        self.fact_log = FactLog(nursery)
        self.revocations = revocations or Revocations()
        self.readoptions = trio.Semaphore(READOPTIONS)
        self.memory = MemoryCeiling(find_limit(config.limits.memory_bytes))
        self.draining = False
        """True after a signal, and while an operator has drained the process. Handshakes are refused then."""
        self.stopping = False
        """True after a signal. Then nothing ends the drain any more."""
        self.moving: trio.CancelScope | None = None
        """The drain or the shedding that an operator asked for, while it closes sessions."""
        self.attended: set[str] = set()
        """Names of the sessions (holders) that are about to begin, are open, or are about to end."""
        self.tokens_used: dict[tuple[str, str], int] = {}
        """When each token, by tenant and id, was last used. `token_uses.py` writes and empties this."""
        self.inbox_read = "0"
        """Id of the last message that was read from the inbox."""
        self._unfinished = 0
        self._finished = trio.Event()
        self._releases = trio.Semaphore(RELEASES)
        self._nursery = nursery
        self._holders = itertools.count(1)

    def next_holder(self) -> str:
        return f"{self.incarnation}/{next(self._holders)}"

    def background[*Args](self, work: Callable[[*Args], Awaitable[Any]], *args: *Args) -> None:
        self._nursery.start_soon(self._run_contained, work, args)

    def see_through[*Args](self, work: Callable[[*Args], Awaitable[Any]], *args: *Args) -> None:
        """Like `background`, but a drain waits for the work, because the store must get the result."""
        self._unfinished += 1
        self.background(self._see_through, work, args)

    def note_token(self, tenant: str, token_id: str) -> None:
        self.tokens_used[tenant, token_id] = self.store.server_time_ms()

    def count_faults(self, keys: ChargePointKeys, names: Iterable[FaultName]) -> None:
        """Count faults, both for the metric of the process and for operators who look at the charge point."""
        faults = Counter(names)
        self.fault_counts.note(keys, faults)
        self.telemetry.faults.update(faults)

    def note_refusal(self, note: Note) -> None:
        """Record and log a refused handshake."""
        self.refusals.note(note)
        self.refusal_log.note(note)

    def release(self, keys: ChargePointKeys, holder: str, reason: str, seen_s: int | None = None) -> None:
        """Give back the lease that `holder` may have.

        The release is repeated in the background until the store confirms it. `seen_s` is the time of the
        charge point's last message, if that is not stored yet.
        """
        self.see_through(self._release, keys, holder, reason, seen_s)

    async def wait_until_seen_through(self) -> None:
        """Wait until all work given to `see_through` has ended."""
        while self._unfinished:
            await self._finished.wait()

    async def _release(self, keys: ChargePointKeys, holder: str, reason: str, seen_s: int | None) -> None:
        async with self._releases:
            await until_stored(leases.release_if_holder, self.store, keys, holder, reason, seen_s)

    async def _see_through(self, work: Callable[..., Awaitable[Any]], args: tuple[Any, ...]) -> None:
        try:
            await work(*args)
        finally:
            self._unfinished -= 1
            if not self._unfinished:
                finished, self._finished = self._finished, trio.Event()
                finished.set()

    async def _run_contained(self, work: Callable[..., Awaitable[Any]], args: tuple[Any, ...]) -> None:
        try:
            await work(*args)
        except StateError as error:
            log.info("work.abandoned", error=str(error))
        except Exception:
            log.exception("work.failed")
