"""Reads of commands: one by its id or Idempotency-Key, and the lists of a charge point."""

from collections.abc import Sequence
from typing import NamedTuple

from state import keys as key_names
from state.commands.record import Command, command_id, is_id, read_command
from state.commands.table import Status
from state.keys import ChargePointKeys
from state.paging import Page, list_filtered
from state.store import Store


class Lists(NamedTuple):
    """Ids of the commands of a charge point that have not ended, in the order in which a session sends them.

    `pending` has the queued and sent ones, and `waiting` those that wait until the charge point is online.
    """

    pending: list[str]
    waiting: list[str]


def new_id(tenant: str, charge_point: str, idempotency_key: str | None = None) -> str:
    """Return the id for a new command. An Idempotency-Key always gives the same id."""
    keys = ChargePointKeys(tenant, charge_point)
    return command_id(keys.partition) if idempotency_key is None else _id_under_key(keys, idempotency_key)


async def read_lists(store: Store, keys: ChargePointKeys) -> Lists:
    """Read which commands of a charge point have not ended, in one round trip."""
    replies = await store.pipeline([("LRANGE", key, 0, -1) for key in (keys.pending, keys.waiting_commands)])
    return Lists(*([id_.decode() for id_ in reply] for reply in replies))


async def is_next(store: Store, keys: ChargePointKeys, id_: str) -> bool:
    """Return whether this command is the first pending command of the charge point."""
    first: bytes | None = await store.execute("LINDEX", keys.pending, 0)
    return first == id_.encode()


async def get(store: Store, tenant: str, id_: str) -> Command | None:
    """Return a command of this tenant.

    A command is stored until 24 h after its end.

    None means that no such command is stored.
    """
    if not is_id(id_):
        return None
    reply = await store.execute("HGETALL", key_names.command(id_))
    command = read_command(id_, reply) if reply else None
    return command if command is not None and command.tenant == tenant else None


async def read_all(store: Store, tenant: str, ids: Sequence[str]) -> list[Command | None]:
    """Read commands of this tenant, in one round trip. None means that no such command is stored."""
    replies = await store.hashes([key_names.command(id_) for id_ in ids])
    found = [read_command(id_, reply) if reply else None for id_, reply in zip(ids, replies, strict=True)]
    return [command if command is not None and command.tenant == tenant else None for command in found]


async def list_recent(
    store: Store, tenant: str, charge_point: str, *, cursor: str | None = None, limit: int = 100
) -> Page[Command]:
    """List the commands of a charge point, the latest first, as long as they are stored. Raises BadCursor."""

    async def load(members: Sequence[bytes]) -> list[tuple[bytes, Command]]:
        ids = [member.rpartition(b" ")[2].decode() for member in members]
        replies = await store.hashes([key_names.command(id_) for id_ in ids])
        return [
            (member, read_command(id_, reply))
            for member, id_, reply in zip(members, ids, replies, strict=True)
            if reply
        ]

    recent = ChargePointKeys(tenant, charge_point).recent_commands
    return await list_filtered(store, [recent], load, limit=limit, cursor=cursor, descending=True)


async def read_statuses(store: Store, ids: Sequence[str]) -> list[Status | None]:
    """Return the status of each command. None means that no such command is stored."""
    if not ids:
        return []
    replies = await store.pipeline([("HGET", key_names.command(id_), "status") for id_ in ids])
    return [None if reply is None else reply.decode() for reply in replies]


async def under_key(store: Store, tenant: str, charge_point: str, idempotency_key: str) -> Command | None:
    """Return the command that was submitted with this Idempotency-Key."""
    return await get(store, tenant, _id_under_key(ChargePointKeys(tenant, charge_point), idempotency_key))


def _id_under_key(keys: ChargePointKeys, idempotency_key: str) -> str:
    return command_id(keys.partition, f"{keys.member}/{key_names.encode(idempotency_key)}")
