"""Traces. A trace records the frames of one charge point, for a bounded time and up to a bounded size.

A charge point has at most one trace, and a new trace replaces it. The gateway that has the charge point's
session masks the secrets in each entry before it appends the entry. A trace is kept for 24 h after its end.
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
"""Greatest size in bytes of all entries of a trace, before compression."""
KEPT_MS = 24 * 3600 * 1000
RUNNING_MAX = 100
"""Greatest number of traces of one tenant that may run at the same time."""
_SLOT_MARGIN_MS = 5_000


type Why = Literal["time", "size", "stopped"]
type Direction = Literal["in", "out"]
type Mark = Literal["connected", "disconnected", "recording", "fault", "gap"]
type Appended = Literal["recording", "ended", "full", "gone"]


class TraceEntry(msgspec.Struct, frozen=True, array_like=True):
    """An entry of a trace: a frame, or a mark that notes another event, such as a disconnection.

    `what` is `in` for a received frame, `out` for a sent frame, or the name of the mark. `connection` is the
    same for all entries of one socket. `frame` is masked. `cut` means that only the beginning of the frame is
    kept, and `length` is the frame's length on the wire, in bytes.
    `message`, `id` and `action` are None if they could not be read in the frame. The action of an answer is
    the action of its call. `faults` names the faults of the frame; a sent frame has the faults of the frame
    that it answers. `note` explains a mark.
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
    """A trace without its entries.

    `whole` counts the kept frames that are complete, `cut` the kept frames that were cut, and `marks` the
    other entries. `dropped` counts the frames that were sent or received but are missing in the trace,
    because the gateway could not write fast enough. If a `field` has a `name`, that is its name in the stored
    hash.
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
    """The tenant already has the greatest number of running traces.

    `charge_points` are the charge points of these traces.
    """

    charge_points: list[str]


async def start(
    store: Store, tenant: str, charge_point: str, *, minutes: int, frames: int, size: int
) -> Trace | TooMany | None:
    """Start a trace in place of the previous trace, and wake the charge point's session. `size` is in bytes.

    Returns None if there is no such charge point, and TooMany if the tenant already has RUNNING_MAX traces.
    Raises ValueError if an argument is beyond the bounds of this module.
    """
    if not (1 <= minutes <= MINUTES_MAX and 1 <= frames <= FRAMES_MAX and 1 <= size <= BYTES_MAX):
        raise ValueError(
            f"a trace of {minutes} min, {frames} frames and {size} bytes is out of bounds; it may have"
            f" 1 to {MINUTES_MAX} min, 1 to {FRAMES_MAX} frames and 1 to {BYTES_MAX} bytes"
        )
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
    """End a trace before its time, and wake the charge point's session.

    Returns False if no trace is running.
    """
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
    """Return the trace, or None if the charge point had no trace or the trace is no longer kept."""
    keys = ChargePointKeys(tenant, charge_point)
    return _read_trace(store, await store.execute("HMGET", keys.trace, *_FIELDS))


async def read(
    store: Store, tenant: str, charge_point: str, *, after: str, limit: int
) -> tuple[Trace | None, list[tuple[str, TraceEntry]]]:
    """Return a trace and up to `limit` of its entries after the place `after`.

    An empty `after` is the place before the first entry. Each entry comes with its place,
    `<milliseconds>-<number>`. Places grow in the order of the entries.
    """
    keys = ChargePointKeys(tenant, charge_point)
    behind = f"({after}" if after else "-"
    # The trace is read after the entries. If the trace is the trace that the caller wanted, the entries
    # belong to it too.
    entries, of_trace = await store.pipeline(
        [
            ("XRANGE", keys.trace_frames, behind, "+", "COUNT", limit),
            ("HMGET", keys.trace, *_FIELDS),
        ]
    )
    return _read_trace(store, of_trace), [(place.decode(), _unpack(pairs[1])) for place, pairs in entries]


async def find_running(store: Store, keys: ChargePointKeys) -> RunningTrace | None:
    """Return the trace that a session must record, or None."""
    found = await store.execute("HGET", keys.record, "trace")
    return read_running_trace(None if found is None else found.decode())


async def list_running(store: Store, tenants: Sequence[str]) -> set[tuple[str, str]]:
    """Return each charge point that may have a running trace, together with its tenant."""
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
    """Append a batch of entries to a trace. A writer numbers its batches from 1.

    A repeated batch changes nothing. `dropped` counts the frames that were not recorded since the previous
    batch. The outcome `recording` means that the trace goes on. The outcome `ended` means that only entries
    from before the end of the trace are still accepted. The outcomes `full` and `gone` mean that no more
    entries are accepted.
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
