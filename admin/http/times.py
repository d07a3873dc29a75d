"""Times of the API: RFC 3339 text in UTC. The store has integer milliseconds."""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Annotated

import msgspec

from admin.http.problems import invalid, pointer
from gateway.ocpp16.faults import timestamps

Time = Annotated[
    str,
    msgspec.Meta(extra_json_schema={"format": "date-time"}, examples=["2026-01-01T12:00:00.000Z"]),
]
"""A time in an answer, as `text` and `normalise` write it."""

_BELOW_MILLISECONDS = re.compile(r"[.,]\d{3}(\d+)")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_MINUTE_MS = 60_000
_SECONDS = tuple(f"{second:02}." for second in range(60))
_MILLISECONDS = tuple(f"{ms:03}Z" for ms in range(1000))
_FIRST_MS, _LAST_MS = (
    (datetime.fromisoformat(at) - _EPOCH) // _MILLISECOND
    for at in ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999Z")
)


def text(milliseconds: int) -> str:
    """Write a moment as text. A moment outside the years 1 to 9999 becomes the nearest moment in them."""
    if not _FIRST_MS <= milliseconds <= _LAST_MS:
        milliseconds = min(max(milliseconds, _FIRST_MS), _LAST_MS)
    # A page has thousands of times, mostly close together. isoformat() would take four times as long.
    minute, rest = divmod(milliseconds, _MINUTE_MS)
    return _minute_text(minute) + _SECONDS[rest // 1000] + _MILLISECONDS[rest % 1000]


@lru_cache(maxsize=5_000)
def _minute_text(minute: int) -> str:
    """Return a time up to its minute, with the colon after it."""
    return (_EPOCH + timedelta(minutes=minute)).isoformat()[:17]


def maybe_text(milliseconds: int | None) -> str | None:
    return None if milliseconds is None else text(milliseconds)


def normalise(sent: str) -> str | None:
    """Return the time `sent` in the form that `text` writes, or None if `sent` cannot be read.

    Digits of `sent` below the milliseconds are kept, so that no precision is lost.
    """
    parsed_ms = timestamps.parse_ms(sent)
    if parsed_ms is None:
        return None
    found = _BELOW_MILLISECONDS.search(sent)
    more = found[1].rstrip("0") if found else ""
    return f"{text(parsed_ms)[:-1]}{more}Z"


def maybe_normalise(sent: str | None) -> str | None:
    return None if sent is None else normalise(sent)


def sent_or(sent: str, milliseconds: int) -> str:
    """Return the time that a charge point sent. If that cannot be read, return `milliseconds` as text."""
    understood = text(milliseconds)
    # Nearly all charge points write whole seconds, or milliseconds, in UTC.
    if sent == understood or (sent[19:] == "Z" and f"{sent[:19]}.000Z" == understood):
        return understood
    return normalise(sent) or understood


def utc_text(moment: datetime, *where: str) -> str:
    """Write a moment of a request as text in UTC. Raises Problem (422) outside the years 1 to 9999.

    `where` is the place of the moment in the body.
    """
    timespec = "milliseconds" if moment.microsecond else "seconds"
    try:
        utc = moment.astimezone(UTC)
    except OverflowError:
        detail = "The time is outside the years 1 to 9999 in UTC; give one inside them."
        raise invalid(detail, pointer=pointer(where)) from None
    return utc.isoformat(timespec=timespec).replace("+00:00", "Z")


def milliseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
