"""A trace recorder with a real store. The frames are stored in order, masked and shortened, and their number
is bounded.
"""

import json
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, ClassVar, cast

import msgspec
import pytest
import trio
from hypothesis import given

from gateway.handlers.charge_point import SessionMemory
from gateway.node import Node
from gateway.service.frame_masking import FrameMasker
from gateway.session import trace
from gateway.session.link import Link
from gateway.session.trace import Recorder, _Passed
from gateway.websocket.close_codes import Closed
from gateway.websocket.connection import Connection
from state import charge_points
from state.charge_points import Settings
from state.keys import ChargePointKeys
from state.nodes.leases import Attachment, Lease
from state.record import RunningTrace
from state.store import Store
from state.traces import traces
from state.traces.traces import Trace, TraceEntry
from tests.support.headroom import pretend
from tests.support.secret_frames import frames, is_hidden
from tests.support.waiting import until

KEYS = ChargePointKeys("acme", "CP-1")
BYE = Closed(1000, "bye", "peer")


class Around:
    """A session with a link. Of its node, only the store and the nursery for background tasks are real."""

    def __init__(self, store: Any, nursery: trio.Nursery | None = None) -> None:
        self.store = store
        self._nursery = nursery
        attached = Attachment(address="192.0.2.7", tls="TLSv1.3 X", since_ms=1, node="node", token_id="t")
        node, connection = cast("Node", self), cast("Connection", None)
        self.link = Link(node, Lease(KEYS, "node/1", 1), attached, connection, SessionMemory(300, None))

    def see_through[*Args](self, work: Callable[[*Args], Awaitable[Any]], *args: *Args) -> None:
        assert self._nursery is not None
        self._nursery.start_soon(work, *args)

    def recorder(self, running: RunningTrace) -> Recorder:
        self.link.recorder = Recorder(self.link.node, self.link.lease, running)
        return self.link.recorder


@asynccontextmanager
async def around(store: Store) -> AsyncIterator[Around]:
    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            yield Around(store, nursery)


async def start_trace(store: Store, **over: int) -> RunningTrace:
    await charge_points.put(store, KEYS.tenant, KEYS.id, Settings())
    bounds = {"minutes": 10, "frames": 10_000, "size": traces.BYTES_MAX} | over
    found = await traces.start(
        store,
        KEYS.tenant,
        KEYS.id,
        minutes=bounds["minutes"],
        frames=bounds["frames"],
        size=bounds["size"],
    )
    assert isinstance(found, Trace)
    return RunningTrace(found.id, found.until_ms)


async def read_entries(store: Store) -> list[TraceEntry]:
    _, found = await traces.read(store, KEYS.tenant, KEYS.id, after="", limit=20_000)
    return [entry for _, entry in found]


async def has_entries(store: Store) -> bool:
    return bool(await read_entries(store))


def call(number: int, action: str = "Heartbeat") -> bytes:
    return json.dumps([2, f"{number}", action, {}]).encode()


def result(number: int) -> bytes:
    return json.dumps([3, f"{number}", {}]).encode()


@given(frames())
def test_a_trace_entry_contains_no_secret(made: tuple[bytes, str]) -> None:
    frame, _ = made
    recorder = Around(None).recorder(RunningTrace("x", 0))
    entry = trio.run(recorder._build_entry, _Passed("in", 1, frame, (), length=len(frame)))
    assert is_hidden(msgspec.json.encode(entry).decode())
    assert entry.length == len(frame)


