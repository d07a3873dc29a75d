"""A recorder over a real store: what it is told arrives in order, masked, cut, and bounded."""

import json
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, ClassVar, cast

import msgspec
import pytest
import trio
from hypothesis import given

from gateway.service.frame_masking import FrameMasker
from gateway.session import trace
from gateway.session.session import Session
from gateway.session.trace import Recorder, _Passed
from gateway.websocket.close_codes import Closed
from state import charge_points
from state.charge_points import Settings
from state.keys import ChargePointKeys
from state.nodes.leases import Attachment, Lease
from state.record import RunningTrace
from state.store import Store
from state.traces import traces
from state.traces.traces import Trace, TraceEntry
from tests.gateway.service.test_frame_masking import frames, is_hidden

KEYS = ChargePointKeys("acme", "CP-1")
BYE = Closed(1000, "bye", "peer")


class Around:
    """What a recorder needs of its session and node."""

    def __init__(self, store: Any, nursery: trio.Nursery | None = None) -> None:
        self.node = self
        self.store = store
        self.lease = Lease(KEYS, "node/1", 1)
        self.attached = Attachment(
            address="192.0.2.7", tls="TLSv1.3 X", since_ms=1, node="node", token_id="t"
        )
        self.ended = trio.Event()
        self.trace: Recorder | None = None
        self._nursery = nursery

    def see_through[*Args](self, work: Callable[[*Args], Awaitable[Any]], *args: *Args) -> None:
        assert self._nursery is not None
        self._nursery.start_soon(work, *args)

    def recorder(self, running: RunningTrace) -> Recorder:
        self.trace = Recorder(cast("Session", self), running)
        return self.trace

    async def follow(self) -> None:
        await trace.follow(cast("Session", self))


@asynccontextmanager
async def around(store: Store) -> AsyncIterator[Around]:
    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            yield Around(store, nursery)


async def started(store: Store, **over: int) -> RunningTrace:
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


async def written(store: Store) -> list[TraceEntry]:
    _, found = await traces.read(store, KEYS.tenant, KEYS.id, after="", limit=20_000)
    return [entry for _, entry in found]


def call(number: int, action: str = "Heartbeat") -> bytes:
    return json.dumps([2, f"{number}", action, {}]).encode()


def result(number: int) -> bytes:
    return json.dumps([3, f"{number}", {}]).encode()


@given(frames())
def test_no_secret_is_in_an_entry(made: tuple[bytes, str]) -> None:
    frame, _ = made
    recorder = Around(None).recorder(RunningTrace("x", 0))
    entry = trio.run(recorder._entry, _Passed("in", 1, frame, ()))
    assert is_hidden(msgspec.json.encode(entry).decode())
    assert entry.length == len(frame)


async def test_the_order_of_the_socket_and_whose_answer_it_is(store: Store) -> None:
    running = await started(store)
    async with around(store) as session:
        recorder = session.recorder(running)
        recorder.begin(connected=True)
        recorder.received(call(1, "Authorize"), ["bad_time"])
        recorder.sent(call(1, "Reset"))  # Both sides may choose the same id.
        recorder.received(result(1))
        recorder.sent(result(1), ["odd"])
        recorder.received(b'[4,"9","NotSupported","",{}]')
        recorder.tolerated("binary_frame")
        recorder.received(b"\xff nonsense")
        recorder.received(b'[3,"1"')
        await recorder.finish(BYE)
    found = await written(store)
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


@pytest.mark.parametrize("length", [trace.SHOWN_MOST - 100, trace.SHOWN_MOST * 3])
async def test_a_long_frame_is_masked_and_then_cut(store: Store, length: int) -> None:
    secret = "y" * length
    frame = json.dumps([2, "1", "ChangeConfiguration", {"key": "AuthorizationKey", "value": secret}]).encode()
    long = json.dumps([2, "2", "DataTransfer", {"vendorId": "x", "data": "z" * length}]).encode()
    running = await started(store)
    async with around(store) as session:
        recorder = session.recorder(running)
        recorder.received(frame)
        recorder.received(long)
        await recorder.finish(BYE)
    masked, cut, _ = await written(store)
    assert json.loads(masked.frame)[3]["value"] == "***"
    assert (masked.cut, masked.length) == (False, len(frame))
    assert cut.frame == long.decode()[: trace.SHOWN_MOST]
    assert (cut.cut, cut.length) == (len(long) > trace.SHOWN_MOST, len(long))


async def test_what_there_is_no_room_for_is_a_gap(store: Store) -> None:
    """More at once than the queue holds, by number and by bytes; what follows is recorded again."""
    running = await started(store)
    async with around(store) as session:
        recorder = session.recorder(running)
        for number in range(trace.QUEUED_MOST + 7):
            recorder.received(call(number))
        await recorder.finish(BYE)  # Dropped as well.
        recorder.received(b"x" * (trace.QUEUED_BYTES_MOST + 1))
        recorder.received(call(1))
        await recorder.finish(BYE)
    found = await written(store)
    gaps = [(place, one.note) for place, one in enumerate(found) if one.what == "gap"]
    assert gaps == [
        (1000, "8 frames passed that could not be written"),
        (1001, "1 frames passed that could not be written"),
    ]
    assert [one.what for one in found[1002:]] == ["in", "disconnected"]
    kept = await traces.get(store, KEYS.tenant, KEYS.id)
    assert kept is not None
    assert (kept.frames, kept.marks, kept.dropped) == (1001, 3, 9)


async def test_it_ends_by_size_and_by_time(store: Store) -> None:
    running = await started(store, frames=10)
    async with around(store) as session:
        recorder = session.recorder(running)
        for number in range(500):
            recorder.received(call(number))
        await recorder.finish(BYE)
        assert session.trace is None
        assert len(await written(store)) == 10

        recorder = session.recorder(RunningTrace((await started(store)).id, store.server_time_ms() - 1))
        recorder.received(call(1))
        assert session.trace is None
        assert await written(store) == []


class Watched(FrameMasker):
    """How many of them mask at this moment, and in which threads."""

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
async def test_frames_that_take_long_to_mask_do_not_hold_up_the_sessions(size: int) -> None:
    """Not in the sessions' thread, and never in several that all want the interpreter."""
    frame = b'[2,"1","DataTransfer",{"data":"' + b"://" * (size // 3) + b'"}]'
    recorders = [Around(None).recorder(RunningTrace("x", 0)) for _ in range(6)]
    Watched.threads.clear()
    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            for recorder in recorders:
                recorder._masker = Watched()
                nursery.start_soon(recorder._entry, _Passed("in", 1, frame, ()))
    assert Watched.most == 1
    assert threading.get_ident() not in Watched.threads


async def test_a_session_follows_what_runs(store: Store) -> None:
    async with around(store) as session:
        await session.follow()
        assert session.trace is None
        first = await started(store)
        await session.follow()
        recorder = session.trace
        assert recorder is not None
        recorder.received(call(1))
        await session.follow()
        assert session.trace is recorder
        second = await started(store)
        await session.follow()
        assert session.trace is not recorder
        assert (first.id, second.id) == (recorder.id, session.trace and session.trace.id)
        await traces.stop(store, KEYS.tenant, KEYS.id)
        await session.follow()
        assert session.trace is None
    assert [one.what for one in await written(store)] == ["recording"]
