"""The HTTP upgrade: accepted and refused requests, and connections that are cut.

These tests cover gateway/websocket/http_upgrade.py, gateway/websocket/server.py and
gateway/websocket/listeners.py.
"""

import resource
import socket
from functools import partial
from pathlib import Path

import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock

from gateway.websocket.client import UpgradeRefused, connect
from gateway.websocket.http_upgrade import Upgrade
from gateway.websocket.limits import Limits
from gateway.websocket.listeners import begin_listening, open_listeners
from gateway.websocket.server import serve
from tests.gateway.websocket.echo_server import Echo, RawPeer, raw_peer, serving, settle, until
from tests.support.websocket_frames import REQUEST, plain, text


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (REQUEST.replace(b"GET", b"POST"), 400),
        (REQUEST.replace(b"Sec-WebSocket-Key", b"X"), 400),
        (REQUEST.replace(b"Version: 13", b"Version: 8"), 400),
        (REQUEST.replace(b"Host: localhost", b"Host: " + b"\xff" * 80), 400),
        (REQUEST.replace(b"Host: ", b"Host "), 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
        (b"nonsense\r\n\r\n", 400),
        (REQUEST[:-2] + b"X: " + b"x" * 20_000 + b"\r\n\r\n", 431),
        (b"GET /" + b"x" * 20_000, 431),
        (REQUEST[:-2], 408),
        (b"", 408),
    ],
)
async def test_a_request_that_is_not_an_upgrade_is_answered_and_then_the_connection_is_closed(
    request_: bytes, status: int, mock_clock: MockClock
) -> None:
    async with (
        serving(Echo(), limits=Limits(http_upgrade_s=10)) as server,
        raw_peer(server, upgrade=False) as peer,
    ):
        await peer.send(request_)
        await settle()
        mock_clock.jump(10.1)
        answer = await peer.read_all()
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert answer.count(b"HTTP/1.1") == 1
    assert b"Connection: close\r\n" in answer


@pytest.mark.parametrize(
    ("target", "path"),
    [
        (b"/OCPP16/a/b/CP%201", "/OCPP16/a/b/CP%201"),
        (b"/OCPP16/a/b/%2F..%2f%00", "/OCPP16/a/b/%2F..%2f%00"),
        (b"ws://host:80/OCPP16/a/b/c?x=1", "ws://host:80/OCPP16/a/b/c?x=1"),
        (b"//CP", "//CP"),
        (b"/OCPP16/a/b/CP 1", "/OCPP16/a/b/CP%201"),
        ("/OCPP16/a/b/Säule".encode(), "/OCPP16/a/b/S%C3%A4ule"),
    ],
)
async def test_the_request_target_is_passed_on_without_decoding(target: bytes, path: str) -> None:
    seen = []

    async def handle(upgrade: Upgrade) -> None:
        seen.append(upgrade.path)
        await upgrade.refuse(404, "unknown")

    async with serving(handle) as server, raw_peer(server, upgrade=False) as peer:
        await peer.send(REQUEST.replace(b"/OCPP16/tenant/token/CP%201", target))
        assert (await peer.read_all()).startswith(b"HTTP/1.1 404")
    assert seen == [path]


async def test_an_upgrade_may_have_a_header_on_several_lines_and_no_connection_header() -> None:
    seen: list[Upgrade] = []

    async def handle(upgrade: Upgrade) -> None:
        seen.append(upgrade)
        await Echo()(upgrade)

    request = REQUEST.replace(b"Connection: Upgrade\r\n", b"ORIGIN: http://x\r\norigin: http://y\r\n")
    request = request.replace(
        b"Protocol: ocpp1.6", b"Protocol: ocpp2.0.1,  foo\r\nSec-WebSocket-Protocol: ocpp1.6"
    )
    request = request.replace(b"\r\n\r\n", b"\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n")
    async with serving(handle) as server, raw_peer(server, upgrade=False) as peer:
        await peer.send(request + text("at once"))
        head = await peer.read_head()
        assert b"Sec-WebSocket-Protocol: ocpp1.6\r\n" in head
        assert b"deflate" not in head
        assert await peer.read(9) == plain(0x81, b"at once")
    assert seen[0].repairs == ("no_connection_upgrade",)
    assert seen[0].subprotocols == ("ocpp2.0.1", "foo", "ocpp1.6")
    assert seen[0].origin == "http://x"


async def test_the_answer_that_refuses_an_upgrade_has_the_given_status_and_text_and_headers() -> None:
    async def handle(upgrade: Upgrade) -> None:
        await upgrade.refuse(503, "come back later", [("Retry-After", "7")])

    async with serving(handle) as server:
        with pytest.raises(UpgradeRefused) as refused:
            async with connect(f"ws://127.0.0.1:{server.ports[0]}/x"):
                pass
        assert (refused.value.status, refused.value.text) == (503, "come back later")
        assert ("retry-after", "7") in refused.value.headers


async def test_a_request_is_answered_500_if_the_upgrade_handler_fails_or_does_not_decide() -> None:
    async def handle(upgrade: Upgrade) -> None:
        if upgrade.path == "/raise":
            raise ValueError("as planned")

    async with serving(handle, crashes=2) as server:
        for path in ("/raise", "/nothing"):
            with pytest.raises(UpgradeRefused) as refused:
                async with connect(f"ws://127.0.0.1:{server.ports[0]}{path}"):
                    pass
            assert refused.value.status == 500
        await until(lambda: not server.stats.open)


