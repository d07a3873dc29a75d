"""A trace and its entries as the API shows them."""

import re
from typing import Annotated

import msgspec

from admin.http import convert
from state.paging import BadCursor
from state.traces import traces
from state.traces.traces import Direction, Mark, Trace, TraceEntry, Why

_CURSOR = re.compile(r"(?P<trace>[0-9a-f]{12})\.(?P<place>[0-9]{1,15}-[0-9]{1,9})")


class TraceSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How long and how much to record at most; whichever comes first ends the trace."""

    minutes: Annotated[int, msgspec.Meta(ge=1, le=traces.MINUTES_MAX)] = 10
    frames: Annotated[int, msgspec.Meta(ge=1, le=traces.FRAMES_MAX, description="Marks count too.")] = 2000
    bytes: Annotated[int, msgspec.Meta(ge=1024, le=traces.BYTES_MAX)] = traces.BYTES_MAX


class TraceAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A charge point's trace, running or ended."""

    id: Annotated[str, msgspec.Meta(examples=["0a1b2c3d4e5f"])]
    charge_point: str
    started_at: Annotated[str, msgspec.Meta(examples=["2026-01-01T12:00:00.000Z"])]
    until: Annotated[str, msgspec.Meta(description="When it ends at the latest.")]
    ended_at: str | None
    ended: Annotated[
        Why | None,
        msgspec.Meta(description="Why it ended; null: it is running."),
    ]
    limits: TraceSettings
    frames: Annotated[int, msgspec.Meta(description="Frames that are kept.")]
    marks: Annotated[int, msgspec.Meta(description="Entries that are no frames.")]
    cut: Annotated[int, msgspec.Meta(description="Frames that are kept in part.")]
    dropped: Annotated[int, msgspec.Meta(description="Frames that passed and could not be written.")]
    bytes: int


class FrameAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A frame as it passed, or a mark between the frames (then `direction` is null)."""

    id: Annotated[str, msgspec.Meta(description="Its place in the trace.", examples=["1767225600000-0"])]
    at: Annotated[
        str,
        msgspec.Meta(
            description="When it was read from the socket, or written to it.",
            examples=["2026-01-01T12:00:00.000Z"],
        ),
    ]
    direction: Annotated[Direction | None, msgspec.Meta(description="in: from the charge point; out: to it.")]
    mark: Annotated[
        Mark | None,
        msgspec.Meta(
            description="recording: the trace began while this connection stood. fault: of the transport; "
            "if it is a message's, that follows. gap: frames are missing."
        ),
    ]
    connection: Annotated[str, msgspec.Meta(description="Tells one connection's entries from another's.")]
    message_type: Annotated[
        int | None, msgspec.Meta(description="2: CALL, 3: CALLRESULT, 4: CALLERROR; null: not readable.")
    ]
    message_id: str | None
    action: Annotated[
        str | None, msgspec.Meta(description="Of an answer: that of its call.", examples=["Heartbeat"])
    ]
    frame: Annotated[
        str | None,
        msgspec.Meta(
            description="As it passed, but for secrets, which read ***.", examples=['[2,"7","Heartbeat",{}]']
        ),
    ]
    length: Annotated[int, msgspec.Meta(description="Bytes on the wire.")]
    cut: Annotated[bool, msgspec.Meta(description="The frame was longer than what is kept of one.")]
    faults: Annotated[
        tuple[str, ...],
        msgspec.Meta(description="What was wrong with it; of an answer: with what it answers."),
    ]
    note: Annotated[str, msgspec.Meta(description="Of a mark.", examples=["1000 Bye, by peer"])]


def encode_cursor(trace: str, place: str) -> str:
    return f"{trace}.{place}"


def decode_cursor(cursor: str) -> tuple[str, str]:
    """Read the trace and the place. Raises BadCursor."""
    match = _CURSOR.fullmatch(cursor)
    if match is None:
        raise BadCursor("This is no cursor of a trace")
    return match["trace"], match["place"]


def trace_answer(charge_point: str, trace: Trace) -> TraceAnswer:
    limits = TraceSettings(
        minutes=round((trace.until_ms - trace.started_ms) / 60_000),
        frames=trace.frames_max,
        bytes=trace.bytes_max,
    )
    return convert(trace, TraceAnswer, charge_point=charge_point, limits=limits)


def frame_answer(place: str, entry: TraceEntry) -> FrameAnswer:
    return convert(
        entry,
        FrameAnswer,
        id=place,
        message_type=entry.message,
        message_id=entry.id,
        frame=None if entry.mark else entry.frame,
    )
