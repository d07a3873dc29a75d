"""A trace over real processes: it records all frames, follows its charge point, and keeps its bounds."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
import trio

from gateway.websocket.close_codes import Close
from tests.support.charge_point_peer import charge_point
from tests.support.event_stream import EventStream, event_stream
from tests.support.fault_proxy import fault_proxy
from tests.support.waiting import GENEROUS_S, until
from tests.system.central import Central, Process

type Gateways = tuple[Process, Process]
type Frame = dict[str, Any]

SECRET = "s3cr3t-and-long-enough"


async def start(api: httpx.AsyncClient, **settings: int) -> Frame:
    answer = await api.put("/charge-points/cp/trace", json=settings)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def state(api: httpx.AsyncClient) -> Frame:
    answer = await api.get("/charge-points/cp/trace")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def entries(api: httpx.AsyncClient, **query: str | int) -> list[Frame]:
    answer = await api.get("/charge-points/cp/trace/frames", params={"limit": 1000, **query})
    assert answer.status_code == 200, answer.text
    return list(answer.json()["items"])


def short(found: list[Frame]) -> list[str]:
    return [one["mark"] or f"{one['direction']} {one['message_type']} {one['action']}" for one in found]


async def wait_for(api: httpx.AsyncClient, last: str, *, times: int = 1) -> list[Frame]:
    """Wait until the last entry is `last`, and the trace has at least `times` entries that equal `last`."""

    async def come() -> bool:
        found = short(await entries(api))
        return found[-1:] == [last] and found.count(last) >= times

    await until(come)
    return await entries(api)


async def recording(api: httpx.AsyncClient, **settings: int) -> None:
    await start(api, **settings)
    await wait_for(api, "recording")


async def test_the_trace_shows_why_csms_refused_a_call_from_a_charge_point_that_was_not_yet_accepted(
    central: Central, gateways: Gateways
) -> None:
    tenant = central.tenant()
    with trio.fail_after(120):
        async with tenant.api() as api:
            await api.put("/charge-points/cp", json={"registration": "Pending"})
            async with charge_point(tenant.url(gateways[0], "cp")) as cp:
                await recording(api)
                assert (await cp.exchange("Heartbeat", {}))[2] == "SecurityError"
                found = await wait_for(api, "out 4 Heartbeat")
                assert found[-1]["faults"] == ["not_accepted"]

                async def counted() -> bool:
                    told = (await api.get("/charge-points/cp/faults")).json()["items"]
                    return [(one["name"], one["count"]) for one in told] == [("not_accepted", 1)]

                await cp.connection.close(Close.LOAD_TEST_OVER)
            await until(counted)


async def test_a_trace_contains_the_frames_of_both_directions_in_order(
    central: Central, gateways: Gateways
) -> None:
    """A trace of a connected charge point has its calls, the operator's commands and the faults."""
    tenant = central.tenant()
    with trio.fail_after(120):
        async with tenant.api() as api, charge_point(tenant.url(gateways[0], "cp")) as cp:
            await cp.call("Heartbeat", {})
            await recording(api)
            await cp.call("Heartbeat", {}, id_="beat")
            await cp.exchange("NoSuchThing", {}, id_="odd")
            body = {"key": "AuthorizationKey", "value": SECRET}
            await api.post("/charge-points/cp/commands/ChangeConfiguration", json=body)
            await api.post(
                "/charge-points/cp/commands/GetDiagnostics", json={"location": f"ftp://u:{SECRET}@h.example/"}
            )
            found = await wait_for(api, "in 3 GetDiagnostics")
            assert short(found) == [
                "recording",
                "in 2 Heartbeat",
                "out 3 Heartbeat",
                "in 2 NoSuchThing",
                "out 4 NoSuchThing",
                "out 2 ChangeConfiguration",
                "in 3 ChangeConfiguration",
                "out 2 GetDiagnostics",
                "in 3 GetDiagnostics",
            ]
            assert json.loads(found[1]["frame"]) == [2, "beat", "Heartbeat", {}]
            assert found[1]["length"] == len(found[1]["frame"])
            assert found[3]["faults"] == ["action_unknown"]
            assert [one["at"] for one in found] == sorted(one["at"] for one in found)
            assert json.loads(found[5]["frame"])[3] == {"key": "AuthorizationKey", "value": "***"}
            assert SECRET not in json.dumps(found)
            assert short(await entries(api, direction="in", action="Heartbeat")) == ["in 2 Heartbeat"]
            stopped = (await api.delete("/charge-points/cp/trace")).json()
            assert (stopped["ended"], stopped["frames"], stopped["marks"]) == ("stopped", 8, 1)
            await cp.call("Heartbeat", {})
            assert await entries(api) == found


