"""Numbers as people read them."""

from datetime import UTC, datetime

_DASH = "-"


def duration(seconds: float | None) -> str:
    """Return a latency with three digits: `850 µs`, `12.3 ms`, `1.40 s`, `75.0 s`."""
    if seconds is None:
        return _DASH
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if abs(seconds) >= size * 0.9995:
            return f"{_three_digits(seconds / size)} {unit}"
    return f"{seconds * 1e6:.0f} µs"


def moment(seconds: float) -> str:
    """Return a time since the begin of the run: `0:05`, `12:30`, `1:02:03`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def date(at: str) -> str:
    """Return an ISO 8601 time as people read it: `2026-12-01 12:00:05 UTC`. Other texts stay as they are."""
    try:
        return f"{datetime.fromisoformat(at).astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    except ValueError:
        return at


def long_time(seconds: float) -> str:
    """Return a long time in its largest units: `45 s`, `10 min`, `2 h 5 min`."""
    if seconds < 120:
        return f"{seconds:.3g} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    parts = ((hours, "h"), (minutes, "min"), (rest, "s"))
    return " ".join(f"{number} {unit}" for number, unit in parts if number)


def number(value: float | None) -> str:
    """Return a number with its thousands apart: `12,345`. Small ones keep their fraction."""
    if value is None:
        return _DASH
    if value == round(value) or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def percent(share: float | None) -> str:
    if share is None:
        return _DASH
    if share in {0, 1}:
        return f"{share:.0%}".replace("%", " %")
    return f"{share * 100:.3g} %"


def size(number: float) -> str:
    """Return a number of bytes: `512 KiB`, `1.5 GiB`."""
    for unit, power in (("GiB", 30), ("MiB", 20)):
        if number >= 1 << power:
            return f"{_three_digits(number / (1 << power))} {unit}"
    return f"{number / 1024:.0f} KiB"


def plural(number: int, one: str, many: str | None = None) -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def _three_digits(number: float) -> str:
    """Return at least the whole part, and fractions up to three digits."""
    size = abs(number)
    return f"{number:.{0 if size >= 99.95 else 1 if size >= 9.995 else 2}f}"
