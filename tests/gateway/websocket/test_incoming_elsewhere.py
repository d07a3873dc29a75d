"""Messages that are served without the task of their connection (`serve_elsewhere`)."""

import random
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from trio.lowlevel import Task

from gateway.websocket.close_codes import Close, Closed
from gateway.websocket.connection import Connection
from gateway.websocket.http_upgrade import Upgrade
from tests.gateway.websocket.echo_server import RawPeer, raw_peer, send_in_pieces, serving, settle, until
from tests.support.task_steps import TaskSteps
from tests.support.websocket_frames import frame, plain, text


class Errands:
    """A handler that echoes messages that begin with `n` at once, with `e` elsewhere, and others in its task.

    What is served elsewhere waits for `go_on`, or for nothing if `holds` is False.
    """

    def __init__(self, *, holds: bool = False, binary: bool = False) -> None:
        self.holds = holds
        self.heard: list[bytes] = []
        self.awaited: list[bytes] = []
        self.cancelled: list[bytes] = []
        self.ends: list[Closed | None] = []
        self.scope = trio.CancelScope()
        self.connection: Connection
        self.task: Task
        self.waits: bytes | None = None
        self._binary = binary
        self._soon = trio.Event()

    async def __call__(self, upgrade: Upgrade) -> None:
        self.connection = await upgrade.accept("ocpp1.6")
        if self._binary:
            self.connection.repair_faults(lambda _fault: None)
        self.task = trio.lowlevel.current_task()
        closed = None
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._go_on_soon)
                with self.scope:
                    closed = await self.connection.run(self._on_text)
                nursery.cancel_scope.cancel()
        finally:
            self.ends.append(closed)

    def _on_text(self, message: bytes) -> Coroutine[Any, Any, None] | None:
        assert self.waits is None, "the message before this one is still served"
        self.heard.append(message)
        match message[:1]:
            case b"n":
                return self.connection.send_now(message)
            case b"e":
                self.waits = message
                self.connection.serve_elsewhere(self._cancel)
                self._soon.set()
                return None
            case _:
                return self._answer(message)

    async def _answer(self, message: bytes) -> None:
        await trio.lowlevel.checkpoint()
        await self.connection.send(message)

    def _cancel(self) -> None:
        assert self.waits is not None
        self.cancelled.append(self.waits)
        self.waits = None

    async def _go_on_soon(self) -> None:
        while True:
            await self._soon.wait()
            self._soon = trio.Event()
            await trio.lowlevel.checkpoint()
            if not self.holds and self.waits is not None:
                self.go_on()

    def go_on(self, *, left: Callable[[bytes], Coroutine[Any, Any, None]] | None = None) -> None:
        """Answer what is served elsewhere, or leave the answer to the task."""
        message, self.waits = self.waits, None
        assert message is not None
        rest = self.connection.send_now(message) if left is None else left(message)
        self.connection.resume(rest)

    async def leave(self, message: bytes) -> None:
        await self._answer(message)
        self.awaited.append(message)


@asynccontextmanager
async def holding(*first: bytes) -> AsyncIterator[tuple[Errands, RawPeer]]:
    """A peer whose message `e 1` is served elsewhere now. `first` came before it, in the same bytes."""
    handle = Errands(holds=True)
    async with serving(handle) as server, raw_peer(server) as peer:
        await peer.send(b"".join(first) + text("e 1"))
        await until(lambda: handle.waits == b"e 1")
        yield handle, peer


async def expect(peer: RawPeer, *messages: bytes) -> None:
    expected = b"".join(plain(0x81, message) for message in messages)
    assert await peer.read(len(expected)) == expected


async def test_the_task_of_the_connection_is_not_woken_for_a_message_that_is_served_elsewhere() -> None:
    handle, steps = Errands(), TaskSteps()
    async with serving(handle) as server, raw_peer(server) as peer:
        await peer.send(text("e first"))
        await expect(peer, b"e first")
        trio.lowlevel.add_instrument(steps)
        for word in ("e again", "n again", "e again", "e again"):
            await peer.send(text(word))
            await expect(peer, word.encode())
        await settle()
        trio.lowlevel.remove_instrument(steps)
        assert steps.of[handle.task] == 0
        assert steps.of.total() > 0


