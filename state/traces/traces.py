"""Traces: the frames of one charge point as they passed, for a bounded time and size.

A charge point has one trace at most; a new one takes its place. Whichever gateway holds the charge point
appends to it, and what it appends is masked already. Kept for 24 h after its end.
"""

import secrets
from collections.abc import Sequence
from typing import Literal, NamedTuple

import msgspec
from msgspec import structs

from state import compact, holds
from state import keys as key_names
from state.keys import ChargePointKeys
from state.nodes import inbox
from state.record import RunningTrace, read_running_trace
from state.store import Store

MINUTES_MAX = 60
FRAMES_MAX = 10_000
BYTES_MAX = 10 << 20
"""Of what is kept, before compression."""
KEPT_MS = 24 * 3600 * 1000
RUNNING_MAX = 100
"""Traces of a tenant at once."""
_SLOT_MARGIN_MS = 5_000


type Why = Literal["time", "size", "stopped"]
type Direction = Literal["in", "out"]
type Mark = Literal["connected", "disconnected", "recording", "fault", "gap"]
type Appended = Literal["recording", "ended", "full", "gone"]


class TraceEntry(msgspec.Struct, frozen=True, array_like=True):
    """A frame (`in`: received, `out`: sent), or a mark: anything else that `what` says.

    `connection` tells one socket's entries from another's. `frame`: masked, and `cut` after some length;
    `length`: bytes on the wire. `message`, `id` and `action` as far as they could be read; an answer's action
    is its call's. `faults`: what was wrong with the frame, for `out` with the one it answers. `note`: of a
    mark.
    """

    what: Direction | Mark
    at_ms: int
    connection: str
    frame: str = ""
    length: int = 0
    cut: bool = False
    message: int | None = None
    id: str | None = None
    action: str | None = None
    faults: tuple[str, ...] = ()
    note: str = ""

    @property
    def direction(self) -> Direction | None:
        return self.what if self.what in ("in", "out") else None

    @property
    def mark(self) -> Mark | None:
        match self.what:
            case "in" | "out":
                return None
            case _:
                return self.what


class Trace(msgspec.Struct, frozen=True, kw_only=True):
    """`whole` and `cut`: the frames that are kept. `marks`: entries that are not frames.

    `dropped`: frames that passed and are not here, because the gateway could not write fast enough.
    The names on the right are those of the stored hash.
    """

    id: str
    started_ms: int
    until_ms: int
    frames_max: int = msgspec.field(name="frames_most")
    bytes_max: int = msgspec.field(name="bytes_most")
    whole: int = msgspec.field(name="frame", default=0)
    cut: int = 0
    marks: int = msgspec.field(name="mark", default=0)
    dropped: int = 0
    bytes: int = 0
    ended: Why | None = None
    ended_ms: int | None = None

    @property
    def frames(self) -> int:
        return self.whole + self.cut


_FIELDS = Trace.__struct_encode_fields__


class TooMany(NamedTuple):
    """The tenant has as many traces as it may: of these charge points."""

    charge_points: list[str]


async def start(
    store: Store, tenant: str, charge_point: str, *, minutes: int, frames: int, size: int
) -> Trace | TooMany | None:
    """Start a trace in place of the one before, and wake the session; `size` in bytes.

    None: there is no such charge point. Raises ValueError beyond the bounds of this module.
    """
    if not (1 <= minutes <= MINUTES_MAX and 1 <= frames <= FRAMES_MAX and 1 <= size <= BYTES_MAX):
        raise ValueError(f"a trace of {minutes} min, {frames} frames and {size} bytes is out of bounds")
    keys, lasts_ms = ChargePointKeys(tenant, charge_point), minutes * 60_000
    running = key_names.traces(tenant)
    until_ms = store.server_time_ms() + lasts_ms + _SLOT_MARGIN_MS
    if not await holds.take(store, running, charge_point, RUNNING_MAX, until_ms):
        return TooMany([member.decode() for member in await store.execute("ZRANGE", running, 0, -1)])
    id_ = secrets.token_hex(6)
    word, *node = await store.step(
        "traces/start",
        (keys.record, keys.trace, keys.trace_frames, keys.events, keys.lease),
        (id_, lasts_ms, frames, size, KEPT_MS, keys.member),
    )
    found = await get(store, tenant, charge_point) if word == b"started" else None
    if found is None:
        await store.execute("ZREM", running, charge_point)
    else:
        await _wake(store, keys, node[0])
    return found


