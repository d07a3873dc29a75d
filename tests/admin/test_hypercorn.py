"""The server closes a connection at the client's request, and after a long idle time.

The server also closes a connection if the client stops sending within a body that is too large. An error
ends only the connection in which it happens.
"""

import pytest
import trio
from hypercorn.trio.tcp_server import TCPServer

from admin.config import AdminLimits
from state.store import Store
from state.tenants import tenants
from tests.admin.api import TENANT, Api, serving


def request(api: Api, method: str, *headers: str) -> bytes:
    key = api.client.headers["Authorization"]
    lines = [f"{method} /v1/tenants/{TENANT} HTTP/1.1", "Host: x", f"Authorization: {key}", *headers, "", ""]
    return "\r\n".join(lines).encode()


async def read_to_end(stream: trio.SocketStream) -> bytes:
    received = b""
    while part := await stream.receive_some():
        received += part
    return received


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_a_connection_is_closed_right_after_the_answer_to_a_request_with_the_header_connection_close(
    store: Store, method: str
) -> None:
    await tenants.put(store, TENANT, name="", auto_register=False)
    async with serving(store, AdminLimits(idle_connection_s=3600)) as api:
        stream = await trio.open_tcp_stream("127.0.0.1", api.port)
        async with stream:
            await stream.send_all(request(api, method, "Connection: close"))
            with trio.fail_after(60):
                assert (await read_to_end(stream)).startswith(b"HTTP/1.1 200 ")


async def test_an_idle_connection_is_closed(store: Store) -> None:
    await tenants.put(store, TENANT, name="", auto_register=False)
    async with serving(store, AdminLimits(idle_connection_s=0.3)) as api:
        stream = await trio.open_tcp_stream("127.0.0.1", api.port)
        async with stream:
            for _ in range(2):
                await stream.send_all(request(api, "GET"))
                answer = b""
                with trio.fail_after(60):
                    while not answer.endswith(b"}"):
                        answer += await stream.receive_some()
            with trio.fail_after(60):
                await read_to_end(stream)


async def test_a_client_that_stops_sending_within_a_large_body_is_answered_413_and_disconnected(
    api: Api,
) -> None:
    stream = await trio.open_tcp_stream("127.0.0.1", api.port)
    async with stream:
        head = request(api, "PUT", "Content-Type: application/json", "Content-Length: 1000000")
        await stream.send_all(head + b" " * 400_000)
        with trio.fail_after(60):
            answer = await read_to_end(stream)
        assert answer.startswith(b"HTTP/1.1 413 ")
        assert b"body-too-large" in answer


async def test_a_connection_can_be_used_for_further_requests_after_a_large_body(api: Api) -> None:
    for _ in range(20):
        with trio.fail_after(60):
            large = await api.client.put(
                f"/v1/tenants/{TENANT}", content=b" " * 500_000, headers={"Content-Type": "application/json"}
            )
            assert large.status_code == 413
            assert (await api.client.get(f"/v1/tenants/{TENANT}")).status_code == 200


async def test_an_error_in_one_connection_ends_only_this_connection(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = TCPServer.run
    failing = [True]

    async def run(self: TCPServer) -> None:
        if failing.pop():
            raise RuntimeError("a defect")
        await real(self)

    async with await trio.open_tcp_stream("127.0.0.1", api.port) as other:
        await other.send_all(request(api, "GET"))
        with trio.fail_after(60):
            answer = b""
            while not answer.endswith(b"}"):
                answer += await other.receive_some()
            monkeypatch.setattr(TCPServer, "run", run)
            async with await trio.open_tcp_stream("127.0.0.1", api.port) as failed:
                assert await read_to_end(failed) == b""
            failing.append(False)
            await other.send_all(request(api, "GET", "Connection: close"))
            assert (await read_to_end(other)).startswith(b"HTTP/1.1 ")