def split(choose: random.Random, message: bytes) -> bytes:
    """Return the frames of a message: one, or several with control frames between them."""
    if choose.random() < 0.7:
        return frame(0x81, message)
    middle = choose.randrange(len(message))
    between = frame(0x8A, b"pong") if choose.random() < 0.1 else b""  # At most 20 in a second are allowed.
    return frame(0x01, message[:middle]) + between + frame(0x80, message[middle:])


@pytest.mark.parametrize("seed", range(12))
async def test_answers_keep_the_order_of_messages_of_all_kinds(seed: int) -> None:
    choose = random.Random(seed)
    messages = [
        b"%c %d %s" % (choose.choice(b"neet"), at, b"x" * choose.choice((0, 100, 9_000))) for at in range(300)
    ]
    async with serving(Errands()) as server, raw_peer(server) as peer, trio.open_nursery() as nursery:
        data = b"".join(split(choose, message) for message in messages)
        nursery.start_soon(send_in_pieces, peer, data, choose)
        await expect(peer, *messages)


@pytest.mark.parametrize("opcode", [0x81, 0x82])
async def test_a_peer_may_send_any_number_of_messages_that_are_served_elsewhere(opcode: int) -> None:
    async with serving(Errands(binary=True)) as server, raw_peer(server) as peer:
        for _ in range(1_500):
            await peer.send(frame(opcode, b"e again"))
            await expect(peer, b"e again")


async def test_a_message_that_comes_while_another_one_is_served_elsewhere_is_served_after_it() -> None:
    async with holding() as (handle, peer):
        for message in ("n 2", "t 3", "e 4"):
            await peer.send(text(message))
            await settle()
        assert handle.heard == [b"e 1"]
        handle.go_on()
        await expect(peer, b"e 1", b"n 2", b"t 3")
        await until(lambda: handle.waits == b"e 4")
        handle.go_on()
        await expect(peer, b"e 4")


async def test_what_is_left_is_awaited_before_the_next_message() -> None:
    async with holding(text("n 0")) as (handle, peer):
        await expect(peer, b"n 0")
        await peer.send(text("n 2"))
        await settle()
        handle.go_on(left=handle.leave)
        await expect(peer, b"e 1", b"n 2")
        assert handle.awaited == [b"e 1"]


async def test_an_error_that_is_left_ends_only_its_own_connection() -> None:
    async def fail(_message: bytes) -> None:
        raise RuntimeError("a defect")

    handle = Errands(holds=True)
    async with serving(handle, crashes=1) as server, raw_peer(server) as peer:
        await peer.send(text("e 1"))
        await until(lambda: handle.waits is not None)
        handle.go_on(left=fail)
        assert (await peer.read_all())[2:4] == (1011).to_bytes(2)


async def test_a_ping_that_comes_while_a_message_is_served_elsewhere_is_answered_after_it() -> None:
    async with holding() as (handle, peer):
        await peer.send(frame(0x89, b"hi") + text("n 2"))
        await settle()
        handle.go_on()
        expected = plain(0x81, b"e 1") + plain(0x8A, b"hi") + plain(0x81, b"n 2")
        assert await peer.read(len(expected)) == expected


async def test_fragments_that_come_while_a_message_is_served_elsewhere_are_read_after_it() -> None:
    async with holding() as (handle, peer):
        for data in (frame(0x01, b"n "), frame(0x00, b"tw"), frame(0x80, b"o")):
            await peer.send(data)
            await settle()
        handle.go_on()
        await expect(peer, b"e 1", b"n two")