async def stop(store: Store, tenant: str, charge_point: str) -> bool:
    """End a trace before its time, and wake the session. False: none is running."""
    keys = ChargePointKeys(tenant, charge_point)
    word, *node = await store.step(
        "traces/end",
        (keys.record, keys.trace, keys.trace_frames, keys.events, keys.lease),
        (KEPT_MS, keys.member),
    )
    await store.execute("ZREM", key_names.traces(tenant), charge_point)
    if word == b"ended":
        await _wake(store, keys, node[0])
    return bool(word == b"ended")


async def get(store: Store, tenant: str, charge_point: str) -> Trace | None:
    """None: there was none, or it is no longer kept."""
    keys = ChargePointKeys(tenant, charge_point)
    return _read_trace(store, await store.execute("HMGET", keys.trace, *_FIELDS))


async def read(
    store: Store, tenant: str, charge_point: str, *, after: str, limit: int
) -> tuple[Trace | None, list[tuple[str, TraceEntry]]]:
    """Read a trace and up to `limit` of its entries behind the place `after` ("": from the start).

    Each comes with its place, `<milliseconds>-<number>`, which grows in the order of the entries.
    """
    keys = ChargePointKeys(tenant, charge_point)
    behind = f"({after}" if after else "-"
    # In this order: if the trace is still the one that was meant, then the entries are its own.
    entries, of_trace = await store.pipeline(
        [
            ("XRANGE", keys.trace_frames, behind, "+", "COUNT", limit),
            ("HMGET", keys.trace, *_FIELDS),
        ]
    )
    return _read_trace(store, of_trace), [(place.decode(), _unpack(pairs[1])) for place, pairs in entries]


async def find_running(store: Store, keys: ChargePointKeys) -> RunningTrace | None:
    """Find what a session must record, if anything."""
    found = await store.execute("HGET", keys.record, "trace")
    return read_running_trace(None if found is None else found.decode())


async def list_running(store: Store, tenants: Sequence[str]) -> set[tuple[str, str]]:
    """List the charge points, with their tenant, of which a trace may be running."""
    now = store.server_time_ms()
    replies = await store.pipeline(
        [("ZRANGE", key_names.traces(tenant), now, "+inf", "BYSCORE") for tenant in tenants]
    )
    return {
        (tenant, charge_point.decode())
        for tenant, of_one in zip(tenants, replies, strict=True)
        for charge_point in of_one
    }


async def append(
    store: Store,
    keys: ChargePointKeys,
    trace: str,
    entries: Sequence[TraceEntry],
    *,
    writer: str,
    batch: int,
    dropped: int = 0,
) -> Appended:
    """Append to a trace, once however often it is asked: a writer counts its batches up from 1.

    `dropped`: frames that were not recorded since the batch before. `ended`: what happens from now on is
    not wanted; `full` and `gone`: nothing is.
    """
    packed = [argument for entry in entries for argument in _pack(entry)]
    [word] = await store.step(
        "traces/append",
        (keys.record, keys.trace, keys.trace_frames, keys.events),
        (trace, writer, batch, dropped, KEPT_MS, keys.member, *packed),
    )
    if word == b"full":
        await store.execute("ZREM", key_names.traces(keys.tenant), keys.id)
    appended: Appended = msgspec.convert(word.decode(), Appended)
    return appended


def _read_trace(store: Store, values: Sequence[bytes | None]) -> Trace | None:
    found = {name: value.decode() for name, value in zip(_FIELDS, values, strict=True) if value is not None}
    if "id" not in found:
        return None
    trace = msgspec.convert(found, Trace, strict=False)
    if trace.ended is None and store.server_time_ms() > trace.until_ms:
        return structs.replace(trace, ended="time", ended_ms=trace.until_ms)
    return trace


def _pack(entry: TraceEntry) -> tuple[int, int, str, bytes]:
    packed = msgspec.msgpack.encode(entry)
    kind = "mark" if entry.mark else "cut" if entry.cut else "frame"
    return entry.at_ms, len(packed), kind, compact.pack(packed)


def _unpack(stored: bytes) -> TraceEntry:
    return msgspec.msgpack.decode(compact.unpack(stored), type=TraceEntry)


async def _wake(store: Store, keys: ChargePointKeys, node: bytes) -> None:
    if node:
        await inbox.wake(store, node.decode(), inbox.TraceChanged(keys.member))
