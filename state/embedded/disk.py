"""How full the disk of the embedded server is, by its free bytes."""

from state.redis.headroom import LEVELS, Headroom, Level

_BELOW = {"low": 4.0, "scarce": 2.0, "full": 1.5}
"""A level holds while fewer free bytes are left than this multiple of the floor."""
_SLACK = 1.1


def judge_disk(free: int, total: int, floor: int, rewrite: int, before: Level) -> Headroom:
    """Return the headroom of a disk. Below the floor, the server must not write at all.

    A rewrite of the data files needs `rewrite` bytes for a while, so the disk is low without that room.
    """
    level: Level = "ok"
    for each in LEVELS[1:]:
        bound = floor * _BELOW[each]
        if each == "low":
            bound = max(bound, floor + rewrite)
        slack = _SLACK if LEVELS.index(each) <= LEVELS.index(before) else 1.0
        if free < bound * slack:
            level = each
    return Headroom(level, total - free, max(total - floor, 0), "disk")
