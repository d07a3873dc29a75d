"""Commands: what an operator wants of a charge point, from the record to the answer.

The record in the charge point's partition is the truth; an inbox message is only a wake-up.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from state import keys as key_names
from state.commands import table
from state.commands.record import Command, command_id, digest, is_id, is_of, read_command
from state.commands.table import Status
from state.keys import ChargePointKeys
from state.nodes import inbox
from state.nodes.leases import Lease, require
from state.store import Store

KEPT_MS = 24 * 3600 * 1000
"""How long a settled command can be looked up, and its Idempotency-Key stands."""
TTL_MS_MAX = 24 * 3600 * 1000
_PENDING_PER_ROUND = 1000

_CLAIMING = table.text(table.moves_to("sent"))
_SETTLING = {
    status: table.text(table.moves_to(status)) for status in table.TABLE if status not in table.WAITING
}
_LATE = table.text(table.LATE)
_ORPHANED = table.text(table.ORPHANED)
_WATCHERS = (
    "SetChargingProfile=charging_profiles ClearChargingProfile=charging_profiles SendLocalList=local_list"
)
"""Which actions change what we mirror, and the part of settle.lua that watches how they end."""


class Submitted(NamedTuple):
    """`fresh`: recorded just now. `node`: who was woken; None if nobody was."""

    command: Command
    node: str | None
    fresh: bool


class Conflict(NamedTuple):
    """The Idempotency-Key was used for another action or payload."""

    command_id: str


class Go(NamedTuple):
    """Send it, unless `left_ms` pass before that: then settle it as `expired`."""

    action: str
    payload: bytes
    left_ms: int

    def __repr__(self) -> str:
        """Without the payload, as Command's."""
        return f"<Go {self.action} {self.left_ms} ms>"


class Late(msgspec.Struct, frozen=True):
    """Its deadline has passed; it was recorded as `expired`."""


class Taken(NamedTuple):
    """It is in a status from which this step does not lead on."""

    status: Status


class Gone(msgspec.Struct, frozen=True):
    """No such command of this charge point (any more)."""


class Settled(msgspec.Struct, frozen=True):
    """It was recorded, and whoever waits was woken."""


async def submit(
    store: Store,
    tenant: str,
    charge_point: str,
    *,
    action: str,
    payload: bytes,
    ttl_ms: int,
    reply_to: str,
    idempotency_key: str | None = None,
    limit: int = 32,
) -> Submitted | Conflict:
    """Record a command and wake the charge point's node.

    Recorded as `offline` if no session holds the charge point or its node is gone, as `busy` if `limit`
    commands wait for it already. `ttl_ms` is 1 ms to 24 h. Raises ValueError, StoreUnavailable.
    """
    body = digest(action, payload)
    if not 1 <= ttl_ms <= TTL_MS_MAX:
        raise ValueError(f"a command may live 1 to {TTL_MS_MAX} ms, not {ttl_ms}")
    keys = ChargePointKeys(tenant, charge_point)
    id_ = command_id(keys.partition) if idempotency_key is None else _id_under_key(keys, idempotency_key)
    reply = await store.step(
        "commands/submit",
        (keys.command(id_), keys.pending, keys.overdue, keys.events, keys.lease),
        (keys.member, id_, action, payload, body, ttl_ms, KEPT_MS, limit, reply_to),
    )
    if reply[0] == b"conflict":
        return Conflict(id_)
    command = read_command(id_, reply[2])
    if reply[0] == b"known" or command.status != "queued":
        return Submitted(command, None, fresh=reply[0] == b"fresh")
    node = reply[1].decode()
    if await inbox.wake(store, node, inbox.CommandQueued(keys.member)):
        return Submitted(command, node, fresh=True)
    # The node is gone. Another may have taken the charge point over, and the command, in the meantime.
    await settle(store, keys, id_, status="offline")
    return Submitted(await get(store, tenant, id_) or command, None, fresh=True)


async def claim(store: Store, lease: Lease, id_: str, nonce: str) -> Go | Late | Taken | Gone:
    """Take a queued command for this session; the same `nonce` may ask again, if the answer was lost.

    Fenced: raises Superseded, LeaseLost. A command that is late is recorded as `expired`.
    """
    keys = lease.keys
    if not is_of(id_, keys):
        return Gone()
    reply = await store.step(
        "commands/claim",
        (*lease.head_keys(), keys.command(id_), keys.pending, keys.overdue),
        (*lease.head_args(), id_, nonce, _CLAIMING),
    )
    match reply:
        case [b"go", action, payload, left_ms]:
            return Go(action.decode(), payload, left_ms)
        case [b"taken", status]:
            return Taken(status.decode())
        case [b"gone"]:
            return Gone()
        case [b"late"]:
            late = await store.step("commands/settle", *settle_call(keys, id_, _LATE, when="overdue"))
            await _wake_waiter(store, id_, late)
            return Late()
        case [word, *_]:
            require(word)
    raise AssertionError(f"commands/claim answered {reply[0]!r}")


