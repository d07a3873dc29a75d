"""A trace over HTTP: its limits, its pages, its files and its stream."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio

from admin.config import AdminLimits
from admin.http import sse
from state import keys
from state.keys import ChargePointKeys
from state.store import Store
from state.tenants import api_keys, tenants
from state.traces import traces
from state.traces.traces import TraceEntry
from tests.admin.api import PEPPER, TENANT, Api, serving
from tests.admin.problem import is_problem
from tests.support.event_stream import EventStream, event_stream
from tests.support.waiting import until

CHARGE_POINT = f"/v1/tenants/{TENANT}/charge-points/CP-1"
TRACE = f"{CHARGE_POINT}/trace"
KEYS = ChargePointKeys(TENANT, "CP-1")


async def start(api: Api, **settings: int) -> dict[str, Any]:
    await api.client.put(CHARGE_POINT, json={})
    response = await api.client.put(TRACE, json=settings)
    assert response.status_code == 201, response.text
    return dict(response.json())


async def write(api: Api, trace: str, entries: list[TraceEntry], batch: int = 1) -> None:
    assert await traces.append(api.store, KEYS, trace, entries, writer="w", batch=batch) == "recording"


def frame(api: Api, number: int, **over: Any) -> TraceEntry:
    facts: dict[str, Any] = {
        "what": "in",
        "at_ms": api.store.server_time_ms(),
        "connection": "node/1",
        "frame": f'[2,"{number}","Heartbeat",{{}}]',
        "message": 2,
        "id": f"{number}",
        "action": "Heartbeat",
    }
    return TraceEntry(**facts | over)


async def read_all(api: Api, **query: str | int) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        response = await api.client.get(f"{TRACE}/frames", params={**query, **cursor})
        assert response.status_code == 200, response.text
        items += response.json()["items"]
        if response.json()["next"] is None:
            return items
        cursor = {"cursor": response.json()["next"]}


async def test_a_trace_can_be_started_and_read_and_stopped(api: Api) -> None:
    begun = await start(api, minutes=5, frames=100, bytes=4096)
    assert begun["limits"] == {"minutes": 5, "frames": 100, "bytes": 4096}
    assert (begun["ended"], begun["ended_at"], begun["frames"]) == (None, None, 0)
    await write(api, begun["id"], [frame(api, 1)])
    now = (await api.client.get(TRACE)).json()
    assert (now["id"], now["frames"], now["marks"], now["dropped"]) == (begun["id"], 1, 0, 0)
    stopped = [await api.client.delete(TRACE) for _ in range(2)]
    assert [(one.status_code, one.json()["ended"]) for one in stopped] == [(200, "stopped")] * 2
    assert stopped[0].json()["ended_at"] >= begun["started_at"]
    assert len(await read_all(api)) == 1


async def test_a_request_for_a_trace_that_does_not_exist_is_answered_404(api: Api) -> None:
    for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/frames"), ("GET", "/stream"), ("PUT", "")):
        document = is_problem(await api.client.request(method, TRACE + path), 404, "not-found")
        assert "charge point" in document["detail"]
    await api.client.put(CHARGE_POINT, json={})
    assert "trace" in is_problem(await api.client.get(TRACE), 404, "not-found")["detail"]


@pytest.mark.parametrize("settings", [{"minutes": 61}, {"frames": 10_001}, {"bytes": 1}, {"hours": 1}])
async def test_a_trace_request_with_settings_out_of_bounds_is_answered_422(
    api: Api, settings: dict[str, int]
) -> None:
    await api.client.put(CHARGE_POINT, json={})
    document = is_problem(await api.client.put(TRACE, json=settings), 422, "invalid-request")
    assert document["errors"][0]["pointer"] == f"/{next(iter(settings))}"


async def test_the_error_for_one_trace_too_many_names_the_running_traces(api: Api) -> None:
    until = api.store.server_time_ms() + 60_000
    for number in range(traces.RUNNING_MAX):
        await api.store.execute("ZADD", keys.traces(TENANT), until, f"other-{number}")
    await api.client.put(CHARGE_POINT, json={})
    document = is_problem(await api.client.put(TRACE, json={}), 429, "too-many-traces")
    assert "other-7" in document["charge_points"]


async def test_the_frames_of_a_trace_are_listed_in_pages_and_can_be_filtered(api: Api) -> None:
    trace = (await start(api))["id"]
    for batch in range(13):
        kinds: list[dict[str, Any]] = [
            {},
            {"what": "out", "message": 3},
            {"action": "Authorize"},
            {"what": "gap", "frame": "", "message": None, "id": None, "action": None, "note": "2 frames"},
        ]
        entries = [frame(api, batch * 52 + n, **kinds[n % 4]) for n in range(52)]
        await write(api, trace, entries, batch + 1)
    everything = await read_all(api, limit=1000)
    assert len(everything) == 13 * 52
    assert [one["message_id"] for one in everything if one["message_id"]] == [
        str(n) for n in range(13 * 52) if n % 4 != 3
    ]
    for limit in (7, 100, 676):
        assert await read_all(api, limit=limit) == everything
    for query, kept in (
        ({"direction": "out"}, lambda one: one["direction"] == "out"),
        ({"action": "Authorize"}, lambda one: one["action"] == "Authorize"),
        (
            {"direction": "in", "action": "Heartbeat"},
            lambda one: one["message_type"] == 2 and one["action"] == "Heartbeat",
        ),
        ({"action": "Reset"}, lambda _: False),
    ):
        assert await read_all(api, limit=100, **query) == [one for one in everything if kept(one)]
    gap = everything[3]
    assert (gap["direction"], gap["mark"], gap["frame"], gap["note"]) == (None, "gap", None, "2 frames")


async def test_a_cursor_from_one_trace_is_refused_for_another_trace(api: Api) -> None:
    trace = (await start(api))["id"]
    await write(api, trace, [frame(api, n) for n in range(3)])
    cursor = (await api.client.get(f"{TRACE}/frames?limit=1")).json()["next"]
    await start(api)
    for wrong in (cursor, "nonsense", f"{trace}.1-99999999999999999999"):
        response = await api.client.get(f"{TRACE}/frames", params={"cursor": wrong})
        assert is_problem(response, 422, "invalid-request")["errors"][0]["parameter"] == "cursor"


async def test_the_text_file_of_a_trace_has_a_line_for_each_frame(api: Api) -> None:
    trace = (await start(api))["id"]
    nasty = '[2,\r\n"2","DataTransfer",{"data":"\x1b[2J\u2028é"}]'
    await write(api, trace, [frame(api, 1), frame(api, 2, what="out", frame=nasty, cut=True, length=99_999)])
    await write(api, trace, [frame(api, 3, what="disconnected", frame="", note="1000 bye\n")], 2)
    response = await api.client.get(f"{TRACE}/frames?format=text&limit=1")
    assert response.headers["content-type"] == "text/plain; charset=utf-8"
    assert response.headers["content-disposition"] == f'attachment; filename="trace-{trace}.txt"'
    first, *lines, last = response.text.removesuffix("\n").split("\n")
    assert first.startswith(f"# Trace {trace} of CP-1 of {TENANT}, begun ")
    assert last == "# Complete: 3 lines, the trace is still running."
    assert [line.split(" ", 1)[1] for line in lines] == [
        'in  [2,"1","Heartbeat",{}]',
        r'out [2,\u000d\u000a"2","DataTransfer",{"data":"\u001b[2J\u2028é"}] ... (99999 bytes in all)',
        r"--  disconnected: 1000 bye\u000a",
    ]


async def test_the_jsonl_file_of_a_trace_has_the_same_frames_as_the_api(api: Api) -> None:
    trace = (await start(api, frames=2000))["id"]
    for batch in range(20):
        await write(api, trace, [frame(api, batch * 60 + n) for n in range(60)], batch + 1)
    await api.client.delete(TRACE)
    response = await api.client.get(f"{TRACE}/frames?format=jsonl&direction=in")
    assert response.headers["content-type"] == "application/jsonl; charset=utf-8"
    first, *frames, last = map(json.loads, response.text.splitlines())
    assert (first["tenant"], first["trace"]["id"], first["trace"]["ended"]) == (TENANT, trace, "stopped")
    assert [one["message_id"] for one in frames] == [str(n) for n in range(1200)]
    assert frames == await read_all(api, limit=1000)
    assert last["end"].startswith("Complete: 1200 lines, the trace ended at ")


@asynccontextmanager
async def follow(api: Api, last_id: str = "") -> AsyncIterator[EventStream]:
    headers = {"Authorization": api.client.headers["Authorization"]}
    if last_id:
        headers["Last-Event-ID"] = last_id
    async with event_stream(api.port, f"{TRACE}/stream", headers) as stream:
        yield stream


async def test_the_stream_of_a_trace_sends_every_entry_and_ends_when_the_trace_ends(api: Api) -> None:
    trace = (await start(api))["id"]
    await write(api, trace, [frame(api, 1)])
    with trio.fail_after(60):
        async with follow(api) as stream:
            assert (await stream.next())[1]["message_id"] == "1"
            first_id = stream.last_id
            await write(api, trace, [frame(api, n) for n in range(2, 500)], 2)
            assert [(await stream.next())[1]["message_id"] for _ in range(498)] == [
                str(n) for n in range(2, 500)
            ]
            await api.client.delete(TRACE)
            assert await stream.next() == ("end", {"reason": "the trace has ended: stopped"})
        async with follow(api, first_id) as stream:
            assert (await stream.next())[1]["message_id"] == "2"
            for _ in range(497):
                await stream.next()
            assert (await stream.next())[0] == "end"
            last_id = stream.last_id
        response = await api.client.get(f"{TRACE}/stream", headers={"Last-Event-ID": last_id})
        assert (response.status_code, response.content) == (204, b"")


async def test_a_new_trace_ends_the_stream_of_the_old_one_and_a_resuming_client_gets_the_whole_new_trace(
    api: Api,
) -> None:
    first = (await start(api))["id"]
    await write(api, first, [frame(api, 1)])
    with trio.fail_after(60):
        async with follow(api) as stream:
            await stream.next()
            second = (await start(api))["id"]
            await write(api, second, [frame(api, 2)])
            assert await stream.next() == ("end", {"reason": "another trace took its place"})
        async with follow(api, stream.last_id) as again:
            assert (await again.next())[1]["message_id"] == "2"
        await api.client.delete(CHARGE_POINT)


async def test_the_stream_of_a_trace_ends_when_the_trace_is_deleted(api: Api) -> None:
    await start(api)
    with trio.fail_after(60):
        async with follow(api) as stream:
            await api.client.delete(CHARGE_POINT)
            assert await stream.next() == ("end", {"reason": "the trace is no longer kept"})


async def test_an_idle_stream_of_a_trace_sends_comments_until_the_api_key_is_revoked_and_then_ends(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sse, "HEARTBEAT_S", 0.2)
    await start(api)
    made = await api_keys.create(api.store, PEPPER, "soon gone", [TENANT])
    headers = {"Authorization": f"Bearer {made.secret}"}
    with trio.fail_after(60):
        async with event_stream(api.port, f"{TRACE}/stream", headers) as stream:
            while not (await stream.line()).startswith(":"):
                pass
            await api_keys.revoke(api.store, made.id)
            assert await stream.next() == ("end", {"reason": "the API key or the tenant is gone"})


async def test_a_request_for_a_trace_stream_with_an_unknown_last_event_id_is_answered_422(api: Api) -> None:
    await start(api)
    response = await api.client.get(f"{TRACE}/stream", headers={"Last-Event-ID": "nonsense"})
    assert is_problem(response, 422, "invalid-request")["errors"][0]["parameter"] == "Last-Event-ID"
    assert (await api.client.head(f"{TRACE}/stream")).status_code == 200


async def test_a_request_for_one_trace_stream_too_many_is_answered_503(store: Store) -> None:
    await tenants.put(store, TENANT, name="", auto_register=False)
    async with serving(store, AdminLimits(event_clients=1)) as api:
        trace = (await start(api))["id"]
        await write(api, trace, [frame(api, 1)])
        with trio.fail_after(60):
            async with follow(api) as stream:
                await stream.next()
                is_problem(await api.client.get(f"{TRACE}/stream"), 503, "too-many-clients")
            await until(lambda: api.services.viewers.count == 0)