async def test_a_close_that_comes_while_a_message_is_served_elsewhere_is_answered_after_it() -> None:
    async with holding() as (handle, peer):
        await peer.send(frame(0x88, b"\x03\xe8"))
        await settle()
        assert handle.ends == []
        handle.go_on()
        assert await peer.read_all() == plain(0x81, b"e 1") + plain(0x88, b"\x03\xe8")
        await until(lambda: bool(handle.ends))
        [closed] = handle.ends
        assert closed is not None
        assert (closed.code, closed.by) == (1000, "peer")


async def test_a_peer_that_ends_its_side_while_a_message_is_served_elsewhere_still_gets_the_answer() -> None:
    async with holding() as (handle, peer):
        await peer.stream.send_eof()
        await settle()
        assert handle.ends == []
        handle.go_on()
        assert await peer.read_all() == plain(0x81, b"e 1")
        await until(lambda: bool(handle.ends))


async def test_a_reset_while_a_message_is_served_elsewhere_ends_the_connection_after_it() -> None:
    handle = Errands(holds=True)
    async with serving(handle) as server:
        async with raw_peer(server) as peer:
            await peer.send(text("e 1"))
            await until(lambda: handle.waits == b"e 1")
            peer.stream.setsockopt(1, 13, b"\x01\0\0\0\0\0\0\0")  # SO_LINGER
        await settle()
        assert handle.ends == []
        handle.waits = None
        handle.connection.resume(None)
        await until(lambda: bool(handle.ends))
        [closed] = handle.ends
        assert closed is not None
        assert (closed.code, closed.by) == (1006, "lost")
        assert handle.cancelled == []


async def test_a_stream_that_we_abort_while_a_message_is_served_elsewhere_ends_after_it() -> None:
    async with holding() as (handle, peer):
        handle.connection._stream.abort()
        await settle()
        assert handle.ends == []
        handle.waits = None
        handle.connection.resume(None)
        await until(lambda: bool(handle.ends))
        assert await peer.read_all() == b""
        assert handle.cancelled == []


async def test_we_may_close_while_a_message_is_served_elsewhere() -> None:
    async with holding() as (handle, peer), trio.open_nursery() as nursery:
        nursery.start_soon(handle.connection.close, Close.RESTARTING)
        assert (await peer.read(4))[2:4] == Close.RESTARTING.code.to_bytes(2)
        await peer.send(frame(0x88, Close.RESTARTING.code.to_bytes(2)))
        await settle()
        assert handle.ends == []
        handle.waits = None
        handle.connection.resume(None)
        await until(lambda: bool(handle.ends))
        assert await peer.read_all()
        [closed] = handle.ends
        assert closed is not None
        assert (closed.code, closed.by) == (Close.RESTARTING.code, "us")


async def test_what_is_served_elsewhere_is_cancelled_with_the_task_of_the_connection() -> None:
    async with holding() as (handle, _):
        handle.scope.cancel()
        await until(lambda: bool(handle.ends))
        assert handle.cancelled == [b"e 1"]


async def test_a_message_that_goes_on_when_the_task_is_already_cancelled_is_not_served_further() -> None:
    """The next message begins before the task learns that it is cancelled."""
    async with holding() as (handle, peer):
        await peer.send(text("e 2"))
        await settle()
        handle.scope.cancel()
        handle.go_on()
        await until(lambda: bool(handle.ends))
        assert handle.heard[1:] == handle.cancelled


async def test_what_is_left_is_dropped_when_the_task_is_already_cancelled() -> None:
    async with holding() as (handle, _):
        handle.scope.cancel()
        handle.go_on(left=handle.leave)
        await until(lambda: bool(handle.ends))
        assert (handle.awaited, handle.cancelled) == ([], [])


async def test_a_peer_that_reads_late_gets_every_answer_that_is_given_elsewhere_whole_and_in_order() -> None:
    messages = [b"%c %d " % (b"ne"[at % 2], at) + b"y" * 60_000 for at in range(200)]
    async with serving(Errands()) as server, raw_peer(server) as peer, trio.open_nursery() as nursery:
        nursery.start_soon(peer.send, b"".join(frame(0x81, message) for message in messages))
        await settle()
        await expect(peer, *messages)
