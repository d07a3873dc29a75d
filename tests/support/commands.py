"""A charge point with a session, its node and an admin process, for the tests of commands."""

from typing import Any

import msgspec

from state import commands, keys
from state.commands import Command, Submitted
from state.keys import ChargePointKeys
from state.nodes.leases import Lease
from state.store import Store

TENANT, CHARGE_POINT = "acme {1}", "CP/ü-7"
KEYS = ChargePointKeys(TENANT, CHARGE_POINT)
NODE, ADMIN = "node-1", "admin-1"


async def seat(store: Store, *, epoch: int = 1, node: str = NODE, of: ChargePointKeys = KEYS) -> Lease:
    """Store a lease with which a session holds the charge point."""
    lease = Lease(of, f"{node}/{epoch}", epoch)
    await store.execute("HSET", of.lease, "epoch", epoch, "holder", lease.holder, "node", node)
    return lease


async def open_inbox(store: Store, incarnation: str = NODE) -> None:
    await store.execute("XADD", keys.inbox(incarnation), "*", "begin", "")


async def woken(store: Store, incarnation: str = NODE) -> list[bytes]:
    """Read the messages in a node's inbox."""
    entries = await store.execute("XRANGE", keys.inbox(incarnation), "-", "+")
    return [b" ".join(fields) for _, fields in entries[1:]]


async def submitted(store: Store, **changes: Any) -> Command:
    """Submit a command that must be accepted, and return it."""
    given: dict[str, Any] = {
        "action": "Reset",
        "payload": b'{"type":"Soft"}',
        "ttl_ms": 60_000,
        "reply_to": ADMIN,
    }
    outcome = await commands.submit(store, TENANT, CHARGE_POINT, **(given | changes))
    assert isinstance(outcome, Submitted)
    return outcome.command


async def current(store: Store, command: Command) -> Command:
    found = await commands.get(store, TENANT, command.id)
    assert found is not None
    return found


async def make_overdue(store: Store, command_id: str, of: ChargePointKeys = KEYS) -> None:
    """Let the deadline pass."""
    past = store.server_time_ms() - 1000
    await store.execute("HSET", of.command(command_id), "deadline_ms", past)
    for deadlines in (of.overdue, of.waiting):
        await store.execute("ZADD", deadlines, "XX", past, f"{command_id} {of.member}")


async def waiting(store: Store, of: ChargePointKeys = KEYS) -> tuple[list[str], set[str]]:
    """Read which commands of the charge point are in `pending` and which are in `overdue`."""
    return await _listed(store, of, of.pending, of.overdue)


async def waiting_online(store: Store, of: ChargePointKeys = KEYS) -> tuple[list[str], set[str]]:
    """Read which commands of the charge point are in `waiting_commands` and which are in `waiting`."""
    return await _listed(store, of, of.waiting_commands, of.waiting)


async def _listed(
    store: Store, of: ChargePointKeys, order: str, deadlines: str
) -> tuple[list[str], set[str]]:
    ids = await store.execute("LRANGE", order, 0, -1)
    entries = [entry.decode() for entry in await store.execute("ZRANGE", deadlines, 0, -1)]
    of_ours = {entry.partition(" ")[0] for entry in entries if entry.endswith(f" {of.member}")}
    return [id_.decode() for id_ in ids], of_ours


async def told(store: Store, of: ChargePointKeys = KEYS) -> list[tuple[str, str]]:
    """Read command and status from each event about the charge point's commands."""
    found = []
    for _, fields in await store.execute("XRANGE", of.events, "-", "+"):
        named = dict(zip(fields[::2], fields[1::2], strict=True))
        data = msgspec.json.decode(named[b"data"])
        assert named[b"of"].decode() == of.member
        assert named[b"kind"].decode() == f"command.{data['status']}"
        assert data.keys() == {"command", "action", "status"}
        found.append((data["command"], data["status"]))
    return found
