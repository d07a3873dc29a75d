"""Each hostile Authorization header gets an answer on a real socket, opens nothing and leaves nothing."""

import gc
from random import Random

import pytest
import trio

from state import charge_points
from state.charge_points import Settings, passwords, security
from state.keys import ChargePointKeys
from state.store import Store
from state.tenants import tenants, tokens
from tests.support.hostile_headers import generate
from tests.support.inner_gateway import PEPPER, InnerGateway, inner_gateway

AT_ONCE = 20
REFUSED = (b"HTTP/1.1 400 ", b"HTTP/1.1 401 ", b"HTTP/1.1 431 ")


async def answer_to(gateway: InnerGateway, path: str, lines: list[bytes]) -> bytes:
    port = int(gateway.url.split(":")[2].partition("/")[0])
    head = [
        f"GET {path} HTTP/1.1".encode(),
        *(b"Host: x", b"Upgrade: websocket", b"Connection: Upgrade", b"Sec-WebSocket-Version: 13"),
        *(b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", b"Sec-WebSocket-Protocol: ocpp1.6"),
        *lines,
    ]
    stream = await trio.open_tcp_stream("127.0.0.1", port)
    async with stream:
        await stream.send_all(b"\r\n".join(head) + b"\r\n\r\n")
        with trio.fail_after(60):
            return bytes(await stream.receive_some(4_096))


async def flood(gateway: InnerGateway, path: str, random: Random, count: int) -> set[bytes]:
    """Send that many requests, and return the beginnings of the answers."""
    headers = iter([generate(random) for _ in range(count)])
    seen = set()

    async def work() -> None:
        for lines in headers:
            answer = await answer_to(gateway, path, lines)
            assert answer.startswith(REFUSED), (lines, answer)
            seen.add(answer[:13])

    async with trio.open_nursery() as nursery:
        for _ in range(AT_ONCE):
            nursery.start_soon(work)
    return seen


@pytest.mark.parametrize("count", [2_000, pytest.param(50_000, marks=pytest.mark.slow)])
async def test_hostile_headers_are_all_answered_and_leave_nothing_behind(
    store: Store, redis_url: str, count: int, caplog: pytest.LogCaptureFixture
) -> None:
    await tenants.put(store, "strict", name="", auto_register=True, security_profile=1)
    token = await tokens.create(store, PEPPER.encode(), "strict")
    keys = ChargePointKeys("strict", "CP-1")
    await charge_points.put(store, "strict", "CP-1", Settings())
    digest = passwords.digest(PEPPER.encode(), keys.member, bytes(range(20)))
    await security.set_password(store, keys, digest, 1)
    path = f"/OCPP16/strict/{token.secret}/CP-1"
    async with inner_gateway(store, redis_url, failures=10 * count) as gateway:
        seen = await flood(gateway, path, Random(1), count // 4)
        gc.collect()
        before = len(gc.get_objects())
        seen |= await flood(gateway, path, Random(2), count - count // 4)
        await gateway.node.refusals.write()
        gc.collect()
        assert len(gc.get_objects()) - before < 500
        assert list(gateway.hub) == []
        assert seen >= {b"HTTP/1.1 400 ", b"HTTP/1.1 401 "}
    assert (await security.read(store, "strict", "CP-1")).floor == 0
    assert "Traceback" not in caplog.text
