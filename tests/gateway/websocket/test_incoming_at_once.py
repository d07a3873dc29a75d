"""Messages that are served at once, in the task that watches all sockets (websocket/incoming.py)."""

import random
import time
from collections import Counter
from collections.abc import Coroutine
from typing import Any

import pytest
import trio
from trio.lowlevel import Task

from gateway.websocket.connection import Connection
from gateway.websocket.http_upgrade import Upgrade
from gateway.websocket.incoming import MESSAGES_AT_ONCE, READS_AT_ONCE
from tests.gateway.websocket.echo_server import TurnCounter, raw_peer, send_in_pieces, serving, settle
from tests.support.task_steps import TaskSteps
from tests.support.websocket_frames import frame, plain, text


class Answering:
    """A handler that echoes messages that begin with `n` at once, and all others after a wait."""

    def __init__(self) -> None:
        self.task: Task | None = None

    async def __call__(self, upgrade: Upgrade) -> None:
        connection = await upgrade.accept("ocpp1.6")
        self.task = trio.lowlevel.current_task()

        async def answer_later(message: bytes) -> None:
            await trio.lowlevel.checkpoint()
            await connection.send(message)

        def on_text(message: bytes) -> Coroutine[Any, Any, None] | None:
            return connection.send_now(message) if message.startswith(b"n") else answer_later(message)

        await connection.run(on_text)


async def test_a_message_that_needs_no_wait_is_answered_without_waking_the_task_of_its_connection() -> None:
    handle, steps = Answering(), TaskSteps()
    async with serving(handle) as server, raw_peer(server) as peer:
        await peer.send(text("n first"))
        assert await peer.read(9) == plain(0x81, b"n first")
        assert handle.task is not None
        trio.lowlevel.add_instrument(steps)
        for _ in range(5):
            await peer.send(text("n again"))
            assert await peer.read(9) == plain(0x81, b"n again")
        await settle()
        trio.lowlevel.remove_instrument(steps)
        assert steps.of[handle.task] == 0
        assert steps.of.total() > 0


@pytest.mark.parametrize("seed", range(8))
async def test_answers_keep_the_order_of_messages_that_need_a_wait_and_of_those_that_do_not(
    seed: int,
) -> None:
    choose = random.Random(seed)
    messages = [
        b"%c %d %s" % (choose.choice(b"nnl"), at, b"x" * choose.choice((0, 100, 9_000))) for at in range(300)
    ]
    async with serving(Answering()) as server, raw_peer(server) as peer, trio.open_nursery() as nursery:
        data = b"".join(frame(0x81, message) for message in messages)
        nursery.start_soon(send_in_pieces, peer, data, choose)
        expected = b"".join(plain(0x81, message) for message in messages)
        assert await peer.read(len(expected)) == expected


async def test_a_peer_that_reads_late_gets_every_answer_whole_and_in_order() -> None:
    """The kernel takes only a part of an answer, so that the rest has to wait."""
    messages = [b"n %d " % at + b"y" * 60_000 for at in range(200)]
    async with serving(Answering()) as server, raw_peer(server) as peer, trio.open_nursery() as nursery:
        nursery.start_soon(peer.send, b"".join(frame(0x81, message) for message in messages))
        await settle()
        expected = b"".join(plain(0x81, message) for message in messages)
        assert await peer.read(len(expected)) == expected


async def test_an_error_while_a_message_is_served_at_once_ends_only_its_own_connection() -> None:
    async def handle(upgrade: Upgrade) -> None:
        connection = await upgrade.accept("ocpp1.6")

        def on_text(message: bytes) -> Coroutine[Any, Any, None] | None:
            if message == b"n fail":
                raise RuntimeError("a defect")
            return connection.send_now(message)

        await connection.run(on_text)

    async with serving(handle, crashes=1) as server, raw_peer(server) as peer, raw_peer(server) as other:
        for one in (peer, other):
            await one.send(text("n here"))
            assert await one.read(8) == plain(0x81, b"n here")
        await settle()
        await peer.send(text("n fail"))
        assert (await peer.read_all())[2:4] == (1011).to_bytes(2)
        await other.send(text("n still"))
        assert await other.read(9) == plain(0x81, b"n still")


async def test_other_tasks_get_their_turn_between_messages_that_are_served_at_once() -> None:
    counter = TurnCounter()
    turn_of_message: list[int] = []

    async def handle(upgrade: Upgrade) -> None:
        connection = await upgrade.accept("ocpp1.6")

        def on_text(_message: bytes) -> None:
            turn_of_message.append(counter.turns)
            time.sleep(0.001)  # The handler keeps the event loop busy.

        await connection.run(on_text)

    async with serving(handle) as server, raw_peer(server) as peer, trio.open_nursery() as nursery:
        nursery.start_soon(counter.run)
        await peer.send(text("short") * 500)
        while len(turn_of_message) < 500:
            await trio.lowlevel.checkpoint()
        nursery.cancel_scope.cancel()
    # In one turn, the task that watches the sockets and the task of the connection may both serve some.
    assert max(Counter(turn_of_message).values()) <= 2 * READS_AT_ONCE * MESSAGES_AT_ONCE


async def test_a_message_that_comes_after_the_end_of_reading_is_discarded() -> None:
    """The owner of the connection is not called any more after `run`."""
    heard: list[bytes] = []
    connections: list[Connection] = []

    async def handle(upgrade: Upgrade) -> None:
        connection = await upgrade.accept("ocpp1.6")
        connections.append(connection)
        await connection.run(heard.append)

    async with serving(handle) as server, raw_peer(server) as peer:
        await peer.send(text("one") + frame(0x88, b"\x03\xe8") + text("two"))
        await peer.read_all()
        await settle()
    assert heard == [b"one"]
    assert connections[0]._on_text != heard.append
