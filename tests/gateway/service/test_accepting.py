"""A server that has no free file descriptor waits quietly, and answers with the one that it kept back."""

import os
import resource
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
import structlog
import trio

from gateway.service.accepting import Acceptor


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as found:
        yield found


@contextmanager
def no_free_descriptors() -> Iterator[list[int]]:
    """Use all descriptors of this process. The block may close some of those that it gets."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken = [os.open(os.devnull, os.O_RDONLY)]
    resource.setrlimit(resource.RLIMIT_NOFILE, (taken[0] + 20, hard))
    try:
        with suppress(OSError):
            while True:
                taken.append(os.open(os.devnull, os.O_RDONLY))
        yield taken
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for number in taken:
            os.close(number)


async def test_a_server_that_kept_a_descriptor_back_accepts_one_connection_after_another(
    listener: socket.socket,
) -> None:
    acceptor = Acceptor(listener, spare=True)
    with trio.fail_after(60):
        clients = [socket.create_connection(listener.getsockname()) for _ in range(3)]
        with no_free_descriptors():
            for _ in clients:
                accepted = await acceptor.accept()
                accepted.socket.close()
                acceptor.keep_spare()
    for client in clients:
        assert client.recv(1) == b""
        client.close()
    acceptor.close()


async def test_a_server_without_a_free_descriptor_waits_for_one_and_logs_once(
    listener: socket.socket,
) -> None:
    acceptor = Acceptor(listener)
    with (
        trio.fail_after(60),
        structlog.testing.capture_logs() as logs,
        socket.create_connection(listener.getsockname()),
        no_free_descriptors() as taken,
    ):
        with trio.move_on_after(0.5):
            await acceptor.accept()
        os.close(taken.pop())
        await (await acceptor.accept()).aclose()
    assert [line["event"] for line in logs] == ["listener.accept_failed"]
