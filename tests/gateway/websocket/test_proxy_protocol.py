"""The PROXY header of a trusted proxy names the client. Hostile headers harm nobody."""

import itertools
import random
import socket
import ssl
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio
import trustme
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from gateway.websocket.http_upgrade import Upgrade
from gateway.websocket.limits import Limits
from gateway.websocket.proxy_protocol import HEADER_MAX, BadHeader, Header, may_begin, parse
from gateway.websocket.refusals import Refused
from gateway.websocket.tls import server_context
from tests.gateway.websocket.echo_server import Echo, RawPeer, raw_peer, serving, settle, until
from tests.support.websocket_frames import REQUEST

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
IP4 = socket.inet_aton("203.0.113.9") + socket.inet_aton("10.0.0.1") + (4711).to_bytes(2) + b"\x01\xbb"
IP6 = socket.inet_pton(socket.AF_INET6, "2001:db8::9") * 2 + (4711).to_bytes(2) + b"\x01\xbb"


def v2(family: int, body: bytes, command: int = 0x21) -> bytes:
    return SIGNATURE + bytes([command, family]) + len(body).to_bytes(2) + body


def field(kind: int, value: bytes) -> bytes:
    return bytes([kind]) + len(value).to_bytes(2) + value


TLS = field(0x20, b"\x01\0\0\0\0" + field(0x21, b"TLSv1.3"))
NO_TLS = field(0x20, b"\x00\0\0\0\1")
CLIENT = ("203.0.113.9", 4711)

RIGHT: dict[bytes, Header] = {
    b"PROXY TCP4 203.0.113.9 10.0.0.1 4711 443\r\n": Header(42, CLIENT),
    b"PROXY TCP6 2001:db8::9 ::1 4711 443\r\n": Header(37, ("2001:db8::9", 4711)),
    b"PROXY TCP6 ::ffff:203.0.113.9 ::1 4711 443\r\n": Header(44, CLIENT),
    b"PROXY UNKNOWN\r\n": Header(15),
    b"PROXY UNKNOWN ffff::1 anything 1 2\r\n": Header(36),
    v2(0x11, IP4): Header(28, CLIENT),
    v2(0x21, IP6): Header(52, ("2001:db8::9", 4711)),
    v2(0x11, IP4 + field(0x04, b"no-op") + TLS): Header(54, CLIENT, encrypted=True),
    v2(0x11, IP4 + NO_TLS): Header(36, CLIENT),
    v2(0x31, bytes(216) + TLS): Header(250, encrypted=True),
    v2(0x00, b""): Header(16),
    v2(0x00, TLS): Header(34),
    v2(0x00, b"", 0x20): Header(16, local=True),
    v2(0x11, IP4, 0x20): Header(28, local=True),
}
WRONG = [
    b"PROXY TCP4 203.0.113.9 10.0.0.1 4711\r\n",
    b"PROXY TCP4 203.0.113.9 10.0.0.1 70000 443\r\n",
    b"PROXY TCP4 203.0.113.999 10.0.0.1 4711 443\r\n",
    b"PROXY TCP4 2001:db8::9 ::1 4711 443\r\n",
    b"PROXY TCP6 203.0.113.9 ::1 4711 443\r\n",
    b"PROXY TCP4  203.0.113.9 10.0.0.1 4711 443\r\n",
    b"PROXY TCP4 203.0.113.9 10.0.0.1 4711 443\n",
    b"PROXY UDP4 203.0.113.9 10.0.0.1 4711 443\r\n",
    b"PROXY " + b"x" * 101,
    v2(0x11, IP4[:-1]),
    v2(0x12, IP4),
    v2(0x41, IP4),
    v2(0x11, IP4, 0x22),
    v2(0x11, IP4, 0x11),
    v2(0x11, IP4 + b"\x20\0"),
    v2(0x11, IP4 + b"\x20\0\x09\x01"),
    v2(0x11, IP4 + field(0x20, b"\x01")),
    v2(0x11, IP4 + bytes(HEADER_MAX)),
]


REASONS = {
    "left_before_request",
    Refused.PROXY_HEADER_MISSING.word,
    Refused.PROXY_HEADER_INVALID.word,
    # These follow a header that is right.
    Refused.NOT_HTTP.word,
    Refused.NOT_AN_UPGRADE.word,
    Refused.HEAD_TOO_LONG.word,
}
"""All reasons that spoilt headers may have, so that no peer can make the counters grow."""


def spoil(rng: random.Random, header: bytes) -> bytes:
    """Change a right header in some places, and cut it or lengthen it."""
    data = bytearray(header)
    for _ in range(rng.randrange(4)):
        data[rng.randrange(len(data))] = rng.randrange(256)
    if rng.random() < 0.3:
        at = rng.randrange(len(data))
        data[at:at] = rng.randbytes(rng.randrange(40))
    if rng.random() < 0.3:
        del data[rng.randrange(len(data)) :]
    return bytes(data) + rng.choice((b"", REQUEST, rng.randbytes(rng.randrange(5_000))))


