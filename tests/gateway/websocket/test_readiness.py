"""Tests of events that an edge-triggered socket must not miss."""

import socket
from collections.abc import Callable

import pytest
import trio
import trio.testing

from gateway.websocket.socket_stream import SocketStream


def pair() -> tuple[SocketStream, socket.socket]:
    ours, theirs = socket.socketpair()
    return SocketStream(ours, ("peer", 0), send_s=5), theirs


async def test_the_end_of_a_stream_is_noticed_even_if_it_arrives_together_with_the_last_bytes() -> None:
    ours, theirs = pair()
    with trio.fail_after(60):
        assert await receive_later(ours, lambda: say_last(theirs)) == b"last"
        assert await ours.receive_some(100) == b""
        assert await ours.receive_some(100) == b""
    ours.close()


async def test_the_end_of_a_stream_is_noticed_after_a_read_that_returned_few_bytes() -> None:
    ours, theirs = pair()
    with trio.fail_after(60):
        assert await receive_later(ours, lambda: theirs.send(b"one")) == b"one"
        assert await receive_later(ours, theirs.close) == b""
    ours.close()


async def test_bytes_that_do_not_fit_in_one_read_are_returned_by_the_next_read() -> None:
    ours, theirs = pair()
    with trio.fail_after(60):
        assert await receive_later(ours, lambda: theirs.send(b"x" * 250), 100) == b"x" * 100
        assert [len(await ours.receive_some(100)) for _ in range(2)] == [100, 50]
        assert await receive_later(ours, lambda: theirs.send(b"y")) == b"y"
    ours.close()
    theirs.close()


async def test_bytes_that_arrive_after_a_cancelled_read_are_returned_by_the_next_read() -> None:
    ours, theirs = pair()
    with trio.move_on_after(0.05):
        await ours.receive_some(100)
    theirs.send(b"late")
    with trio.fail_after(60):
        assert await ours.receive_some(100) == b"late"
    ours.close()
    theirs.close()


async def test_bytes_that_arrive_after_an_attendance_was_cancelled_are_left_to_the_next_read() -> None:
    """The cancelled task could not await what a message leaves."""
    ours, theirs = pair()
    called: list[bool] = []

    def read() -> bool:
        called.append(True)
        return True

    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ours.attend, read)
            await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
            theirs.send(b"late")
            ours.wake(ended=False)
        assert not called
        assert await ours.receive_some(100) == b"late"
    ours.close()
    theirs.close()


async def test_closing_a_socket_wakes_the_task_that_reads_from_it_and_a_second_reader_is_refused() -> None:
    ours, theirs = pair()
    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(expect_closed, ours)
            await trio.testing.wait_all_tasks_blocked()
            with pytest.raises(trio.BusyResourceError):
                await ours.receive_some(1)
            ours.close()
    theirs.close()


async def test_a_socket_that_reuses_a_file_descriptor_gets_only_its_own_bytes() -> None:
    with trio.fail_after(60):
        for _ in range(100):
            ours, theirs = pair()
            theirs.send(b"for the old one")
            ours.close()
            theirs.close()
        ours, theirs = pair()
        assert await receive_later(ours, lambda: theirs.send(b"mine")) == b"mine"
    ours.close()
    theirs.close()


def say_last(peer: socket.socket) -> None:
    peer.send(b"last")
    peer.close()


async def receive_later(stream: SocketStream, then: Callable[[], object], size: int = 100) -> bytes:
    """Begin to wait before the bytes are sent, so that their arrival wakes the task."""
    got: list[bytes] = []

    async def receive() -> None:
        got.append(await stream.receive_some(size))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(receive)
        await trio.testing.wait_all_tasks_blocked()
        then()
    return got[0]


async def expect_closed(stream: SocketStream) -> None:
    with pytest.raises(trio.ClosedResourceError):
        await stream.receive_some(1)
