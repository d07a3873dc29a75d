"""TLS handshakes that wait for their turn, take too long, or are no handshakes."""

import contextlib
import socket
import ssl
from math import inf
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from gateway.websocket import turns
from gateway.websocket.http_upgrade import Upgrade
from gateway.websocket.limits import Limits
from gateway.websocket.refusals import Refused
from gateway.websocket.server import PATIENCE_S, Server
from gateway.websocket.tls import server_context
from gateway.websocket.tls_stream import TlsStream
from tests.gateway.websocket.echo_server import Echo, raw_peer, serving, settle, until
from tests.gateway.websocket.tls_peers import client_context, describe_tls
from tests.support.fault_proxy import RESET
from tests.support.websocket_frames import REQUEST, plain, text


async def take_all_turns() -> None:
    for _ in range(turns.AT_ONCE):
        await turns.get().take(begun=False, patience_s=inf)


def give_turns_back() -> None:
    for _ in range(turns.AT_ONCE):
        turns.get().give_back()


async def say_hello(server: Server) -> trio.SocketStream:
    """Send a ClientHello, and nothing more."""
    hello = ssl.MemoryBIO()
    with pytest.raises(ssl.SSLWantReadError):
        client_context().wrap_bio(ssl.MemoryBIO(), hello, server_hostname="cs.example").do_handshake()
    peer = await trio.open_tcp_stream("127.0.0.1", server.ports[0])
    await peer.send_all(hello.read())
    await settle()
    return peer


async def test_a_handshake_that_cannot_begin_in_time_is_reset_and_counted(
    certificates: list[tuple[Path, Path]], mock_clock: MockClock
) -> None:
    async with serving(Echo(), tls=server_context(certificates)) as server:
        await take_all_turns()
        peer = await say_hello(server)
        mock_clock.jump(PATIENCE_S + 0.1)
        await until(lambda: server.stats.handshake_failures == {"tls_busy": 1})
        async with peer:
            with pytest.raises(trio.BrokenResourceError):
                await peer.receive_some()
        give_turns_back()
        assert (await describe_tls(server, client_context())).version == "TLSv1.3"


async def test_handshakes_that_wait_for_their_turn_are_not_cut_to_make_room_for_others(
    certificates: list[tuple[Path, Path]], mock_clock: MockClock
) -> None:
    limits = Limits(handshakes_in_flight=2)
    async with serving(Echo(), tls=server_context(certificates), limits=limits) as server:
        await take_all_turns()
        peers = [await say_hello(server) for _ in range(4)]
        for _ in range(3):
            mock_clock.jump(2.5)
            await settle()
        assert not server.stats.handshake_failures
        give_turns_back()
        for peer in peers[:2]:  # The server has answered their ClientHello.
            assert await peer.receive_some(1)
        mock_clock.jump(2.5)
        await until(lambda: server.stats.handshake_failures["slow_while_others_waited"] >= 2)
        for peer in peers:
            await peer.aclose()


async def test_a_peer_that_left_before_its_turn_costs_no_handshake(
    certificates: list[tuple[Path, Path]],
) -> None:
    async with serving(Echo(), tls=server_context(certificates)) as server:
        await take_all_turns()
        await (await say_hello(server)).aclose()
        await settle()
        give_turns_back()
        await until(lambda: server.stats.handshake_failures == {"tls_busy": 1})


async def test_a_peer_that_resets_while_it_gets_the_first_answer_has_left(
    certificates: list[tuple[Path, Path]], monkeypatch: pytest.MonkeyPatch
) -> None:
    noted: list[Refused] = []
    peers: list[trio.SocketStream] = []
    flush = TlsStream._flush

    async def reset_and_flush(stream: TlsStream) -> None:
        while peers:
            peer = peers.pop().socket
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            peer.close()
        await flush(stream)

    def note(reason: Refused, _address: str, _detail: str) -> None:
        noted.append(reason)

    serving_tls = serving(Echo(), tls=server_context(certificates), on_refused=note)
    async with serving_tls as server:
        await take_all_turns()
        peers.append(await say_hello(server))
        monkeypatch.setattr(TlsStream, "_flush", reset_and_flush)
        give_turns_back()
        await until(lambda: server.stats.handshake_failures == {"tls_left": 1})
    assert noted == [Refused.TLS_LEFT]


