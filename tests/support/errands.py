"""Errands whose results a test reads, and the queue of a lane whose server is the test."""

from collections.abc import Coroutine
from typing import Any, override

import trio
from trio.testing import wait_all_tasks_blocked

from state.errand import Errand
from state.errors import StoreUnavailable
from state.redis.pending import NOTHING, PendingReplies

type Work = Coroutine[Any, Any, Any]


class Recorded(Errand[Any]):
    """An errand that keeps what came of it."""

    __slots__ = ("ended",)

    def __init__(self, coroutine: Work) -> None:
        super().__init__(coroutine)
        self.ended: list[object] = []

    @override
    def end(self) -> None:
        try:
            self.ended.append(self.take_result())
        except Exception as error:  # noqa: BLE001  The test judges it.
            self.ended.append(error.with_traceback(None))


class Lane:
    """The queue of a lane, whose server is the test."""

    def __init__(self, *, max_commands: int = 1_000) -> None:
        self.pending = PendingReplies(timeout_s=60, max_commands=max_commands, max_bytes=1 << 20)
        self.sent: list[bytes] = []
        self.pending.send_now = self._send

    def _send(self, data: bytes) -> int:
        self.sent.append(data)
        return len(data)

    async def ask(self, word: str, turn: str = "") -> str:
        reply: str = await self.pending.call(word.encode(), 1, turn)
        return f"{word}={reply}"

    def reply(self, *replies: object) -> None:
        left = list(replies)
        self.pending.deliver(lambda: left.pop(0) if left else NOTHING)

    def reply_to_all(self) -> None:
        self.reply(*range(len(self.pending.flight)))

    def send_unsent(self) -> None:
        if batch := self.pending.take():
            self.sent.append(batch)


async def fail() -> str:
    raise StoreUnavailable("away")


async def fail_after(lane: Lane, word: str) -> str:
    await lane.ask(word)
    raise ValueError(word)


def begin(coroutine: Work) -> Recorded:
    errand = Recorded(coroutine)
    if errand.run():
        errand.end()
    return errand


class Run:
    """Runs a coroutine in a task or as an errand."""

    def __init__(self, nursery: trio.Nursery, *, task: bool) -> None:
        self._nursery, self._task = nursery, task
        self.scope = trio.CancelScope()
        self.errand: Recorded | None = None
        self._ended: list[object] = []

    async def begin(self, coroutine: Work) -> None:
        if self._task:
            self._nursery.start_soon(self._work, coroutine)
            await wait_all_tasks_blocked()
        else:
            self.errand = begin(coroutine)

    async def _work(self, coroutine: Work) -> None:
        with self.scope:
            try:
                self._ended.append(await coroutine)
            except Exception as error:  # noqa: BLE001  The test judges it.
                self._ended.append(error.with_traceback(None))

    async def ended(self) -> list[object]:
        await wait_all_tasks_blocked()
        return self._ended if self.errand is None else self.errand.ended

    async def cancel(self) -> None:
        if self.errand is not None:
            self.errand.cancel()
        self.scope.cancel()
        await wait_all_tasks_blocked()
