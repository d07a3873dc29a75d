"""Times as charge points write them, to Unix milliseconds UTC, and back."""

import re
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from gateway.ocpp16.faults.table import FaultName

_STRICT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d+)?(?:Z|[+-]\d{2}:\d{2})", re.ASCII)
_READABLE = re.compile(
    r"(?P<date>\d{4}-\d{2}-\d{2})[Tt ](?P<minute>\d{2}:\d{2})(?P<second>:\d{2})?"
    r"(?:[.,](?P<fraction>\d+))?\s?(?P<zone>[Zz]|[+-]\d{2}(?::?\d{2})?)?",
    re.ASCII,
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
EARLIEST: Final = "2015"
"""OCPP 1.6 is of that year: a clock that says less was not set. As text it may be compared with times."""
_EARLIEST_MS: Final = 1_420_070_400_000  # 2015-01-01
AHEAD_MS: Final = 300_000
"""Clocks are set by our answers: one further ahead than this is wrong, or says UTC of local time."""
_DAY_MS: Final = 86_400_000
_MILLISECOND: Final = timedelta(milliseconds=1)
_USUAL_LENGTHS: Final = frozenset({20, 24})


class Parsed(NamedTuple):
    """`ms` is None if nothing could be made of the text; `faults` are to be counted."""

    ms: int | None
    faults: tuple[FaultName, ...]


def is_strict(text: str) -> bool:
    """RFC 3339 with a zone, and a date that exists."""
    return _STRICT.fullmatch(text) is not None and parse(text).ms is not None


def parse(text: str) -> Parsed:
    """Epoch milliseconds, fractions below cut off; never raises.

    No zone means UTC (`time_no_zone`); offsets without minutes or colon, seconds left out,
    lower-case letters, a space for the T and a comma for the point are `time_format`; whatever
    cannot be read is `time_unreadable` and the caller's receipt time stands in.
    """
    match = _READABLE.fullmatch(text) if len(text) <= 50 else None
    if match is None:
        return Parsed(None, ("time_unreadable",))
    date, minute, second, fraction, zone = match.groups()
    faults: list[FaultName] = []
    if zone is None:
        faults.append("time_no_zone")
        zone, text = "Z", text + "Z"
    if not _STRICT.fullmatch(text):
        faults.append("time_format")
    if second == ":60":  # A leap second is the next one's start.
        second, leap = ":59", 1
    else:
        leap = 0
    try:
        at = datetime.fromisoformat(f"{date}T{minute}{second or ':00'}{zone.upper()}") + timedelta(
            seconds=leap
        )
        since = at - _EPOCH
    except (ValueError, OverflowError):
        return Parsed(None, ("time_unreadable",))
    return Parsed(since // _MILLISECOND + int((fraction or "0").ljust(3, "0")[:3]), tuple(faults))


def format_ms(ms: int) -> str:
    """2026-01-31T12:00:00.000Z; raises OverflowError beyond the years 1 to 9999."""
    return (_EPOCH + timedelta(milliseconds=ms)).isoformat(timespec="milliseconds")[:-6] + "Z"


def is_usual(text: str) -> bool:
    """Whether it looks like nearly all times: UTC to the second or millisecond, since 2015. Cheap."""
    return text[-1:] == "Z" and len(text) in _USUAL_LENGTHS and text[10] == "T" and text > EARLIEST


def find_fault(ms: int, received_ms: int) -> FaultName | None:
    """Name what is wrong with a time that can be read; a past one may be of one who was offline."""
    if ms < _EARLIEST_MS:
        return "time_before_2015"
    return "time_ahead" if ms > received_ms + AHEAD_MS else None


def is_plausible(ms: int, now_ms: int) -> bool:
    """Neither before 2015 nor more than a day ahead: a clock that was set."""
    return _EARLIEST_MS <= ms <= now_ms + _DAY_MS


def parse_ms(text: str | None) -> int | None:
    """Epoch milliseconds; None for a time that is absent or cannot be read."""
    return None if text is None else parse(text).ms


def is_over(text: str | None, now_ms: int) -> bool:
    """Whether this time has come; never, if there is none or nothing can be made of it."""
    ms = parse_ms(text)
    return ms is not None and ms <= now_ms
