"""What the server counts of its own work."""

import msgspec

from state.store import Store
from tests.support.server_info import ask_info


class Reading(msgspec.Struct, frozen=True):
    """What the server counts: microseconds of its main thread and of its commands, and bytes of its file."""

    main_us: float
    commands_us: float
    file_bytes: float
    calls: dict[str, float]

    def per_second(self, before: "Reading", seconds: float) -> "Reading":
        return Reading(
            (self.main_us - before.main_us) / seconds,
            (self.commands_us - before.commands_us) / seconds,
            (self.file_bytes - before.file_bytes) / seconds,
            {name: (count - before.calls.get(name, 0)) / seconds for name, count in self.calls.items()},
        )


WITHIN_SCRIPTS = {"hget", "hmget", "hset", "sadd", "srem", "smismember", "persist", "xadd", "time"}
"""Commands whose time counts as the time of the script that calls them."""


async def read(store: Store) -> Reading:
    info = await ask_info(store, "everything")
    commands = {
        name.removeprefix("cmdstat_"): dict(part.split("=") for part in value.split(","))
        for name, value in info.items()
        if name.startswith("cmdstat_")
    }
    return Reading(
        1e6 * (float(info["used_cpu_user_main_thread"]) + float(info["used_cpu_sys_main_thread"])),
        sum(float(of["usec"]) for name, of in commands.items() if name not in WITHIN_SCRIPTS),
        float(info["aof_current_size"]),
        {name: float(of["calls"]) for name, of in commands.items()},
    )