async def settle(
    store: Store,
    keys: ChargePointKeys,
    id_: str,
    *,
    status: Status,
    response: bytes | None = None,
    error: bytes | None = None,
) -> Settled | Taken | Gone:
    """Record how a command ended, and wake whoever waits for it.

    Not fenced: a result is a fact, from whichever session. What table.py does not allow is Taken.
    Raises ValueError for `queued` and `sent`, StoreUnavailable.
    """
    if status not in _SETTLING:
        raise ValueError(f"{status} is no way for a command to end")
    if not is_of(id_, keys):
        return Gone()
    call = settle_call(keys, id_, _SETTLING[status], response=response, error=error)
    reply = await store.step("commands/settle", *call)
    match reply:
        case [b"settled", *_]:
            await _wake_waiter(store, id_, reply)
            return Settled()
        case [b"taken", before]:
            return Taken(before.decode())
        case _:
            return Gone()


async def mark_unknown(store: Store, lease: Lease, waiting: Sequence[str]) -> list[str]:
    """Record what earlier sessions had sent and not settled as `unknown`; returns those commands.

    To be called after a claim, before the pending commands are read. `waiting`: what the claim returned as
    pending.
    """
    keys = lease.keys
    ids = [id_ for id_ in waiting if is_of(id_, keys)]
    replies = await store.steps(
        "commands/settle", [settle_call(keys, id_, _ORPHANED, when=str(lease.epoch)) for id_ in ids]
    )
    found = [(id_, reply) for id_, reply in zip(ids, replies, strict=True) if reply[0] == b"settled"]
    for id_, reply in found:
        await _wake_waiter(store, id_, reply)
    return [id_ for id_, _ in found]


async def list_pending(store: Store, leases: Sequence[Lease]) -> list[list[str]]:
    """List the waiting commands (queued or sent) of each charge point, oldest first."""
    found: list[list[str]] = []
    for first in range(0, len(leases), _PENDING_PER_ROUND):
        some = leases[first : first + _PENDING_PER_ROUND]
        replies = await store.pipeline([("LRANGE", lease.keys.pending, 0, -1) for lease in some])
        found += [[id_.decode() for id_ in reply] for reply in replies]
    return found


async def is_next(store: Store, keys: ChargePointKeys, id_: str) -> bool:
    """Whether no other command of the charge point stands before it."""
    first: bytes | None = await store.execute("LINDEX", keys.pending, 0)
    return first == id_.encode()


async def get(store: Store, tenant: str, id_: str) -> Command | None:
    """Look up a command of this tenant, for 24 h after it was settled. None for anything else."""
    if not is_id(id_):
        return None
    reply = await store.execute("HGETALL", key_names.command(id_))
    command = read_command(id_, reply) if reply else None
    return command if command is not None and command.tenant == tenant else None


async def under_key(store: Store, tenant: str, charge_point: str, idempotency_key: str) -> Command | None:
    """Look up what was submitted with this Idempotency-Key."""
    return await get(store, tenant, _id_under_key(ChargePointKeys(tenant, charge_point), idempotency_key))


def _id_under_key(keys: ChargePointKeys, idempotency_key: str) -> str:
    return command_id(keys.partition, f"{keys.member}/{key_names.encode(idempotency_key)}")


def settle_call(
    keys: ChargePointKeys,
    id_: str,
    moves: str,
    *,
    when: str = "",
    response: bytes | None = None,
    error: bytes | None = None,
) -> tuple[tuple[str, ...], tuple[str | bytes | int, ...]]:
    """KEYS and ARGV of settle.lua."""
    # A charge point's bytes, which may not be the UTF-8 they should be.
    texts = [(given or b"").decode(errors="replace") for given in (response, error)]
    return (
        (
            *(keys.command(id_), keys.pending, keys.overdue, keys.events),
            *(keys.charging_profile_doubts, keys.local_list, keys.record, keys.lease),
        ),
        (keys.member, id_, moves, _WATCHERS, when, *texts, KEPT_MS),
    )


async def _wake_waiter(store: Store, id_: str, reply: list[Any]) -> None:
    if reply[0] == b"settled" and reply[2]:
        await inbox.wake(store, reply[2].decode(), inbox.CommandChanged(id_))
