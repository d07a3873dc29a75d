"""The heartbeat interval of each charge point, spread a little.

After a reconnect of all charge points, their BootNotifications come at nearly the same time. With one
interval, all Heartbeats would then come together for ever.
"""

from zlib import crc32

_ALL = 1 << 32


def spread(interval_s: int, percent: int, member: str) -> int:
    """Return the interval of the charge point `member`: at most `percent` shorter than `interval_s`.

    The interval depends on the name alone, so it is the same after each boot and at each gateway.
    """
    shorter = interval_s * percent * crc32(member.encode()) // (100 * _ALL)
    return max(1, interval_s - shorter)
