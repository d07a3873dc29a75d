"""TLS sessions that are resumed, and the words for connections that could not be opened."""

import errno
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import msgspec
import pytest
import trio
import trustme
from websockets import ConnectionClosed, Subprotocol
from websockets.trio.server import ServerConnection, serve

from gateway.websocket.client import UpgradeRefused
from gateway.websocket.light_client import Endpoint, connect_light, resolve
from loadtest.charge_point.connecting import describe_failure
from loadtest.scenario.model import Group, Reconnect, Target
from tests.support.charge_point_world import scenario, town
from tests.support.small_central import BOOTED
from tests.support.waiting import GENEROUS_S, until

HEAD = b"HTTP/1.1 101 Go\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
QUIET = Group(name="quiet", heartbeat_s=0.0, reconnect=Reconnect(model="at_once"))


@asynccontextmanager
async def resuming_central(authority: trustme.CA) -> AsyncIterator[tuple[int, list[bool]]]:
    """Serve wss. Yield the port, and whether each accepted charge point resumed a TLS session."""
    context, resumed = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), list[bool]()
    authority.issue_cert("127.0.0.1").configure_cert(context)

    async def answer(connection: ServerConnection) -> None:
        try:
            async for text in connection:
                _, id_, action, _ = msgspec.json.decode(text)
                answered = BOOTED if action == "BootNotification" else {}
                await connection.send(msgspec.json.encode([3, id_, answered]).decode())
                if action == "BootNotification":
                    resumed.append(cast("Any", connection.stream).session_reused)
        except ConnectionClosed:
            pass

    async with trio.open_nursery() as nursery:
        [listener] = await trio.open_tcp_listeners(0, host="127.0.0.1")

        async def run() -> None:
            await serve(answer, listeners=[listener], ssl=context, subprotocols=[Subprotocol("ocpp1.6")])

        nursery.start_soon(run)
        yield listener.socket.getsockname()[1], resumed
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("resumption", [False, True])
async def test_a_charge_point_that_comes_back_resumes_its_tls_session_only_if_the_scenario_says_so(
    *, resumption: bool
) -> None:
    authority, trusting = trustme.CA(), ssl.create_default_context()
    authority.configure_trust(trusting)
    async with resuming_central(authority) as (port, resumed):
        url = f"wss://127.0.0.1:{port}/{{id}}"
        plan = scenario(QUIET, target=Target(url=url, tls_resumption=resumption))
        async with town(url, plan, tls=trusting) as lives:
            for number in (1, 2, 3):
                await until(lambda number=number: len(resumed) == number and lives.one.online)  # type: ignore[misc]
                if number < 3:  # A connection that is being opened at the end would disturb the server.
                    lives.one.cut("close")
                    await until(lambda number=number: lives.notes.counts["connections"] > number)  # type: ignore[misc]
    assert resumed == [False, resumption, resumption]


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (UpgradeRefused(503, "busy since 12:00:01"), "refused 503"),
        (UpgradeRefused(0, "hung up"), "refused without an answer"),
        (trio.TooSlowError(), "no connection in time"),
        (socket.gaierror(socket.EAI_NONAME, "unknown"), "the host has no address: unknown"),
        (OSError(errno.ECONNREFUSED, "127.0.0.7:9000 refuses"), "no connection: Connection refused"),
        (OSError("all attempts to 127.0.0.7 failed"), "no connection: OSError"),
    ],
)
def test_failed_connections_of_a_kind_have_the_same_words_without_addresses_and_times(
    error: Exception, words: str
) -> None:
    assert describe_failure(error) == words


def test_the_words_of_a_failed_tls_handshake_say_what_was_wrong_with_the_certificate() -> None:
    ours, theirs = trustme.CA(), trustme.CA()
    client, server = ssl.create_default_context(), ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ours.configure_trust(client)
    theirs.issue_cert("127.0.0.1").configure_cert(server)
    with pytest.raises(ssl.SSLCertVerificationError) as caught:
        shake_hands(client, server)
    assert describe_failure(caught.value) == (
        "the certificate is not trusted: unable to get local issuer certificate"
    )


def test_the_words_of_a_failed_tls_handshake_name_the_reason_of_the_library() -> None:
    client, server = ssl.create_default_context(), ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    client.maximum_version, server.minimum_version = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
    with pytest.raises(ssl.SSLError) as caught:
        shake_hands(client, server)
    assert describe_failure(caught.value) == f"TLS: {caught.value.reason}"
    assert caught.value.reason == "UNSUPPORTED_PROTOCOL"


def shake_hands(client: ssl.SSLContext, server: ssl.SSLContext) -> None:
    """Shake hands in memory. Raises what the one side that notices the error raises."""
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    sides = (
        client.wrap_bio(down, up, server_hostname="127.0.0.1"),
        server.wrap_bio(up, down, server_side=True),
    )
    for _ in range(4):
        for side in sides:
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"", "refused without an answer"),
        (b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n", "refused 404"),
        (HEAD + b"Sec-WebSocket-Accept: x\r\n\r\n", "the answer was no upgrade to a websocket with ocpp1.6"),
        (b"\x15\x03\x01\x00\x02\x02\x28", "the answer was no upgrade to a websocket with ocpp1.6"),
        (HEAD + b"A: " + b"b" * 20_000, "the answer was no upgrade to a websocket with ocpp1.6"),
    ],
    ids=["left", "not found", "wrong accept", "not HTTP", "endless"],
)
async def test_what_a_server_answered_in_place_of_a_websocket_is_named(answer: bytes, words: str) -> None:
    async def serve(stream: trio.SocketStream) -> None:
        await stream.receive_some()
        if answer:
            await stream.send_all(answer)
        await stream.aclose()

    with trio.fail_after(GENEROUS_S):
        async with trio.open_nursery() as nursery:
            listeners: list[trio.SocketListener] = await nursery.start(trio.serve_tcp, serve, 0)
            url = f"ws://127.0.0.1:{listeners[0].socket.getsockname()[1]}/x"
            with pytest.raises(UpgradeRefused) as refused:
                await connect_light(Endpoint(url, await resolve(url)), nursery.start_soon)
            nursery.cancel_scope.cancel()
    assert describe_failure(refused.value) == words
