"""Events for tests. They are appended by `emit` of the Lua prelude, which all Lua steps use for events."""

from importlib.resources import files

from state.keys import ChargePointKeys
from state.store import Store

_PRELUDE = (files("state") / "lua" / "_prelude.lua").read_text(encoding="utf-8")
_EMIT = f"""{_PRELUDE}
for n = tonumber(ARGV[2]), tonumber(ARGV[3]) do emit(KEYS[1], ARGV[1], 'tested', tostring(n)) end
return {{'ok'}}
"""


async def emit(store: Store, of: ChargePointKeys, first: int, last: int | None = None) -> None:
    """Append events with the numbers from `first` to `last` as their data."""
    await store.execute(
        "EVAL", _EMIT, 1, of.events, of.member, first, first if last is None else last, key=of.events
    )


def some_charge_points(tenant: str, count: int) -> list[ChargePointKeys]:
    return [ChargePointKeys(tenant, f"CP {n}") for n in range(count)]
