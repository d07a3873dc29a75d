"""A trace has limits of time, entries and bytes.

Each gateway with a session of the charge point appends to it.
"""

from collections.abc import Sequence
from typing import Any

import pytest

from state import charge_points, keys
from state.charge_points import Settings
from state.nodes import inbox, nodes
from state.nodes.nodes import NodeRecord
from state.record import RunningTrace
from state.store import Store
from state.traces import traces
from state.traces.traces import TooMany, Trace, TraceEntry
from tests.support.leases import KEYS, claimed, kinds

WHO = ("acme", "CP-1")


async def start_trace(store: Store, *, minutes: int = 10, frames: int = 100, size: int = 1 << 20) -> Trace:
    await charge_points.put(store, *WHO, Settings())
    found = await traces.start(store, *WHO, minutes=minutes, frames=frames, size=size)
    assert isinstance(found, Trace)
    return found


def entry(store: Store, number: int = 0, **over: Any) -> TraceEntry:
    facts: dict[str, Any] = {
        "what": "in",
        "at_ms": store.server_time_ms(),
        "connection": "a/1",
        "frame": f"[{number}]",
    }
    return TraceEntry(**facts | over)


async def append(
    store: Store,
    trace: Trace,
    entries: Sequence[TraceEntry],
    *,
    writer: str = "a/1",
    batch: int,
    dropped: int = 0,
) -> str:
    return await traces.append(store, KEYS, trace.id, entries, writer=writer, batch=batch, dropped=dropped)


async def read_frames(store: Store) -> list[str]:
    _, entries = await traces.read(store, *WHO, after="", limit=20_000)
    return [found.frame for _, found in entries]


async def test_trace_entries_are_read_in_the_order_in_which_they_were_stored(store: Store) -> None:
    trace = await start_trace(store)
    given = [
        entry(store, n, message=2, id=f"{n}", action="Heartbeat", faults=("x",), length=3) for n in range(7)
    ]
    assert await append(store, trace, given[:3], batch=1) == "recording"
    assert await append(store, trace, given[3:], batch=2) == "recording"
    _, first = await traces.read(store, *WHO, after="", limit=4)
    found, rest = await traces.read(store, *WHO, after=first[-1][0], limit=100)
    assert [one for _, one in first + rest] == given
    assert found is not None
    assert (found.id, found.frames, found.marks, found.ended) == (trace.id, 7, 0, None)


async def test_an_unknown_charge_point_has_no_trace(store: Store) -> None:
    assert await traces.start(store, *WHO, minutes=1, frames=1, size=1) is None
    assert await traces.get(store, *WHO) is None
    assert await traces.list_running(store, ["acme"]) == set()
    assert not await traces.stop(store, *WHO)


async def test_a_repeated_batch_of_trace_entries_is_not_appended_twice(store: Store) -> None:
    trace = await start_trace(store)
    for _ in range(3):
        assert await append(store, trace, [entry(store, 1)], batch=1, dropped=5) == "recording"
    assert await append(store, trace, [entry(store, 2)], writer="b/1", batch=1) == "recording"
    assert await read_frames(store) == ["[1]", "[2]"]
    found = await traces.get(store, *WHO)
    assert found is not None
    assert found.dropped == 5


async def test_a_trace_ends_when_it_has_its_maximum_number_of_entries(store: Store) -> None:
    trace = await start_trace(store, frames=5)
    marks = [entry(store, what="gap", frame=""), entry(store, 1, cut=True)]
    assert await append(store, trace, marks, batch=1) == "recording"
    assert await append(store, trace, [entry(store, n) for n in range(2, 9)], batch=2) == "full"
    assert await append(store, trace, [entry(store, 9)], batch=3) == "full"
    found = await traces.get(store, *WHO)
    assert found is not None
    assert (found.frames, found.marks, found.cut, found.ended) == (4, 1, 1, "size")
    assert await read_frames(store) == ["", "[1]", "[2]", "[3]", "[4]"]
    assert await traces.find_running(store, KEYS) is None
    assert await traces.list_running(store, ["acme"]) == set()
    assert await kinds(store) == ["registered", "trace.started", "trace.ended"]


async def test_a_trace_ends_when_it_has_its_maximum_size_in_bytes(store: Store) -> None:
    trace = await start_trace(store, size=5_000)
    big = [entry(store, frame="x" * 1000) for _ in range(9)]
    assert await append(store, trace, big, batch=1) == "full"
    found = await traces.get(store, *WHO)
    assert found is not None
    assert (found.frames, found.ended) == (4, "size")
    assert 4_000 < found.bytes <= 5_000


