"""A trace and its entries as the API shows them."""

import re
from typing import Annotated

import msgspec

from admin.http import convert
from admin.http.times import Time
from admin.routes.members import ChargePointName
from state.paging import BadCursor
from state.traces import traces
from state.traces.traces import Direction, Mark, Trace, TraceEntry, Why

_CURSOR = re.compile(r"(?P<trace>[0-9a-f]{12})\.(?P<place>[0-9]{1,15}-[0-9]{1,9})")


class TraceSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Limits of a trace. The limit that is reached first ends the trace."""

    minutes: Annotated[
        int,
        msgspec.Meta(
            ge=1, le=traces.MINUTES_MAX, description="Greatest number of minutes that the trace may last."
        ),
    ] = 10
    frames: Annotated[
        int,
        msgspec.Meta(
            ge=1,
            le=traces.FRAMES_MAX,
            description="Greatest number of frames and marks that the trace may record.",
        ),
    ] = 2000
    bytes: Annotated[
        int,
        msgspec.Meta(
            ge=1024,
            le=traces.BYTES_MAX,
            description="Greatest number of bytes that the trace may record, counted before compression.",
        ),
    ] = traces.BYTES_MAX


class TraceAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The trace of a charge point, running or ended."""

    id: Annotated[str, msgspec.Meta(description="Id of the trace.", examples=["0a1b2c3d4e5f"])]
    charge_point: ChargePointName
    started_at: Annotated[Time, msgspec.Meta(description="When the trace was started.")]
    until: Annotated[
        Time, msgspec.Meta(description="Time at which the trace ends if no other limit ends it earlier.")
    ]
    ended_at: Annotated[
        Time | None, msgspec.Meta(description="When the trace ended. null means that the trace is running.")
    ]
    ended: Annotated[
        Why | None,
        msgspec.Meta(
            description="Why the trace ended: `time` (the limit of minutes was reached), `size` (the limit "
            "of frames or bytes was reached) or `stopped` (an operator stopped the trace). null means that "
            "the trace is running."
        ),
    ]
    limits: Annotated[TraceSettings, msgspec.Meta(description="The limits with which the trace was started.")]
    frames: Annotated[
        int, msgspec.Meta(description="How many frames are kept, whether complete or only in part.")
    ]
    marks: Annotated[
        int, msgspec.Meta(description="How many marks the trace has. Marks are entries that are not frames.")
    ]
    cut: Annotated[int, msgspec.Meta(description="How many frames are kept only in part.")]
    dropped: Annotated[
        int,
        msgspec.Meta(
            description="How many frames are missing because the gateway could not write them fast enough."
        ),
    ]
    bytes: Annotated[int, msgspec.Meta(description="How many bytes are kept, before compression.")]


class FrameAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of a trace: a frame as it was on the wire, or a mark between frames."""

    id: Annotated[
        str, msgspec.Meta(description="Place of the entry in the trace.", examples=["1767225600000-0"])
    ]
    at: Annotated[
        Time,
        msgspec.Meta(description="When the frame was read from the socket or written to it."),
    ]
    direction: Annotated[
        Direction | None,
        msgspec.Meta(
            description="`in` means that the frame came from the charge point. `out` means that csms sent "
            "the frame to the charge point. null means that the entry is a mark."
        ),
    ]
    mark: Annotated[
        Mark | None,
        msgspec.Meta(
            description="`connected` means that a connection began. `disconnected` means that a connection "
            "ended. `recording` means that the trace began during this connection. `fault` means that there "
            "was a fault of the transport; if a message caused the fault, the message is the next entry. "
            "`gap` means that frames are missing. null means that the entry is a frame."
        ),
    ]
    connection: Annotated[
        str, msgspec.Meta(description="Id of the connection. All entries of one connection have the same id.")
    ]
    message_type: Annotated[
        int | None,
        msgspec.Meta(
            description="Type of the OCPP message: 2 (CALL), 3 (CALLRESULT) or 4 (CALLERROR). null means "
            "that the entry is a mark, or a frame that cannot be read.",
            examples=[2],
        ),
    ]
    message_id: Annotated[
        str | None,
        msgspec.Meta(
            description="Id of the OCPP message. null means that the entry is a mark, or a frame that cannot "
            "be read.",
            examples=["7"],
        ),
    ]
    action: Annotated[
        str | None,
        msgspec.Meta(
            description="OCPP action of the message. An answer has the action of the call that it answers. "
            "null means that the entry is a mark, or that the action is not known.",
            examples=["Heartbeat"],
        ),
    ]
    frame: Annotated[
        str | None,
        msgspec.Meta(
            description="The frame as it was on the wire, but with *** in place of secrets. null means that "
            "the entry is a mark.",
            examples=['[2,"7","Heartbeat",{}]'],
        ),
    ]
    length: Annotated[int, msgspec.Meta(description="Length of the frame on the wire, in bytes.")]
    cut: Annotated[
        bool, msgspec.Meta(description="Whether the frame was too long, so that only its beginning is kept.")
    ]
    faults: Annotated[
        tuple[str, ...],
        msgspec.Meta(
            description="Names of the faults in the frame. For an answer of csms, the names are those of the "
            "faults in the call that csms answers."
        ),
    ]
    note: Annotated[
        str,
        msgspec.Meta(
            description="Details of a mark. The text is empty if the entry is a frame.",
            examples=["1000 Bye, by peer"],
        ),
    ]


def encode_cursor(trace: str, place: str) -> str:
    return f"{trace}.{place}"


def decode_cursor(cursor: str) -> tuple[str, str]:
    """Return the id of the trace and the position in it that a cursor names. Raises BadCursor."""
    match = _CURSOR.fullmatch(cursor)
    if match is None:
        raise BadCursor("The cursor is not a cursor of a trace; omit it to start at the first entry")
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
