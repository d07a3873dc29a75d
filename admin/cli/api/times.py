"""Times on the command line."""

from datetime import UTC, datetime

from admin.cli.failures import CommandRefused


def read(option: str, text: str | None) -> str | None:
    """Return the time as the API reads it. A day means its beginning in UTC. Raises CommandRefused."""
    if text is None:
        return None
    try:
        given = datetime.fromisoformat(text)
    except ValueError:
        raise _refuse(option, text, "is not a time") from None
    if len(text) == len("2026-11-01"):
        given = given.replace(tzinfo=UTC)
    if given.tzinfo is None:
        raise _refuse(option, text, "has no time zone")
    return given.isoformat()


def _refuse(option: str, text: str, what: str) -> CommandRefused:
    return CommandRefused(
        f"{option} {text} {what}; write a day like 2026-11-01 (UTC), or a time like 2026-11-01T08:00:00+01:00"
    )