async def test_a_trace_goes_on_when_the_charge_point_moves_to_another_gateway(
    central: Central, gateways: Gateways
) -> None:
    """The trace begins before the first connection, and goes on over a takeover to the last CLOSE."""
    tenant = central.tenant()
    with trio.fail_after(120):
        async with tenant.api() as api:
            await api.put("/charge-points/cp", json={})
            await start(api)
            async with charge_point(tenant.url(gateways[0], "cp")) as first:
                await first.call("Heartbeat", {})
                async with charge_point(tenant.url(gateways[1], "cp")) as second:
                    await first.wait_closed()
                    await second.call("Heartbeat", {})
                    await second.connection.close(Close.LOAD_TEST_OVER)
            found = await wait_for(api, "disconnected", times=2)
            by_connection: dict[str, list[Frame]] = {}
            for entry in found:
                by_connection.setdefault(entry["connection"], []).append(entry)
            # Two gateways write entries, and the entries of either may be stored first.
            one, two = sorted(by_connection.values(), key=lambda entries: entries[-1]["note"], reverse=True)
            expected = ["connected", "in 2 Heartbeat", "out 3 Heartbeat", "disconnected"]
            assert short(one) == short(two) == expected
            assert one[-1]["note"].startswith("1008 ")
            assert two[-1]["note"] == "1000 load test over, by peer"
            assert one[0]["note"] == "from 127.0.0.1, not encrypted"


async def test_a_trace_keeps_the_entries_that_a_gateway_wrote_before_the_gateway_was_killed(
    central: Central, gateways: Gateways
) -> None:
    tenant = central.tenant()
    with trio.fail_after(120):
        async with tenant.api() as api, central.gateway() as doomed:
            async with charge_point(tenant.url(doomed, "cp")) as cp:
                await recording(api)
                await cp.call("Heartbeat", {}, id_="before")
                await wait_for(api, "out 3 Heartbeat")
                doomed.kill()
                await cp.wait_closed()
            async with charge_point(tenant.url(gateways[0], "cp")) as cp:
                await cp.call("Heartbeat", {}, id_="after")
                await until(lambda: has_message(api, "after"))
                found = await wait_for(api, "out 3 Heartbeat")
    beat = ["in 2 Heartbeat", "out 3 Heartbeat"]
    assert short(found) == ["recording", *beat, "connected", *beat]


async def test_a_gateway_that_is_drained_stores_all_remaining_entries_of_its_traces(central: Central) -> None:
    tenant = central.tenant()
    with trio.fail_after(120):
        async with tenant.api() as api, central.gateway() as leaving:
            async with charge_point(tenant.url(leaving, "cp")) as cp:
                await recording(api)
                await cp.call("Heartbeat", {})
                leaving.terminate()
                await cp.wait_closed()
            await trio.to_thread.run_sync(leaving.child.wait, GENEROUS_S)
            assert short(await entries(api)) == [
                *("recording", "in 2 Heartbeat", "out 3 Heartbeat", "disconnected")
            ]


async def test_a_trace_stays_within_its_bounds_even_if_a_flood_of_frames_arrives(
    central: Central, gateways: Gateways
) -> None:
    """The charge point sends more frames than a trace stores, and frames that are too long to show whole."""
    tenant = central.tenant()
    with trio.fail_after(120):
        async with tenant.api() as api, charge_point(tenant.url(gateways[0], "cp")) as cp:
            await recording(api, frames=50)
            for number in range(300):
                await cp.send([2, f"f{number}", "Heartbeat", {}])
            await cp.call("Heartbeat", {})
            await until(lambda: has_ended(api, "size"))
            found = await state(api)
            assert found["frames"] + found["marks"] == 50
            await recording(api, bytes=200_000)
            for number in range(40):
                data = {"vendorId": "x", "data": "y" * 40_000}
                await cp.call("DataTransfer", data, id_=f"d{number}")
            await until(lambda: has_ended(api, "size"))
            found = await state(api)
            assert found["bytes"] <= 200_000
            assert found["cut"] > 5
            [frame, *_] = await entries(api, direction="in")
            assert frame["cut"]
            assert len(frame["frame"]) < 20_000 < frame["length"]
            await cp.call("Heartbeat", {})


