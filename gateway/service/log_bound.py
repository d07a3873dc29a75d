"""A bound on the number of log lines, so that a fleet cannot flood the log.

The lines of each event are bounded by themselves. So a flood of one event hides no other event.
"""

import logging
from collections import Counter
from typing import Any

import structlog
import trio

_log = structlog.get_logger()

LINES_PER_SECOND = 20
OTHER_BOUNDS = {
    # One line for each request is what an access log is for.
    "request.answered": 200,
    # Every fact is needed after a restore, and gateway/fact_log.py writes 50 on a line. No process can store
    # as many facts as this bound allows.
    "facts.acknowledged": 2000,
    # gateway/refusal_log.py bounds these lines by the minute and by address.
    "handshake.refused": 120,
}
"""Lines per second of the events with a bound of their own."""

_lines: Counter[str] | None = None
"""Lines of this second, by event. None while nothing would report the lines that are left out."""


async def report() -> None:
    """Bound the lines until cancelled. Each second, log how many lines were left out."""
    global _lines  # noqa: PLW0603  A process has one log.
    try:
        while True:
            lines = _lines = Counter()
            await trio.sleep(1)
            left_out = {event: count - _bound(event) for event, count in lines.items()}
            if more := {event: count for event, count in left_out.items() if count > 0}:
                _log.warning("lines.left_out", lines=more)
    finally:
        _lines = None


def leave_out(_logger: Any, _method: str, line: Any) -> Any:
    """Drop a line that is more than its event may have in this second. A processor of structlog."""
    if _has_room(line["event"]):
        return line
    raise structlog.DropEvent


def leave_out_record(record: logging.LogRecord) -> bool:
    """Like `leave_out`, for the lines of other libraries. The lines of one logger count as one event."""
    return _has_room(record.name)


def _has_room(event: str) -> bool:
    if _lines is None:
        return True
    _lines[event] += 1
    return _lines[event] <= _bound(event)


def _bound(event: str) -> int:
    return OTHER_BOUNDS.get(event, LINES_PER_SECOND)
