"""Times of the API: RFC 3339 text in UTC. The store has integer milliseconds."""

import re
from datetime import UTC, datetime, timedelta

from admin.http.problems import invalid, pointer

_UTC_TEXT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_FIRST_MS, _LAST_MS = (
    (datetime.fromisoformat(at) - _EPOCH) // _MILLISECOND
    for at in ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999Z")
)


def text(milliseconds: int) -> str:
    """Write a moment. One that an offset moves out of the years 1 to 9999 becomes the first or the last."""
    moment = _EPOCH + min(max(milliseconds, _FIRST_MS), _LAST_MS) * _MILLISECOND
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def maybe_text(milliseconds: int | None) -> str | None:
    return None if milliseconds is None else text(milliseconds)


def prefer_sent(sent: str, milliseconds: int) -> str:
    """Keep the text of the charge point if it is RFC 3339 in UTC, else write the moment that it means."""
    return sent if _UTC_TEXT.fullmatch(sent) else text(milliseconds)


def utc_text(moment: datetime, *where: str) -> str:
    """Write a moment that the body has at `where`. Raises Problem (422) if UTC has no year for it."""
    timespec = "milliseconds" if moment.microsecond else "seconds"
    try:
        utc = moment.astimezone(UTC)
    except OverflowError:
        detail = "The time is outside the years 1 to 9999 in UTC; give one inside them."
        raise invalid(detail, pointer=pointer(where)) from None
    return utc.isoformat(timespec=timespec).replace("+00:00", "Z")


def milliseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
