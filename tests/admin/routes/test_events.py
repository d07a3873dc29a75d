"""The event feed over HTTP: the limits of a stream, and clients that resume without missing an event."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio

from admin.config import AdminLimits
from admin.http import sse
from state import keys
from state.events import events
from state.events.cursor import Cursor
from state.store import Store
from state.tenants import api_keys, tenants
from tests.admin.api import PEPPER, TENANT, Api, serving
from tests.admin.problem import is_problem
from tests.support.event_stream import EventStream, event_stream

PATH = f"/v1/tenants/{TENANT}/events"


@asynccontextmanager
async def stream(
    api: Api, last_id: str | None = None, *, query: str = "", **headers: str
) -> AsyncIterator[EventStream]:
    headers.setdefault("Authorization", api.client.headers["Authorization"])
    if last_id is not None:
        headers["Last-Event-ID"] = last_id
    async with event_stream(api.port, PATH + query, headers) as opened:
        yield opened


async def put(api: Api, name: str) -> None:
    """Register a charge point, which adds an event to the stream."""
    response = await api.client.put(f"/v1/tenants/{TENANT}/charge-points/{name}", json={})
    assert response.status_code == 201


async def read_stored(api: Api, last_id: str | None, query: str = "") -> tuple[list[str], str]:
    """Read a stream that ends by itself. Return the charge points of its events, and its last id."""
    found: list[str] = []
    with trio.fail_after(60):
        async with stream(api, last_id, query=f"?follow=false{query}") as listening:
            while True:
                kind, event = await listening.next()
                if kind == "end":
                    assert event == {"reason": "all events until now were sent", "complete": True}
                    return found, listening.last_id
                found.append("gap" if kind == "gap" else event["charge_point"])


async def test_a_stream_that_does_not_follow_ends_after_the_events_that_had_happened(api: Api) -> None:
    found, place = await read_stored(api, None)
    assert found == []
    for number in range(3):
        await put(api, f"CP-{number}")
    found, after = await read_stored(api, place)
    assert sorted(found) == ["CP-0", "CP-1", "CP-2"]
    assert (await read_stored(api, after))[0] == []
    assert (await read_stored(api, place, "&charge_point=CP-1"))[0] == ["CP-1"]
    assert (await read_stored(api, place, "&kind=transaction"))[0] == []


async def test_a_stream_that_does_not_follow_has_all_events_of_several_pages(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, place = await read_stored(api, None)
    monkeypatch.setattr("admin.routes.events._PAGE", 4)
    names = [f"CP-{number}" for number in range(15)]
    for name in names:
        await put(api, name)
    assert sorted((await read_stored(api, place))[0]) == sorted(names)


async def test_a_stream_that_does_not_follow_reports_a_gap_also_if_nothing_comes_after_it(api: Api) -> None:
    old = Cursor(api.store.server_time_ms() - events.KEPT_MS - 60_000, {})
    found, place = await read_stored(api, old.encode())
    assert found == ["gap"]
    assert (await read_stored(api, place))[0] == []


async def test_a_client_of_the_event_stream_gets_an_event_with_an_id(api: Api) -> None:
    with trio.fail_after(60):
        async with stream(api) as listening:
            await put(api, "CP-1")
            kind, event = await listening.next()
            assert kind == event["kind"] == "charge_point.registered"
            assert (event["tenant"], event["charge_point"]) == (TENANT, "CP-1")
            assert event["at"].endswith("Z")
            assert isinstance(event["data"], dict)
            assert listening.last_id
            Cursor.parse(listening.last_id)


async def test_a_client_that_resumes_the_event_stream_after_the_last_id_that_it_got_misses_no_event(
    api: Api,
) -> None:
    """The client disconnects after some events and resumes with the last id, until it has seen all."""
    names = [f"CP-{n:02}" for n in range(30)]
    seen: list[str] = []
    last_id: str | None = None

    async def write(task_status: trio.TaskStatus[None]) -> None:
        for n, name in enumerate(names):
            if n == 3:
                task_status.started()
            await put(api, name)
            await trio.sleep(0.02)

    with trio.fail_after(60):
        async with stream(api) as listening:
            last_id = listening.last_id or None
            async with trio.open_nursery() as nursery:
                await nursery.start(write)
                while len(set(seen)) < 4:
                    seen.append((await listening.next())[1]["charge_point"])
                last_id = listening.last_id
        while len(set(seen)) < len(names):
            async with stream(api, last_id) as listening:
                for _ in range(7):
                    if len(set(seen)) < len(names):
                        seen.append((await listening.next())[1]["charge_point"])
                last_id = listening.last_id
    assert set(seen) == set(names)


async def test_the_event_stream_sends_at_most_one_id_a_second_and_still_sends_the_last_id(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sse, "HEARTBEAT_S", 0.2)
    with trio.fail_after(60):
        async with stream(api) as listening:
            began = trio.current_time()
            for n in range(5):
                await put(api, f"CP-{n}")
                await listening.next()
            # At its beginning, the stream sends an id without an event. This id is not counted here.
            assert len(listening.ids) - 1 <= 1 + trio.current_time() - began
            while not (await listening.line()).startswith(":"):
                pass  # The server sends a comment only when it has no id left to send.
        async with stream(api, listening.last_id) as again:
            await put(api, "CP-9")
            assert (await again.next())[1]["charge_point"] == "CP-9"


async def test_the_event_stream_sends_a_comment_if_no_event_happens(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert sse.HEARTBEAT_S <= 15
    monkeypatch.setattr(sse, "HEARTBEAT_S", 0.2)
    with trio.fail_after(60):
        async with stream(api) as listening:
            while not (await listening.line()).startswith(":"):
                pass


async def test_an_event_stream_ends_when_its_api_key_is_revoked(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sse, "HEARTBEAT_S", 0.2)
    made = await api_keys.create(api.store, PEPPER, "soon gone", [TENANT])
    with trio.fail_after(60):
        async with stream(api, Authorization=f"Bearer {made.secret}") as listening:
            await api_keys.revoke(api.store, made.id)
            kind, data = await listening.next()
            assert (kind, data) == ("end", {"reason": "the API key or the tenant is gone"})


async def test_a_client_whose_cursor_is_older_than_all_stored_events_gets_a_gap_event(api: Api) -> None:
    old = Cursor(api.store.server_time_ms() - events.KEPT_MS - 60_000, {})
    await put(api, "CP-1")
    with trio.fail_after(60):
        async with stream(api, old.encode()) as listening:
            assert (await listening.next())[0] == "gap"
            assert (await listening.next())[1]["charge_point"] == "CP-1"


@pytest.mark.parametrize("last_id", ["nonsense", "a" * 9000, "1-1"])
async def test_a_request_for_the_event_stream_with_an_unknown_last_event_id_is_answered_422(
    api: Api, last_id: str
) -> None:
    response = await api.client.get(PATH, headers={"Last-Event-ID": last_id})
    document = is_problem(response, 422, "invalid-request")
    assert document["errors"][0]["parameter"] == "Last-Event-ID"


async def test_line_breaks_in_the_data_of_an_event_do_not_end_the_event(api: Api) -> None:
    stream_key = keys.events(keys.partition_of(TENANT, "CP-1"), TENANT)
    data = '{\n\n"a":\r\n1}\n\n'
    with trio.fail_after(60):
        async with stream(api) as listening:
            of = ("of", keys.join(TENANT, "CP-1"), "kind", "test", "data", data)
            await api.store.execute("XADD", stream_key, "*", *of, key=stream_key)
            kind, event = await listening.next()
            assert (kind, event["data"]) == ("test", {"a": 1})


async def test_an_http_head_request_for_the_event_stream_is_answered(api: Api) -> None:
    with trio.fail_after(60):
        assert (await api.client.head(PATH)).status_code == 200


async def test_a_request_for_one_event_stream_too_many_is_answered_503(store: Store) -> None:
    await tenants.put(store, TENANT, name="", auto_register=False)
    async with serving(store, AdminLimits(event_clients=1)) as api:
        with trio.fail_after(60):
            async with stream(api) as listening:
                await put(api, "CP-1")
                await listening.next()
                response = await api.client.get(PATH)
                is_problem(response, 503, "too-many-clients")
                assert response.headers["retry-after"]


async def test_the_limit_of_event_streams_holds_even_if_clients_connect_at_the_same_time(
    store: Store,
) -> None:
    await tenants.put(store, TENANT, name="", auto_register=False)
    async with serving(store, AdminLimits(event_clients=2)) as api:
        key = api.client.headers["Authorization"]
        ask = f"GET {PATH} HTTP/1.1\r\nHost: x\r\nAuthorization: {key}\r\n\r\n".encode()
        heard: list[str] = []
        all_heard = trio.Event()

        async def listen() -> None:
            async with await trio.open_tcp_stream("127.0.0.1", api.port) as connection:
                await connection.send_all(ask)
                received = b""
                while not (word := re.search(rb"retry: |too many clients|too-many-clients", received)):
                    received += await connection.receive_some()
                heard.append(word[0].decode())
                if len(heard) == 10:
                    all_heard.set()
                await all_heard.wait()

        with trio.fail_after(60):
            async with trio.open_nursery() as nursery:
                for _ in range(10):
                    nursery.start_soon(listen)
        assert heard.count("retry: ") == 2


async def test_a_client_that_does_not_read_its_event_stream_does_not_stop_other_clients(store: Store) -> None:
    await tenants.put(store, TENANT, name="", auto_register=False)
    async with serving(store, AdminLimits(unacknowledged_s=1, graceful_s=0.5)) as api:
        stalled = await trio.open_tcp_stream("127.0.0.1", api.port)
        key = api.client.headers["Authorization"]
        await stalled.send_all(f"GET {PATH} HTTP/1.1\r\nHost: x\r\nAuthorization: {key}\r\n\r\n".encode())
        assert (await stalled.receive_some(1)) == b"H"
        with trio.fail_after(60):
            async with stream(api) as listening:
                await put(api, "CP-1")
                await listening.next()
        await stalled.aclose()


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("charge_point=B", [("B", "registered"), ("B", "deleted"), ("B", "registered")]),
        ("kind=charge_point.deleted,transaction", [("A", "deleted"), ("B", "deleted")]),
        ("kind=charge_point&charge_point=A", [("A", "registered"), ("A", "deleted"), ("A", "registered")]),
    ],
)
async def test_a_stream_with_filters_has_only_events_of_these_kinds_and_of_this_charge_point(
    api: Api, query: str, expected: list[tuple[str, str]]
) -> None:
    with trio.fail_after(60):
        async with event_stream(
            api.port, f"{PATH}?{query}", {"Authorization": api.client.headers["Authorization"]}
        ) as listening:
            for name in ("A", "B"):
                await put(api, name)
                await api.client.delete(f"/v1/tenants/{TENANT}/charge-points/{name}")
                await put(api, name)
            found = [await listening.next() for _ in expected]
    assert [(one["charge_point"], kind.partition(".")[2]) for kind, one in found] == expected


async def test_the_id_of_a_stream_with_filters_goes_on_although_no_event_is_sent(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that resumes would otherwise read all events again that were left out."""
    monkeypatch.setattr("admin.routes.events.ID_EVERY_S", 0.0)
    with trio.fail_after(60):
        async with event_stream(
            api.port, f"{PATH}?charge_point=B", {"Authorization": api.client.headers["Authorization"]}
        ) as listening:
            await put(api, "A")
            while len(listening.ids) < 2:
                await listening.line()
    partition = keys.partition_of(TENANT, "A")
    assert partition in Cursor.parse(listening.last_id).positions


async def test_a_kind_of_event_that_does_not_exist_is_refused(api: Api) -> None:
    for kind in ("transactions", "", "transaction,", "transaction.s"):
        problem = is_problem(await api.client.get(PATH, params={"kind": kind}), 422, "invalid-request")
        assert problem["errors"][0]["parameter"] == "kind"
