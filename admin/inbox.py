"""The admin process is a node with an inbox. A message in the inbox wakes the API request that waits for it.

A message may be lost, so each request also reads the record of its command after 1 s and then at least every
5 s.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import assert_never

import structlog
import trio

from state.errors import StateError
from state.nodes import inbox, nodes
from state.nodes.inbox import Message
from state.nodes.nodes import NodeRecord
from state.patience import repeat_step
from state.store import Store
from state.timers import every

BEAT_S = 3.0
BLOCK_MS = 2_000
_RETRY_S = 0.5

_log = structlog.get_logger("csms.admin")


class Inbox:
    def __init__(self, store: Store, incarnation: str) -> None:
        self.incarnation = incarnation
        self._store = store
        self._read = "0"
        """Id of the last message that was read."""
        self._waiting: dict[str, set[Wake]] = {}

    async def run(
        self, node: NodeRecord, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Register the node, keep it alive and read the inbox until cancelled. Then remove the node."""
        await repeat_step(nodes.beat, self._store, self.incarnation, node)
        task_status.started()
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(every, BEAT_S, "beat", self._beat, node)
                nursery.start_soon(self._listen)
        finally:
            with trio.move_on_after(0.5, shield=True):  # Part of the second that a stop may take.
                try:
                    await nodes.leave(self._store, self.incarnation)
                except StateError as error:
                    # Other nodes will remove this node when they see that its counter no longer changes.
                    _log.info("node.leave_failed", error=str(error))

    @property
    def waiting(self) -> int:
        return sum(map(len, self._waiting.values()))

    @contextmanager
    def listen_for(self, command_id: str) -> Iterator["Wake"]:
        """Yield an event that each change of this command sets."""
        wake = Wake()
        waiting = self._waiting.setdefault(command_id, set())
        waiting.add(wake)
        try:
            yield wake
        finally:
            waiting.discard(wake)
            if not waiting:
                self._waiting.pop(command_id, None)

    async def _beat(self, node: NodeRecord) -> None:
        await nodes.beat(self._store, self.incarnation, node, self._read)

    async def _listen(self) -> None:
        while True:
            try:
                for entry, message in await inbox.read(self._store, self.incarnation, self._read, BLOCK_MS):
                    self._read = entry
                    self._deliver(message)
            except StateError as error:
                _log.info("inbox.read_failed", error=str(error))
                await trio.sleep(_RETRY_S)
            except Exception:  # noqa: BLE001  An inbox that cannot be read must not end the process.
                _log.exception("inbox.read_failed")
                await trio.sleep(_RETRY_S)

    def _deliver(self, message: Message | None) -> None:
        match message:
            case inbox.CommandChanged():
                for wake in self._waiting.get(message.command, ()):
                    wake.set()
            case (
                inbox.CommandQueued()
                | inbox.SettingsChanged()
                | inbox.TraceChanged()
                | inbox.Disconnect()
                | inbox.Evict()
                | inbox.Evicted()
                | inbox.TokenRevoked()
                | inbox.TokenRetired()
                | inbox.DeniedCertificatesChanged()
                | inbox.Drain()
                | inbox.DrainCancelled()
                | inbox.Shed()
                | None
            ):
                pass  # Only gateways act on these messages.
            case _:
                assert_never(message)


class Wake:
    """An event that can be awaited many times.

    If the event was set between two waits, the next wait ends at once.
    """

    def __init__(self) -> None:
        self._event = trio.Event()

    def set(self) -> None:
        self._event.set()

    async def wait(self, at_most_s: float) -> bool:
        """Wait until the event is set. Return False if `at_most_s` seconds passed first."""
        with trio.move_on_after(at_most_s):
            await self._event.wait()
        woken, self._event = self._event.is_set(), trio.Event()
        return woken