async def test_a_tls_handshake_that_never_ends_is_cut_off(
    certificates: list[tuple[Path, Path]], mock_clock: MockClock
) -> None:
    limits = Limits(tls_handshake_s=10)
    hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 50
    async with serving(Echo(), tls=server_context(certificates), limits=limits) as server:
        for sent in (b"", hello):
            async with raw_peer(server, upgrade=False) as peer:
                await peer.send(sent)
                await settle()
                mock_clock.jump(9.9)
                await settle()
                assert server.stats.open == 1
                mock_clock.jump(0.2)
                await peer.read_all()
        assert server.stats.handshake_failures == {"tls_too_slow": 2}


async def test_plain_http_and_garbage_on_the_tls_port_are_refused(
    certificates: list[tuple[Path, Path]],
) -> None:
    async with serving(Echo(), tls=server_context(certificates)) as server:
        for sent in (REQUEST, b"\xff" * 3_000):
            async with raw_peer(server, upgrade=False) as peer:
                await peer.send(sent)
                await peer.read_all()
        assert sum(server.stats.handshake_failures.values()) == 2


async def test_a_failed_tls_handshake_does_not_disturb_other_connections(
    certificates: list[tuple[Path, Path]],
) -> None:
    context = client_context()
    async with serving(Echo(), tls=server_context(certificates)) as server:
        tcp = await trio.open_tcp_stream("127.0.0.1", server.ports[0])
        async with trio.SSLStream(tcp, context, server_hostname="cs.example") as stream:
            await stream.send_all(REQUEST)
            assert (await stream.receive_some()).startswith(b"HTTP/1.1 101")
            await stream.send_all(text("a") + text("b" * 40_000) + text("c"))
            data = b""
            expected = plain(0x81, b"a") + plain(0x81, b"b" * 40_000) + plain(0x81, b"c")
            while len(data) < len(expected):
                data += await stream.receive_some()
            assert data == expected


async def test_the_end_of_tls_is_seen_although_a_message_is_served_meanwhile_and_tcp_stays_open(
    certificates: list[tuple[Path, Path]],
) -> None:
    ended = trio.Event()

    async def handle(upgrade: Upgrade) -> None:
        connection = await upgrade.accept("ocpp1.6")

        async def resume() -> None:
            connection.resume(None)

        def on_text(_text: bytes) -> None:
            connection.serve_elsewhere(lambda: None)
            nursery.start_soon(resume)

        async with trio.open_nursery() as nursery:
            await connection.run(on_text)
        ended.set()

    async with serving(handle, tls=server_context(certificates), limits=Limits(close_s=0)) as server:
        raw = await trio.open_tcp_stream("127.0.0.1", server.ports[0])
        came, out = ssl.MemoryBIO(), ssl.MemoryBIO()
        peer = client_context().wrap_bio(came, out, server_hostname="cs.example")
        with trio.fail_after(60):
            while not peer.version() or out.pending:
                with contextlib.suppress(ssl.SSLWantReadError):
                    peer.do_handshake()
                await raw.send_all(out.read())
                if peer.version() is None:
                    came.write(await raw.receive_some())
            peer.write(REQUEST)
            await raw.send_all(out.read())
            await raw.receive_some()
            peer.write(text("hello")[:4])
            await raw.send_all(out.read())
            await settle()
            peer.write(text("hello")[4:])
            with contextlib.suppress(ssl.SSLError):
                peer.unwrap()
            await raw.send_all(out.read())
            await ended.wait()
        await raw.aclose()
