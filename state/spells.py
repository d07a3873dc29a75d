"""Spells: whether something happens often, kept in one short text.

The text has a level, the time of the last event, and the time at which the spell began. Each event raises the
level by one, up to a limit. The level falls by one in each `leak_ms`. So a level near the limit means that
events come faster than they leak, and the level falls by itself once the events end. A spell begins anew if
the level has fallen to zero. `add_to_spell` in lua/_spells.lua writes the text.
"""

from typing import NamedTuple


class Rule(NamedTuple):
    """`most` is the limit of the level. From the level `threshold` on, something happens often."""

    threshold: float
    most: int
    leak_ms: int


class Spell(NamedTuple):
    level: float
    last_ms: int
    since_ms: int

    def is_frequent(self, rule: Rule, now_ms: int) -> bool:
        """Return whether the level is at or above the threshold now."""
        leaked = max(0, now_ms - self.last_ms) / rule.leak_ms
        return self.level - leaked >= rule.threshold


CONNECTS = Rule(threshold=4.5, most=8, leak_ms=300_000)
"""Connections of a charge point. Five within two minutes are many, or more than twelve an hour."""
FAULTS = Rule(threshold=100, most=200, leak_ms=864_000)
"""Faults of a charge point. More than a hundred a day are many."""
WRONG_CLOCK = Rule(threshold=0.001, most=1, leak_ms=86_400_000)
"""Wrong times of a charge point. One within a day is enough."""


def read(text: bytes | None) -> Spell | None:
    if text is None:
        return None
    level, last_ms, since_ms = text.split()
    return Spell(float(level), int(last_ms), int(since_ms))