async def test_trace_entries_have_the_order_of_the_frames_on_the_socket_and_each_answer_names_its_action(
    store: Store,
) -> None:
    running = await start_trace(store)
    async with around(store) as session:
        recorder = session.recorder(running)
        recorder.begin(session.link.attached, connected=True)
        recorder.record_received(call(1, "Authorize"), ["bad_time"])
        recorder.record_sent(call(1, "Reset"))  # Both ends may choose the same message id.
        recorder.record_received(result(1))
        recorder.record_sent(result(1), ["odd"])
        recorder.record_received(b'[4,"9","NotSupported","",{}]')
        recorder.record_fault("binary_frame")
        recorder.record_received(b"\xff nonsense")
        recorder.record_received(b'[3,"1"')
        await recorder.finish(BYE)
    found = await read_entries(store)
    assert [(one.what, one.message, one.id, one.action) for one in found] == [
        ("connected", None, None, None),
        ("in", 2, "1", "Authorize"),
        ("out", 2, "1", "Reset"),
        ("in", 3, "1", "Reset"),
        ("out", 3, "1", "Authorize"),
        ("in", 4, "9", None),
        ("fault", None, None, None),
        ("in", None, None, None),
        ("in", None, None, None),
        ("disconnected", None, None, None),
    ]
    assert (found[0].note, found[-1].note) == ("from 192.0.2.7, TLSv1.3 X", "1000 bye, by peer")
    assert (found[1].faults, found[4].faults) == (("bad_time",), ("odd",))
    assert (found[6].faults, found[6].note) == (("binary_frame",), "binary_frame")
    assert found[7].frame == r"\xff nonsense"


@pytest.mark.parametrize("length", [trace.SHOWN_MAX - 100, trace.SHOWN_MAX * 3])
async def test_a_long_frame_is_masked_and_then_cut(store: Store, length: int) -> None:
    secret = "y" * length
    frame = json.dumps([2, "1", "ChangeConfiguration", {"key": "AuthorizationKey", "value": secret}]).encode()
    long = json.dumps([2, "2", "DataTransfer", {"vendorId": "x", "data": "z" * length}]).encode()
    running = await start_trace(store)
    async with around(store) as session:
        recorder = session.recorder(running)
        recorder.record_received(frame)
        recorder.record_received(long)
        await recorder.finish(BYE)
    masked, cut, _ = await read_entries(store)
    assert json.loads(masked.frame)[3]["value"] == "***"
    assert (masked.cut, masked.length) == (False, len(frame))
    assert cut.frame == long.decode()[: trace.SHOWN_MAX]
    assert (cut.cut, cut.length) == (len(long) > trace.SHOWN_MAX, len(long))


@pytest.mark.parametrize("secret", ["", "S" * 150_000])
async def test_a_trace_shows_the_beginning_of_a_large_frame_and_its_whole_length(
    store: Store, secret: str
) -> None:
    """Masking may make the beginning short. The entry still says that the end of the frame is missing."""
    configuration = [{"key": "AuthorizationKey", "value": secret}, {"key": "x", "value": "z" * 100_000}]
    frame = json.dumps([2, "7", "DataTransfer", {"configurationKey": configuration}]).encode()
    running = await start_trace(store)
    async with around(store) as session:
        recorder = session.recorder(running)
        recorder.record_received(frame)
        await recorder.finish(BYE)
    entry, _ = await read_entries(store)
    assert (entry.cut, entry.length) == (True, len(frame))
    assert (entry.message, entry.id, entry.action) == (2, "7", "DataTransfer")
    assert entry.frame.startswith('[2, "7", "DataTransfer", {"configurationKey"')
    assert "SS" not in entry.frame


