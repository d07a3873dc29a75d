"""Three pairs are tested: our server with the client of `websockets`, our client with the server of
`websockets`, and our client with our server.

These tests cover gateway/websocket/client.py and gateway/websocket/server.py.
"""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import trio
import websockets.sync.client
import websockets.sync.server
from websockets.exceptions import InvalidStatus
from websockets.typing import Subprotocol

from gateway.websocket.client import UpgradeRefused, connect
from gateway.websocket.close_codes import Close
from gateway.websocket.http_upgrade import Upgrade
from gateway.websocket.limits import Limits
from tests.gateway.websocket.echo_server import Echo, serving, until

OCPP = Subprotocol("ocpp1.6")
MESSAGES = ["", "a", "ä€😀" * 50, "x" * 125, "x" * 126, "x" * 65_535, "x" * 65_536]


async def test_the_client_of_the_websockets_package_works_with_our_server() -> None:
    def talk(port: int) -> None:
        with websockets.sync.client.connect(f"ws://127.0.0.1:{port}/a/b", subprotocols=[OCPP]) as client:
            assert client.subprotocol == OCPP
            for message in MESSAGES:
                client.send(message)
                assert client.recv(timeout=60) == message
            client.send(iter(["frag", "", "ments ä"]))
            assert client.recv(timeout=60) == "fragments ä"
            assert client.ping().wait(timeout=60)

    echo = Echo()
    async with serving(echo) as server:
        await trio.to_thread.run_sync(talk, server.ports[0])
        await echo.ended.wait()
    assert echo.ends == [(1000, "", "peer")]


async def test_the_client_of_the_websockets_package_is_refused_if_it_does_not_offer_our_subprotocol() -> None:
    def talk(port: int) -> int:
        with pytest.raises(InvalidStatus) as refused:
            websockets.sync.client.connect(f"ws://127.0.0.1:{port}/")
        return refused.value.response.status_code

    async def handle(upgrade: Upgrade) -> None:
        assert upgrade.subprotocols == ()
        with pytest.raises(ValueError, match="not proposed"):
            await upgrade.accept("ocpp1.6")
        await upgrade.refuse(400, "Sec-WebSocket-Protocol: ocpp1.6 is missing")

    async with serving(handle) as server:
        assert await trio.to_thread.run_sync(talk, server.ports[0]) == 400


@contextmanager
def _their_server() -> Iterator[int]:
    def echo(connection: websockets.sync.server.ServerConnection) -> None:
        for message in connection:
            if message == "ping me":
                connection.ping().wait(timeout=60)
                connection.send(iter(["an", "swe", "red"]))
            elif message == "close me":
                connection.close(4_001, "as asked")
            else:
                connection.send(message)

    with websockets.sync.server.serve(echo, "127.0.0.1", 0, subprotocols=[OCPP]) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.socket.getsockname()[1]
        finally:
            server.shutdown()
            thread.join(60)


async def test_our_client_works_with_the_server_of_the_websockets_package() -> None:
    received: list[str] = []
    with _their_server() as port, trio.fail_after(60):
        async with connect(f"ws://127.0.0.1:{port}/x?y=z") as client:
            assert client.subprotocol == "ocpp1.6"
            questions = iter([*MESSAGES[1:], "ping me", "close me"])

            async def on_text(text: bytes) -> None:
                received.append(text.decode())
                await client.send(next(questions).encode())

            await client.send(MESSAGES[0].encode())
            assert await client.run(on_text) == (4_001, "as asked", "peer")
    assert received == [*MESSAGES, "answered"]


async def test_our_client_closes_a_connection_as_rfc_6455_requires() -> None:
    with _their_server() as port, trio.fail_after(60):
        async with connect(f"ws://127.0.0.1:{port}/") as client:
            await client.close(Close.LOAD_TEST_OVER)
            assert client.closed == (1_000, "load test over", "us")


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 101 Fine\r\n\r\n", b"garbage\r\n\r\n", b"\0" * 100])
async def test_our_client_raises_the_error_upgrade_refused_if_the_answer_is_nonsense(answer: bytes) -> None:
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(4_096)
            connection.sendall(answer)

    with listener, trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.to_thread.run_sync, serve)
            with pytest.raises(UpgradeRefused):
                async with connect(f"ws://127.0.0.1:{listener.getsockname()[1]}/"):
                    pass


async def test_many_clients_can_connect_at_the_same_time_from_one_given_source_address() -> None:
    async def talk(port: int) -> None:
        async with connect(f"ws://127.0.0.1:{port}/", source_address="127.0.0.9", limits=Limits()) as client:

            async def on_text(text: bytes) -> None:
                assert text == b"hello"
                await client.close(Close.LOAD_TEST_OVER)

            await client.send(b"hello")
            assert (await client.run(on_text)).by == "us"

    echo = Echo()
    async with serving(echo) as server:
        async with trio.open_nursery() as nursery:
            for _ in range(100):
                nursery.start_soon(talk, server.ports[0])
        await until(lambda: not server.stats.open)
    assert echo.ends == [(1_000, "load test over", "peer")] * 100