async def test_a_trace_ends_at_its_end_time_even_if_nothing_is_written_to_the_store(store: Store) -> None:
    trace = await start_trace(store, minutes=1)
    await append(store, trace, [entry(store, 1)], batch=1)
    past = store.server_time_ms() - 1000
    await store.execute("HSET", KEYS.trace, "until_ms", past)
    found = await traces.get(store, *WHO)
    assert found is not None
    assert (found.ended, found.ended_ms) == ("time", past)
    late = [entry(store, 2, at_ms=past), entry(store, 3, at_ms=past + 1)]
    assert await append(store, trace, late, batch=2) == "ended"
    assert await read_frames(store) == ["[1]", "[2]"]
    assert not await traces.stop(store, *WHO)


async def test_trace_entries_from_before_the_stop_of_a_trace_are_stored_and_later_entries_are_not(
    store: Store,
) -> None:
    trace = await start_trace(store)
    before = entry(store, 1, at_ms=store.server_time_ms() - 1000)  # Our estimate may be ahead of the clock.
    assert await traces.stop(store, *WHO)
    assert not await traces.stop(store, *WHO)
    after = entry(store, 2, at_ms=store.server_time_ms() + 1000)
    assert await append(store, trace, [before, after], batch=1) == "ended"
    assert await read_frames(store) == ["[1]"]
    found = await traces.get(store, *WHO)
    assert found is not None
    assert found.ended == "stopped"
    assert await traces.list_running(store, ["acme"]) == set()
    for key in (KEYS.trace, KEYS.trace_frames):
        assert 0 < await store.execute("PTTL", key) <= traces.KEPT_MS


async def test_a_new_trace_of_a_charge_point_replaces_the_previous_trace(store: Store) -> None:
    first = await start_trace(store)
    await append(store, first, [entry(store, 1)], batch=1)
    second = await start_trace(store, frames=7)
    assert second.id != first.id
    assert (second.frames, second.frames_max) == (0, 7)
    assert await append(store, first, [entry(store, 2)], batch=2) == "gone"
    assert await append(store, second, [entry(store, 3)], batch=1) == "recording"
    assert await read_frames(store) == ["[3]"]
    assert await store.execute("PTTL", KEYS.trace_frames) > traces.KEPT_MS


async def test_a_session_learns_of_its_trace_from_its_claim_or_a_message_or_the_list_of_running_traces(
    store: Store,
) -> None:
    node = nodes.new_incarnation()
    await nodes.beat(store, node, NodeRecord(kind="gateway", host="h", pid=1, started_ms=1))
    assert (await claimed(store, f"{node}/1")).trace is None
    trace = await start_trace(store)
    running = RunningTrace(trace.id, trace.until_ms)
    [(_, message)] = await inbox.read(store, node, "0", 100)
    assert message == inbox.TraceChanged(KEYS.member)
    assert await traces.find_running(store, KEYS) == running
    assert await traces.list_running(store, ["other", "acme"]) == {WHO}
    assert (await claimed(store, f"{node}/2")).trace == running
    await traces.stop(store, *WHO)
    assert len(await inbox.read(store, node, "0", 100)) == 2
    assert (await claimed(store, f"{node}/3")).trace is None


async def test_a_trace_is_deleted_when_its_charge_point_is_deleted(store: Store) -> None:
    trace = await start_trace(store)
    await append(store, trace, [entry(store, 1)], batch=1)
    assert await charge_points.delete(store, *WHO)
    assert await traces.get(store, *WHO) is None
    assert await append(store, trace, [entry(store, 2)], batch=2) == "gone"
    assert await store.execute("EXISTS", KEYS.trace, KEYS.trace_frames) == 0


async def test_a_tenant_can_have_at_most_100_running_traces(store: Store) -> None:
    until = store.server_time_ms() + 60_000
    for number in range(traces.RUNNING_MAX):
        await store.execute("ZADD", keys.traces("acme"), until, f"other-{number}")
    await charge_points.put(store, *WHO, Settings())
    refused = await traces.start(store, *WHO, minutes=1, frames=1, size=1000)
    assert isinstance(refused, TooMany)
    assert len(refused.charge_points) == traces.RUNNING_MAX
    await store.execute("ZADD", keys.traces("acme"), 1, "other-7")  # The time of this trace has passed.
    await start_trace(store)
    await start_trace(store)  # A new trace replaces the trace of the same charge point.


@pytest.mark.parametrize("over", [{"minutes": 61}, {"frames": 0}, {"size": traces.BYTES_MAX + 1}])
async def test_a_trace_with_settings_out_of_bounds_is_refused(store: Store, over: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="out of bounds"):
        await start_trace(store, **over)
