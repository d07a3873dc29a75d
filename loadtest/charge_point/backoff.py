"""How long a charge point waits before it connects again."""

from collections.abc import Iterable
from datetime import UTC
from email.utils import parsedate_to_datetime

from loadtest.scenario.dice import Dice
from loadtest.scenario.model import Reconnect

RETRY_AFTER_MAX_S = 3_600.0
"""A greater Retry-After counts as this one, so that no answer ends the simulation of a charge point."""


class Backoff:
    """The waits of one charge point, as the docstring of `Reconnect` describes them."""

    __slots__ = ("_base_s", "_dice", "_reconnect")

    def __init__(self, reconnect: Reconnect, dice: Dice) -> None:
        self._reconnect = reconnect
        self._dice = dice
        self.reset()

    def reset(self) -> None:
        """Start again with the shortest wait, because a BootNotification was accepted."""
        self._base_s = min(self._reconnect.first_s, self._reconnect.longest_s)

    def next_s(self, retry_after_s: float = 0.0) -> float | None:
        """Return the seconds until the next attempt, or None if the charge point gives up.

        `retry_after_s` is what the central system asked for. It raises the least wait and leaves the random
        part, because charge points that were refused together must not return together.
        """
        first_s, longest_s = self._reconnect.first_s, self._reconnect.longest_s
        match self._reconnect.model:
            case "never":
                return None
            case "at_once":
                return retry_after_s
            case "fixed":
                return max(first_s, retry_after_s)
            case "jitter":
                random_s = max(0.0, longest_s - first_s) * self._dice.random()
                return max(first_s, retry_after_s) + random_s
            case "exponential":
                base_s = self._base_s
                self._base_s = min(2 * base_s, longest_s)
                return max(base_s, retry_after_s) + first_s * self._dice.random()


def read_retry_after(headers: Iterable[tuple[str, str]], now_ms: int) -> float:
    """Return the seconds that a Retry-After header asks for, or 0 if there is none that can be read."""
    for name, value in headers:
        if name.lower() == "retry-after":
            return min(max(_seconds(value.strip(), now_ms), 0.0), RETRY_AFTER_MAX_S)
    return 0.0


def _seconds(value: str, now_ms: int) -> float:
    """Read a number of seconds or a date (RFC 9110 section 10.2.3)."""
    if value.isascii() and value.isdecimal():
        return float(value[:20])
    try:
        at = parsedate_to_datetime(value[:100])
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() - now_ms / 1000
    except (ValueError, OverflowError):
        return 0.0
