"""Tests of events that arrive while a session ends."""

from collections.abc import Awaitable, Callable
from typing import cast

import msgspec
import trio

from gateway.config import GatewayConfig
from gateway.node import Node
from gateway.session.session import Session
from gateway.session.trace import Recorder
from gateway.websocket.close_codes import Closed
from gateway.websocket.connection import Connection
from state.store import Store
from tests.support import leases

LOST = Closed(1006, "", "lost")


class Ended:
    """A connection whose peer has disconnected."""

    violation = None

    async def run(self, _on_text: Callable[[bytes], Awaitable[None]], on_end: Callable[[], None]) -> Closed:
        on_end()
        return LOST

    def repair_faults(self, _report: Callable[[str], None] | None) -> None:
        pass


class WritesItsLastFrames:
    """A recorder that submits a command during its last write, which wakes the ending session."""

    def __init__(self, session: Session) -> None:
        self.session = session

    async def finish(self, closed: Closed) -> None:
        assert closed == LOST
        self.session.calls.wake()


async def nobody_before() -> None:
    pass


async def test_a_wake_up_message_is_ignored_if_it_arrives_during_the_last_writes_of_a_session(
    store: Store, redis_url: str
) -> None:
    config = msgspec.convert({"store": {"url": redis_url}, "security": {"pepper": "p" * 32}}, GatewayConfig)
    claimed = await leases.claimed(store, "a/1")
    async with trio.open_nursery() as nursery:
        node = Node(config, store, b"p" * 32, nursery)
        session = Session(node, claimed, cast("Connection", Ended()), leases.attachment("a/1"))
        session.link.recorder = cast("Recorder", WritesItsLastFrames(session))
        assert await session.run(claimed.pending, nobody_before) == LOST
        assert session.link.has_ended
