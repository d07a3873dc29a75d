"""Compares the events in a store with the members that docs/events.md lists."""

from datetime import datetime
from typing import Any

import msgspec

from admin.routes import events as route
from admin.routes.event_kinds import MEMBERS, MemberType
from state.events.events import Event
from state.store import Store


async def find_unlisted(store: Store) -> list[str]:
    """Return a line for each event in the store whose `data` is not as listed.

    Events of unknown kinds are left out, because some tests make up kinds.
    """
    _, names = await store.execute("SCAN", 0, "COUNT", 1_000_000, "TYPE", "stream")
    found = dict[str, None]()
    for name in names:
        for _, parts in await store.execute("XRANGE", name, "-", "+", "COUNT", 1_000):
            entry = dict(zip(parts[::2], parts[1::2], strict=True))
            kind = entry.get(b"kind", b"").decode()
            if kind in MEMBERS and (wrong := _find_wrong(kind, entry[b"data"])):
                found[f"{kind}: {wrong}"] = None
    return list(found)


def _find_wrong(kind: str, stored: bytes) -> str:
    event = Event(id="", tenant="", charge_point="", kind=kind, at_ms=0, data=msgspec.Raw(stored))
    data = msgspec.json.decode(msgspec.json.encode(route._data(event)))
    listed = MEMBERS[kind]
    if unlisted := data.keys() - listed.keys():
        return f"unlisted {sorted(unlisted)}"
    if missing := {name for name, member in listed.items() if not member.optional} - data.keys():
        return f"missing {sorted(missing)}"
    return ", ".join(
        f"{name} is {value!r}" for name, value in data.items() if not _is(listed[name].type, value)
    )


def _is(kind: MemberType, value: Any) -> bool:
    if value is None:
        return kind.endswith(" or null")
    match kind.removesuffix(" or null"):
        case "true or false":
            return isinstance(value, bool)
        case "whole number":
            return type(value) is int
        case "time":
            return datetime.fromisoformat(value).tzinfo is not None
        case "list of texts" | "list of whole numbers":
            return all(isinstance(one, str if kind == "list of texts" else int) for one in value)
        case _:
            return isinstance(value, str)