async def test_an_upgrade_handler_can_see_that_the_peer_hung_up() -> None:
    gone, look = trio.Event(), trio.Event()
    seen = []

    async def handle(upgrade: Upgrade) -> None:
        seen.append(upgrade.has_hung_up())
        look.set()
        await gone.wait()
        seen.append(upgrade.has_hung_up())
        await upgrade.refuse(400, "gone")

    async with serving(handle) as server:
        async with raw_peer(server, upgrade=False) as peer:
            await peer.send(REQUEST + text("unread"))
            await look.wait()
        await settle()
        gone.set()
        await settle()
    assert seen == [False, True]


def _open_files() -> list[int]:
    # The last descriptor belongs to iterdir() itself and is left out.
    return sorted(int(each.name) for each in Path("/proc/self/fd").iterdir())[:-1]


async def test_peers_that_connect_and_leave_do_not_leak_file_descriptors() -> None:
    async with serving(Echo()) as server:
        await settle()
        files = _open_files()
        for cut in (0, 5, 40) * 100:
            stream = await trio.open_tcp_stream("127.0.0.1", server.ports[0])
            if cut:
                await stream.send_all(REQUEST[:cut])
            await stream.aclose()
        await until(lambda: server.stats.accepted == 300 and not server.stats.open)
        assert _open_files() == files


async def test_a_request_that_arrives_at_one_byte_each_second_is_cut_off_at_the_deadline(
    mock_clock: MockClock,
) -> None:
    async def dribble(peer: RawPeer) -> None:
        for at in range(len(REQUEST)):
            await peer.send(REQUEST[at : at + 1])
            await settle()
            mock_clock.jump(1)

    async with (
        serving(Echo(), limits=Limits(http_upgrade_s=10, close_s=5)) as server,
        raw_peer(server, upgrade=False) as peer,
    ):
        with pytest.raises(trio.BrokenResourceError):
            await dribble(peer)
        assert 10 <= trio.current_time() <= 17


async def test_the_server_limits_the_number_of_open_connections_and_the_number_of_open_handshakes(
    mock_clock: MockClock,
) -> None:
    limits = Limits(connections=4, handshakes_in_flight=2, http_upgrade_s=1, close_s=1)
    async with serving(Echo(), limits=limits) as server, raw_peer(server) as first:
        async with (
            raw_peer(server, upgrade=False) as slow,
            raw_peer(server, upgrade=False),
            raw_peer(server, upgrade=False) as late,
        ):
            await late.send(REQUEST + text("in"))
            await settle()
            assert server.stats.open == 3  # The third connection waits until a slow connection is cut.
            mock_clock.jump(1.1)
            assert (await slow.read_all()).startswith(b"HTTP/1.1 408")
            await late.read_head()
            assert await late.read(4) == plain(0x81, b"in")
            mock_clock.jump(1.1)
            await until(lambda: server.stats.open == 2)
            async with raw_peer(server), raw_peer(server), raw_peer(server, upgrade=False) as too_many:
                assert await too_many.read_all() == b""
                assert server.stats.over_limit == 1
        await first.send(text("still"))
        assert await first.read(7) == plain(0x81, b"still")


async def test_the_accept_loop_goes_on_after_a_lack_of_file_descriptors() -> None:
    async with serving(Echo()) as server, raw_peer(server) as first:
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        used = _open_files()[-1] + 1
        try:
            sock = trio.socket.socket()
            resource.setrlimit(resource.RLIMIT_NOFILE, (max(used, sock.fileno() + 1), limits[1]))
            with capture_logs() as logs:
                await sock.connect(("127.0.0.1", server.ports[0]))
                await settle()
            await first.send(text("served meanwhile"))
            assert await first.read(18) == plain(0x81, b"served meanwhile")
            [log] = logs
            assert log["event"] == "listener.accept_failed"
            assert "[Errno 24]" in log["error"]
            assert await sock.recv(1) == b""  # The waiting connection is refused at once.
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        async with raw_peer(server) as peer:
            await peer.send(text("again"))
            assert await peer.read(7) == plain(0x81, b"again")
        sock.close()


async def test_open_connections_survive_when_the_server_stops_accepting_new_connections() -> None:
    async with serving(Echo()) as server, raw_peer(server) as peer:
        server.stop_accepting()
        await settle()
        with pytest.raises(OSError, match="failed"):
            await trio.open_tcp_stream("127.0.0.1", server.ports[0])
        await peer.send(text("on"))
        assert await peer.read(4) == plain(0x81, b"on")


def test_an_occupied_websocket_port_is_reported_in_one_clear_line() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(
            OSError, match=rf"^cannot listen on 127\.0\.0\.1 port {port}: Address already in use"
        ):
            open_listeners("127.0.0.1", port)


def test_two_processes_may_share_a_websocket_port() -> None:
    first = open_listeners("127.0.0.1", 0)
    second = open_listeners("127.0.0.1", first[0].getsockname()[1])
    for sock in first + second:
        begin_listening(sock)
        sock.close()


async def test_a_websocket_port_is_closed_to_charge_points_until_the_server_serves() -> None:
    sockets = open_listeners("127.0.0.1", 0)
    port = sockets[0].getsockname()[1]
    with pytest.raises(OSError, match="failed"):
        await trio.open_tcp_stream("127.0.0.1", port)
    async with trio.open_nursery() as nursery:
        await nursery.start(partial(serve, sockets, handle=Echo()))
        await (await trio.open_tcp_stream("127.0.0.1", port)).aclose()
        nursery.cancel_scope.cancel()
