"""Convert the times that charge points write to Unix milliseconds, and Unix milliseconds to text in UTC."""

import re
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from gateway.ocpp16.faults.table import FaultName

_STRICT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d+)?(?:Z|[+-]\d{2}:\d{2})", re.ASCII)
_USUAL = re.compile(r"\d{4}-\d{2}-\d{2}T(?!24)\d{2}:\d{2}:\d{2}(?:\.\d{3})?Z", re.ASCII)
_READABLE = re.compile(
    r"(?P<date>\d{4}-\d{2}-\d{2})[Tt ](?P<minute>\d{2}:\d{2})(?P<second>:\d{2})?"
    r"(?:[.,](?P<fraction>\d+))?\s?(?P<zone>[Zz]|[+-]\d{2}(?::?\d{2})?)?",
    re.ASCII,
)
# The meaning of these spellings is clear too, but few charge points use them.
_REWRITTEN: Final = tuple(
    (re.compile(pattern, re.ASCII), readable)
    for pattern, readable in (
        (r"^[ \t\r\n\x00]+|[ \t\r\n\x00]+$", ""),
        (r"^(\d{4})(\d\d)(\d\d)[Tt](\d\d)(\d\d)(\d\d)", r"\1-\2-\3T\4:\5:\6"),
        (r"\s?(?:UTC|GMT|[+-]00:?00[Zz])$", "Z"),
        (r"[.,](?=[Zz]?$)", ""),
        (r"(?<=[-Tt :])\d(?=[-Tt :.,Zz+]|$)", r"0\g<0>"),
    )
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
EARLIEST: Final = "2015"
"""The first plausible year is 2015, in which OCPP 1.6 was published.

If a time is earlier, the clock of the charge point was not set.

The year is text, so that it can be compared with the text of a time.
"""
_EARLIEST_MS: Final = 1_420_070_400_000  # 2015-01-01
AHEAD_MS: Final = 300_000
"""Milliseconds by which the time of a charge point may be ahead of our time.

Charge points set their clocks from our answers. If a time is further ahead, the clock is wrong, or the charge
point sends local time as UTC.
"""
_DAY_MS: Final = 86_400_000
_MILLISECOND: Final = timedelta(milliseconds=1)
_USUAL_LENGTHS: Final = frozenset({20, 24})


class Parsed(NamedTuple):
    """A time that was parsed.

    `ms` None means that the text could not be read. `faults` are the faults of the text.
    """

    ms: int | None
    faults: tuple[FaultName, ...]


def is_strict(text: str) -> bool:
    """Return whether the text is a time of RFC 3339, with a zone and a date that exists."""
    return _STRICT.fullmatch(text) is not None and not parse(text).faults


def parse(text: str) -> Parsed:
    """Return the whole Unix milliseconds of a time, and the faults of its text. Never raises.

    The fault `time_no_zone` means that the time has no zone and is read as UTC. The fault `time_format` means
    that the form is not that of RFC 3339, but the meaning is clear. For example, the offset has no colon, the
    seconds are absent, a comma replaces the point, or the hour is 24:00. The fault
    `time_unreadable` means that the text cannot be read and that the caller uses the time of receipt.
    """
    if _USUAL.fullmatch(text):
        try:
            return Parsed((datetime.fromisoformat(text) - _EPOCH) // _MILLISECOND, ())
        except ValueError:
            pass  # Such as a leap second, which is read below.
    match = _READABLE.fullmatch(text) if len(text) <= 50 else None
    if match is None:
        return _parse_rewritten(text)
    date, minute, second, fraction, zone = match.groups()
    faults: list[FaultName] = []
    if zone is None:
        faults.append("time_no_zone")
        zone, text = "Z", text + "Z"
    if not _STRICT.fullmatch(text):
        faults.append("time_format")
    if second == ":60":  # A leap second counts as the first second of the next minute.
        second, leap = ":59", 1
    else:
        leap = 0
    try:
        at = datetime.fromisoformat(f"{date}T{minute}{second or ':00'}{zone.upper()}") + timedelta(
            seconds=leap
        )
        since = at - _EPOCH
    except (ValueError, OverflowError):
        return _parse_end_of_day(text, faults)
    return Parsed(since // _MILLISECOND + int((fraction or "0").ljust(3, "0")[:3]), tuple(faults))


def _parse_rewritten(text: str) -> Parsed:
    """Parse a text that is not readable as it is."""
    if len(text) > 100:
        return Parsed(None, ("time_unreadable",))
    rewritten = text
    for pattern, readable in _REWRITTEN:
        rewritten = pattern.sub(readable, rewritten)
    if rewritten == text or len(rewritten) > 50 or not _READABLE.fullmatch(rewritten):
        return Parsed(None, ("time_unreadable",))
    ms, faults = parse(rewritten)
    return Parsed(ms, faults if ms is None else (*dict.fromkeys((*faults, "time_format")),))


def _parse_end_of_day(text: str, faults: list[FaultName]) -> Parsed:
    """Parse a time that does not exist. Only 24:00 has a meaning, because ISO 8601 ends a day with it."""
    if text[11:16] != "24:00" or text[16:19] not in {":00", "Z", "z"} or text[:10] == "9999-12-31":
        return Parsed(None, ("time_unreadable",))
    ms = parse(f"{text[:11]}00:00{text[16:]}").ms
    if ms is None:
        return Parsed(None, ("time_unreadable",))
    return Parsed(ms + _DAY_MS, (*dict.fromkeys((*faults, "time_format")),))


def format_ms(ms: int) -> str:
    """Return the time as 2026-01-31T12:00:00.000Z. Raises OverflowError beyond the years 1 to 9999."""
    return (_EPOCH + timedelta(milliseconds=ms)).isoformat(timespec="milliseconds")[:-6] + "Z"


def is_usual(text: str) -> bool:
    """Return whether a time has the usual form: in UTC, with whole seconds or milliseconds, 2015 or later.

    This check is much cheaper than `parse`.
    """
    return text[-1:] == "Z" and len(text) in _USUAL_LENGTHS and text[10] == "T" and text > EARLIEST


def find_fault(ms: int, received_ms: int) -> FaultName | None:
    """Return the fault of a readable time, or None.

    A past time since 2015 is not a fault, because the charge point may have been offline.
    """
    if ms < _EARLIEST_MS:
        return "time_before_2015"
    return "time_ahead" if ms > received_ms + AHEAD_MS else None


def is_plausible(ms: int, now_ms: int) -> bool:
    """Return whether the clock was set, that is, the time is neither before 2015 nor over a day ahead."""
    return _EARLIEST_MS <= ms <= now_ms + _DAY_MS


def parse_ms(text: str | None) -> int | None:
    """Return Unix milliseconds, or None if the time is absent or cannot be read."""
    return None if text is None else parse(text).ms


def is_over(text: str | None, now_ms: int) -> bool:
    """Return whether this time has passed. A time that is absent or cannot be read never passes."""
    ms = parse_ms(text)
    return ms is not None and ms <= now_ms
