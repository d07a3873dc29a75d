"""Looks again and again how full the store is, and says in the log what to do about it."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import structlog
import trio
from redis.exceptions import ResponseError

from state import keys
from state.errors import StoreUnavailable
from state.redis import checks
from state.redis.connection import Arg
from state.redis.headroom import LEVELS, Headroom, find_failures, read_disk, read_memory, scarcer

_EVERY_S = 2.0
_NEAR_S = 0.5
"""Pause if the store is not "ok", so that what a deletion frees is of use at once."""
_QUESTIONS: tuple[tuple[Arg, ...], ...] = (
    ("INFO", "memory", "persistence", "replication"),
    ("GET", keys.DISK),
)
_ADVICE = {
    "low": "give the store more room, or let retention and csms archive free some",
    "scarce": "csms adds no charge points and no traces, and registers none by itself; free some room",
    "full": "csms accepts no new transaction; delete or archive something, or give the store more room",
}

_log = structlog.get_logger()

type AskMany = Callable[[tuple[tuple[Arg, ...], ...]], Awaitable[list[Any]]]


class HeadroomWatch:
    def __init__(self, ask: AskMany) -> None:
        self.headroom = Headroom()
        self.memory = Headroom()
        self.failures: dict[str, str] = {}
        self.replicas = 0
        self.delayed_fsyncs = 0
        self._ask = ask
        self._unlimited = 0
        self._soon = trio.Event()

    def stats(self) -> dict[str, int]:
        return {
            "headroom": LEVELS.index(self.headroom.level),
            "memory_used_bytes": self.memory.used,
            "memory_limit_bytes": self.memory.limit,
            "persistence_failures": len(self.failures),
            "replicas": self.replicas,
            "delayed_fsyncs": self.delayed_fsyncs,
        }

    def look_soon(self) -> None:
        """Look again at once, because the server refused a write for lack of memory."""
        self._soon.set()

    async def run(self) -> None:
        while True:
            with suppress(StoreUnavailable):  # The last known level stays.
                self._note(*await self._ask(_QUESTIONS))
            with trio.move_on_after(_EVERY_S if self.headroom.level == "ok" else _NEAR_S):
                await self._soon.wait()
                await trio.sleep(_NEAR_S / 10)
            self._soon = trio.Event()

    def _note(self, info_reply: Any, disk: Any) -> None:
        if isinstance(info_reply, ResponseError):
            return
        info = checks.read_info(info_reply)
        self.memory = read_memory(info, self.memory.level)
        self.replicas = int(info.get("connected_slaves", 0))
        self.delayed_fsyncs = int(info.get("aof_delayed_fsync", 0))
        before = self.headroom
        now = scarcer(self.memory, read_disk(disk if isinstance(disk, bytes) else None))
        self.headroom = now
        if now.level != before.level:
            rises = LEVELS.index(now.level) > LEVELS.index(before.level)
            _log.warning(
                "store.filling" if rises else "store.emptied",
                level=now.level,
                resource=(now if rises else before).resource,
                used_mib=now.used >> 20,
                limit_mib=now.limit >> 20,
                advice=_ADVICE.get(now.level, ""),
            )
        self._note_limit()
        self._note_failures(find_failures(info))

    def _note_limit(self) -> None:
        self._unlimited = 0 if self.memory.limit else self._unlimited + 1
        if self._unlimited == 2:  # The second look, so that a command of a second says nothing.
            _log.warning("store.memory_unlimited", used_mib=self.memory.used >> 20)

    def _note_failures(self, failures: dict[str, str]) -> None:
        if failures != self.failures:
            if failures:
                _log.error("store.persistence_failed", failed=failures)
            else:
                _log.warning("store.persistence_recovered")
        self.failures = failures