async def test_a_trace_shows_a_gap_in_place_of_frames_that_do_not_fit_in_its_queue(store: Store) -> None:
    """The queue overflows twice, first by the number of frames and then by their bytes.

    Frames that arrive when there is room again are recorded.
    """
    running = await start_trace(store)
    async with around(store) as session:
        recorder = session.recorder(running)
        for number in range(trace.QUEUED_MAX + 7):
            recorder.record_received(call(number))
        await recorder.finish(BYE)  # This frame is dropped as well.
        for _ in range(trace.QUEUED_BYTES_MAX // trace.MASKED_MAX + 1):
            recorder.record_received(b"x" * (trace.MASKED_MAX + 1))
        await recorder.finish(BYE)
        recorder.record_received(call(1))
        await recorder.finish(BYE)
    found = await read_entries(store)
    gaps = [(place, one.note) for place, one in enumerate(found) if one.what == "gap"]
    assert gaps == [
        (1000, "8 frames passed that could not be written"),
        (1017, "1 frames passed that could not be written"),
    ]
    assert [one.what for one in found[1018:]] == ["disconnected", "in", "disconnected"]
    kept = await traces.get(store, KEYS.tenant, KEYS.id)
    assert kept is not None
    assert (kept.frames, kept.marks, kept.dropped) == (1017, 4, 9)


async def test_a_trace_shows_a_gap_in_place_of_frames_that_passed_while_the_store_was_nearly_full(
    store: Store,
) -> None:
    running = await start_trace(store)
    async with around(store) as session:
        recorder = session.recorder(running)
        await pretend(store, "scarce")
        recorder.record_received(b'[2,"1","Heartbeat",{}]')
        await pretend(store, "low")
        recorder.record_received(b'[2,"2","Heartbeat",{}]')
        await recorder.finish(BYE)
    found = await read_entries(store)
    assert [(one.what, one.id) for one in found] == [("gap", None), ("in", "2"), ("disconnected", None)]


async def test_a_trace_ends_at_its_maximum_number_of_entries_and_at_its_end_time(store: Store) -> None:
    running = await start_trace(store, frames=10)
    async with around(store) as session:
        recorder = session.recorder(running)
        for number in range(500):
            recorder.record_received(call(number))
        await recorder.finish(BYE)
        assert recorder.stopped
        assert len(await read_entries(store)) == 10

        recorder = session.recorder(RunningTrace((await start_trace(store)).id, store.server_time_ms() - 1))
        recorder.record_received(call(1))
        assert recorder.stopped
        assert await read_entries(store) == []


class Watched(FrameMasker):
    """Records how many recorders mask at one moment, and in which threads."""

    now = most = 0
    threads: ClassVar[set[int]] = set()

    def mask(self, frame: bytes) -> str:
        Watched.now += 1
        Watched.most = max(Watched.most, Watched.now)
        Watched.threads.add(threading.get_ident())
        try:
            return super().mask(frame)
        finally:
            Watched.now -= 1


@pytest.mark.parametrize("size", [4_000, 60_000])
async def test_the_sessions_are_not_delayed_if_the_masking_of_a_frame_is_slow(size: int) -> None:
    """Masking runs outside the sessions' thread, and in one thread at a time."""
    frame = b'[2,"1","DataTransfer",{"data":"' + b"://" * (size // 3) + b'"}]'
    recorders = [Around(None).recorder(RunningTrace("x", 0)) for _ in range(6)]
    Watched.threads.clear()
    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            for recorder in recorders:
                recorder._masker = Watched()
                nursery.start_soon(recorder._build_entry, _Passed("in", 1, frame, ()))
    assert Watched.most == 1
    assert threading.get_ident() not in Watched.threads


async def test_a_session_records_frames_from_the_start_to_the_end_of_a_trace_and_at_no_other_time(
    store: Store,
) -> None:
    async with around(store) as session:
        link = session.link
        await link.follow_trace()
        assert link.recorder is None
        first = await start_trace(store)
        await link.follow_trace()
        recorder = link.recorder
        assert recorder is not None
        recorder.record_received(call(1))
        await link.follow_trace()
        assert link.recorder is recorder
        second = await start_trace(store)
        await link.follow_trace()
        assert link.recorder is not recorder
        assert (first.id, second.id) == (recorder.id, link.recorder and link.recorder.id)
        # The recorder writes in the background, and writes nothing any more once its trace has ended.
        await until(partial(has_entries, store))
        await traces.stop(store, KEYS.tenant, KEYS.id)
        await link.follow_trace()
        assert link.recorder is None
    assert [one.what for one in await read_entries(store)] == ["recording"]


async def test_a_recorder_that_failed_is_replaced_while_its_trace_is_running(store: Store) -> None:
    await start_trace(store)
    async with around(store) as session:
        await session.link.follow_trace()
        failed = session.link.recorder
        assert failed is not None
        failed.stopped = True
        await session.link.follow_trace()
        assert session.link.recorder is not None
        assert session.link.recorder is not failed