async def has_ended(api: httpx.AsyncClient, why: str) -> bool:
    return bool((await state(api))["ended"] == why)


async def test_a_trace_shows_a_gap_in_place_of_frames_that_cannot_be_written(central: Central) -> None:
    """While the store is away, more frames are recorded than fit in the buffer.

    The session is not disturbed.
    """
    tenant = central.tenant()
    with trio.fail_after(120):
        async with (
            tenant.api() as api,
            fault_proxy(central.valkey.path) as proxy,
            central.gateway(store_url=f"redis://127.0.0.1:{proxy.port}", store__timeout_s=0.5) as gateway,
            charge_point(tenant.url(gateway, "cp")) as cp,
        ):
            await recording(api, frames=10_000)
            proxy.refuse = True
            proxy.cut()
            for number in range(800):
                await cp.send([2, f"f{number}", "Heartbeat", {}])
            await cp.call("Heartbeat", {})
            proxy.refuse = False
            await until(lambda: has_dropped(api))
            await cp.call("Heartbeat", {}, id_="last")
            await until(lambda: has_message(api, "last"))
            found = await state(api)
            gaps = [one for one in await entries(api, limit=1000) if one["mark"] == "gap"]
            assert len(gaps) <= 1
            assert found["frames"] + found["dropped"] >= 1602
            assert found["dropped"] < 1602


async def has_dropped(api: httpx.AsyncClient) -> bool:
    return bool((await state(api))["dropped"] > 0)


async def has_message(api: httpx.AsyncClient, id_: str) -> bool:
    text = (await api.get("/charge-points/cp/trace/frames?format=jsonl")).text
    return f'"message_id":"{id_}"' in text


@asynccontextmanager
async def viewer(api: httpx.AsyncClient, last_id: str = "") -> AsyncIterator[EventStream]:
    path = f"{api.base_url.path.rstrip('/')}/charge-points/cp/trace/stream"
    headers = {"Authorization": api.headers["Authorization"]}
    if last_id:
        headers["Last-Event-ID"] = last_id
    async with event_stream(api.base_url.port or 0, path, headers) as stream:
        yield stream


async def test_two_clients_can_follow_a_trace_while_it_is_recorded(
    central: Central, gateways: Gateways
) -> None:
    """One of the two clients reconnects in between. Both clients see every frame once, up to the end."""
    tenant = central.tenant()
    with trio.fail_after(120):
        async with tenant.api() as api, charge_point(tenant.url(gateways[0], "cp")) as cp:
            await start(api)
            seen: list[list[str]] = [[], []]
            async with viewer(api) as first, viewer(api) as second:
                for stream in (first, second):
                    kind, mark = await stream.next()
                    assert (kind, mark["mark"]) == ("mark", "recording")
                for number in range(5):
                    await cp.call("Heartbeat", {}, id_=f"h{number}")
                    for which, stream in enumerate((first, second)):
                        for direction in ("in", "out"):
                            kind, frame = await stream.next()
                            assert (kind, frame["direction"]) == ("frame", direction)
                            seen[which].append(frame["message_id"])
            await cp.call("Heartbeat", {}, id_="missed")
            async with viewer(api, first.last_id) as again:
                assert [(await again.next())[1]["message_id"] for _ in range(2)] == ["missed"] * 2
                await api.delete("/charge-points/cp/trace")
                assert await again.next() == ("end", {"reason": "the trace has ended: stopped"})
            assert seen[0] == seen[1] == [f"h{number}" for number in range(5) for _ in range(2)]


@pytest.mark.slow  # The audit looks for running traces every 10 s.
async def test_a_trace_begins_some_seconds_late_if_a_wake_up_message_is_lost(central: Central) -> None:
    tenant = central.tenant()
    with trio.fail_after(120):
        async with (
            tenant.api() as api,
            fault_proxy(central.valkey.path) as proxy,
            central.gateway(store_url=f"redis://127.0.0.1:{proxy.port}", store__timeout_s=0.5) as gateway,
            charge_point(tenant.url(gateway, "cp")) as cp,
        ):
            await cp.call("Heartbeat", {})
            proxy.refuse = True
            proxy.cut()
            with trio.move_on_after(11):  # The gateway's inbox expires, so the wake-up is lost.
                await cp.ended.wait()
            await start(api)
            proxy.refuse = False
            await until(lambda: is_recording(api))


async def is_recording(api: httpx.AsyncClient) -> bool:
    return "recording" in short(await entries(api))
