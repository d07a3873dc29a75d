"""How full the store is, and what csms still accepts at each level.

At 80 % of the limit ("low") csms warns. At 90 % ("scarce") it adds nothing that can wait: no charge point, no
trace. At 95 % ("full") it accepts no new transaction, so that stops, meter values and deletions still find
room.
"""

from collections.abc import Mapping
from typing import Literal

import msgspec

from state.errors import StoreFull

type Level = Literal["ok", "low", "scarce", "full"]

LEVELS: tuple[Level, ...] = ("ok", "low", "scarce", "full")
_BEGINS = (0.0, 0.80, 0.90, 0.95)
_SLACK = 0.02
"""A level ends only this far below its beginning. Otherwise a store at 90 % would change it all the time."""
_STATUSES = ("aof_last_write_status", "aof_last_bgrewrite_status", "rdb_last_bgsave_status")


class Headroom(msgspec.Struct, frozen=True):
    """How much of the scarcer resource is used, in bytes. `limit` is 0 if the resource has no limit."""

    level: Level = "ok"
    used: int = 0
    limit: int = 0
    resource: Literal["memory", "disk"] = "memory"

    def has_reached(self, level: Level) -> bool:
        return LEVELS.index(self.level) >= LEVELS.index(level)

    def require_room(self, level: Level, what: str) -> None:
        """Raise StoreFull if the resource has reached `level`, so that there is no room for `what`."""
        if self.has_reached(level):
            raise StoreFull(
                f"the store has no room for {what}: {self.used >> 20} of {self.limit >> 20} MiB of its"
                f" {self.resource} are used"
            )


def choose_level(ratio: float, before: Level = "ok") -> Level:
    """Return the level of a resource of which the part `ratio` is used. `before` is the level until now."""
    reached = max(i for i, begin in enumerate(_BEGINS) if ratio >= begin)
    kept = max(i for i, begin in enumerate(_BEGINS) if i == 0 or ratio >= begin - _SLACK)
    return LEVELS[max(reached, min(kept, LEVELS.index(before)))]


def read_memory(info: Mapping[str, str], before: Level = "ok") -> Headroom:
    """Read the headroom from INFO memory. A server whose maxmemory is 0 has no limit."""
    used = int(info.get("used_memory", 0)) - int(info.get("mem_not_counted_for_evict", 0))
    limit = int(info.get("maxmemory", 0))
    return Headroom(choose_level(used / limit, before) if limit else "ok", used, limit)


def read_disk(reported: bytes | None) -> Headroom:
    """Read what the supervisor of the embedded server reported with `write_disk`, if there is one."""
    if not reported:
        return Headroom(resource="disk")
    level, used, limit = reported.decode().split()
    known: Level = next((each for each in LEVELS if each == level), "full")
    return Headroom(known, int(used), int(limit), "disk")


def write_disk(headroom: Headroom) -> bytes:
    return f"{headroom.level} {headroom.used} {headroom.limit}".encode()


def scarcer(memory: Headroom, disk: Headroom) -> Headroom:
    return disk if LEVELS.index(disk.level) > LEVELS.index(memory.level) else memory


def find_failures(info: Mapping[str, str]) -> dict[str, str]:
    """Return what INFO persistence reports as failed: the last write, rewrite or snapshot of the file."""
    return {name: info[name] for name in _STATUSES if info.get(name, "ok") != "ok"}