def hostile(count: int) -> Iterator[bytes]:
    rng = random.Random(16)
    headers = [*RIGHT, *WRONG]
    for _ in range(count):
        yield spoil(rng, rng.choice(headers))


def judge(data: bytes) -> None:
    """Parse data as it may arrive. The header is found at the same place, however much follows."""
    try:
        header = parse(data[:HEADER_MAX])
    except BadHeader:
        return
    if header is None:
        assert len(data) < HEADER_MAX, "no further bytes would be awaited"
    else:
        assert header.size <= min(len(data), HEADER_MAX)
        assert parse(data[: header.size]) == header
        assert parse(data[: header.size - 1]) is None


@pytest.mark.parametrize("data", RIGHT)
def test_a_right_header_is_read_as_soon_as_its_last_byte_is_there(data: bytes) -> None:
    assert {parse(data[:size]) for size in range(len(data))} == {None}
    assert parse(data) == parse(data + REQUEST) == RIGHT[data]


@pytest.mark.parametrize("data", WRONG)
def test_a_wrong_header_is_refused(data: bytes) -> None:
    with pytest.raises(BadHeader) as raised:
        parse(data)
    assert raised.value.reason is Refused.PROXY_HEADER_INVALID
    assert str(raised.value)


def test_a_connection_that_begins_otherwise_has_no_header() -> None:
    assert may_begin(REQUEST) is False
    assert may_begin(b"\x16\x03\x01") is False
    assert may_begin(b"P") is may_begin(b"\r\n\r\n") is may_begin(b"") is None
    with pytest.raises(BadHeader) as raised:
        parse(REQUEST)
    assert raised.value.reason is Refused.PROXY_HEADER_MISSING


@given(st.sampled_from([b"", b"PROXY ", b"PROXY TCP4 ", SIGNATURE, SIGNATURE + b"\x21\x11"]), st.binary())
def test_any_bytes_are_read_or_refused_without_another_error(begin: bytes, rest: bytes) -> None:
    judge(begin + rest)


def test_2000_spoilt_headers_are_read_or_refused_without_another_error() -> None:
    for data in hostile(2_000):
        judge(data)


@pytest.mark.slow
def test_50000_spoilt_headers_are_read_or_refused_without_another_error_and_without_a_leak() -> None:
    tracemalloc.start()
    try:
        headers = hostile(50_000)
        for data in itertools.islice(headers, 1_000):
            judge(data)
        before = tracemalloc.get_traced_memory()[0]
        for data in headers:
            judge(data)
        assert tracemalloc.get_traced_memory()[0] - before < 100_000
    finally:
        tracemalloc.stop()


async def provoke(count: int) -> None:
    """Send spoilt headers to a server, which must then serve another client."""
    async with serving(Echo(), trusts_proxy=lambda _: True) as server:

        async def send(data: bytes) -> None:
            async with raw_peer(server, upgrade=False) as peer:
                try:
                    await peer.send(data)
                    await peer.stream.send_eof()
                except trio.BrokenResourceError:
                    return
                await peer.read_all()

        left = hostile(count)

        async def work() -> None:
            for data in left:
                await send(data)

        async with trio.open_nursery() as nursery:
            for _ in range(50):
                nursery.start_soon(work)
        async with raw_peer(server, upgrade=False) as peer:
            await peer.send(next(iter(RIGHT)) + REQUEST)
            await peer.read_head()
        await until(lambda: server.stats.open == 0)
        assert server.stats.handshake_failures.keys() <= REASONS


async def test_a_server_survives_spoilt_headers() -> None:
    await provoke(300)


@pytest.mark.slow
async def test_a_server_survives_50000_spoilt_headers_without_growing() -> None:
    await provoke(2_000)
    before = _resident_kib()
    await provoke(50_000)
    assert _resident_kib() - before < 30_000


def _resident_kib() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4


class Seen:
    """A handler that notes which client each request comes from."""

    def __init__(self) -> None:
        self.clients: list[tuple[tuple[str, int], bool, bool]] = []

    async def __call__(self, upgrade: Upgrade) -> None:
        self.clients.append((upgrade.remote, upgrade.encrypted, upgrade.tls is not None))
        await Echo()(upgrade)


async def get_101(peer: RawPeer, *parts: bytes) -> None:
    for part in parts:
        await peer.send(part)
        await settle()
    await peer.read_head()


@pytest.mark.parametrize("data", [one for one in RIGHT if not RIGHT[one].local])
async def test_the_client_that_a_trusted_proxy_names_counts_as_the_peer(data: bytes) -> None:
    seen = Seen()
    trusting = serving(seen, trusts_proxy=lambda address: address == "127.0.0.1")
    async with trusting as server, raw_peer(server, upgrade=False) as peer:
        await get_101(peer, data[:9], data[9:14], data[14:] + REQUEST[:5], REQUEST[5:])
        proxy = peer.stream.socket.getsockname()
    header = RIGHT[data]
    assert seen.clients == [(header.source or proxy, header.encrypted, False)]


