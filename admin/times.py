"""Times of the API: RFC 3339 text in UTC. The store counts integer milliseconds."""

import re
from datetime import UTC, datetime

_UTC_TEXT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z")


def text(milliseconds: int) -> str:
    moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def maybe_text(milliseconds: int | None) -> str | None:
    return None if milliseconds is None else text(milliseconds)


def as_sent_or(sent: str, milliseconds: int) -> str:
    """Keep the charge point's own spelling where it is RFC 3339 in UTC, else write the moment it meant."""
    return sent if _UTC_TEXT.fullmatch(sent) else text(milliseconds)


def utc_text(moment: datetime) -> str:
    timespec = "milliseconds" if moment.microsecond else "seconds"
    return moment.astimezone(UTC).isoformat(timespec=timespec).replace("+00:00", "Z")


def milliseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