@pytest.mark.parametrize("data", [one for one in RIGHT if RIGHT[one].local])
async def test_a_health_check_of_a_proxy_gets_no_answer_and_is_not_a_refusal(data: bytes) -> None:
    noted: list[Refused] = []
    async with serving(
        Echo(), trusts_proxy=lambda _: True, on_refused=lambda reason, *_: noted.append(reason)
    ) as server:
        async with raw_peer(server, upgrade=False) as peer:
            await peer.send(data)
            assert await peer.read_all() == b""
        assert server.stats.handshake_failures == {}
    assert noted == []


@pytest.mark.parametrize(
    ("trusted", "sent", "reason"),
    [
        (True, REQUEST, Refused.PROXY_HEADER_MISSING),
        (True, WRONG[0] + REQUEST, Refused.PROXY_HEADER_INVALID),
        (True, v2(0x12, IP4) + REQUEST, Refused.PROXY_HEADER_INVALID),
        (False, next(iter(RIGHT)) + REQUEST, Refused.PROXY_HEADER_UNTRUSTED),
        (False, v2(0x11, IP4) + REQUEST, Refused.PROXY_HEADER_UNTRUSTED),
        (False, v2(0x11, IP4, 0x20), Refused.PROXY_HEADER_UNTRUSTED),
    ],
)
async def test_a_missing_or_wrong_or_untrusted_header_is_refused_and_reported(
    *, trusted: bool, sent: bytes, reason: Refused
) -> None:
    noted: list[tuple[Refused, str]] = []
    seen = Seen()
    async with serving(
        seen,
        trusts_proxy=lambda _: trusted,
        on_refused=lambda reason, address, _: noted.append((reason, address)),
    ) as server:
        async with raw_peer(server, upgrade=False) as peer:
            await peer.send(sent)
            assert await peer.read_all() == b""
        assert server.stats.handshake_failures == {reason.word: 1}
    assert noted == [(reason, "127.0.0.1")]
    assert seen.clients == []


async def test_an_untrusted_client_without_a_header_is_served_as_itself() -> None:
    seen = Seen()
    async with serving(seen, trusts_proxy=lambda _: False) as server, raw_peer(server) as peer:
        own = peer.stream.socket.getsockname()
    assert seen.clients == [(own, False, False)]


async def test_a_trusted_proxy_that_sends_no_header_in_time_is_refused(mock_clock: MockClock) -> None:
    limits = Limits(proxy_header_s=5)
    async with serving(Echo(), trusts_proxy=lambda _: True, limits=limits) as server:
        async with raw_peer(server, upgrade=False) as peer:
            await peer.send(b"PROXY TCP4 ")
            await settle()
            mock_clock.jump(5.1)
            await peer.read_all()
        assert server.stats.handshake_failures == {Refused.PROXY_HEADER_MISSING.word: 1}


async def test_the_header_comes_before_tls_and_its_word_on_tls_does_not_count_there(tmp_path: Path) -> None:
    ca, seen = trustme.CA(), Seen()
    issued = ca.issue_cert("cs.example")
    chain, key = tmp_path / "chain.pem", tmp_path / "key.pem"
    issued.cert_chain_pems[0].write_to_path(chain)
    issued.private_key_pem.write_to_path(key)
    client = ssl.create_default_context()
    ca.configure_trust(client)
    async with serving(seen, trusts_proxy=lambda _: True, tls=server_context([(chain, key)])) as server:
        tcp = await trio.open_tcp_stream("127.0.0.1", server.ports[0])
        await tcp.send_all(v2(0x11, IP4))
        async with trio.SSLStream(tcp, client, server_hostname="cs.example") as stream:
            await stream.send_all(REQUEST)
            assert (await stream.receive_some()).startswith(b"HTTP/1.1 101")
    assert seen.clients == [(CLIENT, True, True)]


async def test_one_address_can_be_limited_in_its_connections_while_others_are_served() -> None:
    limits = Limits(connections_per_address=2)
    first, other = b"PROXY TCP4 203.0.113.9 10.0.0.1 1 2\r\n", b"PROXY TCP4 203.0.113.8 10.0.0.1 1 2\r\n"
    noted: list[tuple[Refused, str]] = []
    async with serving(
        Echo(),
        trusts_proxy=lambda _: True,
        limits=limits,
        on_refused=lambda reason, address, _: noted.append((reason, address)),
    ) as server:
        async with raw_peer(server, upgrade=False) as a, raw_peer(server, upgrade=False) as b:
            for peer in (a, b):
                await get_101(peer, first + REQUEST)
            async with raw_peer(server, upgrade=False) as third:
                await third.send(first + REQUEST)
                assert await third.read_all() == b""
            async with raw_peer(server, upgrade=False) as third:
                await get_101(third, other + REQUEST)
        await until(lambda: server.stats.open == 0)
        assert server.stats.of_address == {}
        async with raw_peer(server, upgrade=False) as again:
            await get_101(again, first + REQUEST)
    assert noted == [(Refused.TOO_MANY_CONNECTIONS, "203.0.113.9")]
