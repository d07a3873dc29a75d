"""Commands that an operator sends to a charge point: how they are recorded, claimed by a session, and ended.

The record of a command, in the charge point's partition, is the only state of the command. A message in a
node's inbox only tells the node to read the record.
"""

from collections.abc import Sequence
from time import monotonic
from typing import Any, NamedTuple

import msgspec

from state.commands import anchors, table
from state.commands.lookup import get, new_id
from state.commands.record import Command, Why, digest, is_of, read_command
from state.commands.sealing import Sealed
from state.commands.table import Status
from state.errors import StoreUnavailable
from state.keys import ChargePointKeys
from state.nodes import inbox
from state.nodes.leases import Lease, require
from state.store import Store

KEPT_MS = 24 * 3600 * 1000
"""How long a command can be looked up after its end, and how long its Idempotency-Key is remembered."""
TTL_MS_MAX = 24 * 3600 * 1000
WAITS_MS_MAX = 30 * 24 * 3600 * 1000
"""How long a command may wait at most until its charge point is online."""
LIMIT = 32
"""Greatest number of commands of a charge point in `pending`, and as many in `waiting_commands`."""

_UNWRITTEN = table.text(table.UNWRITTEN)
_UNWRITTEN_ONLINE = table.text(table.UNWRITTEN_ONLINE)
_OVERDUE = table.text(table.OVERDUE)
_CLAIMING = table.text(table.moves_to("sent"))
_SETTLING = {
    status: table.text(table.moves_to(status)) for status in table.TABLE if status not in table.WAITING
}
_UNCLAIMED = table.moves_to("sent").keys()
_LATE = table.text(table.LATE)
_ORPHANED = table.text(table.ORPHANED)
_WATCHERS = (
    "SetChargingProfile=charging_profiles ClearChargingProfile=charging_profiles SendLocalList=local_list "
    "RemoteStartTransaction=remote_start"
)
"""Actions whose end changes something else in the store.

Most of them change data on the charge point of which csms keeps a copy. The word after `=` names the function
that settle.lua calls when a command with this action ends.
"""


class Submitted(NamedTuple):
    """The command is recorded. `fresh` means that this call recorded it.

    `node` is the node that was woken, or None. `left_ms` is the time until the deadline.
    """

    command: Command
    node: str | None
    fresh: bool
    left_ms: float


class Conflict(NamedTuple):
    """The Idempotency-Key was used before, for another action or payload."""

    command_id: str


class Go(NamedTuple):
    """The session may send the command within `left_ms`.

    If the session is too late, it must record the command as `expired`. If the payload holds a secret,
    `payload` is a payload of no action, and `sealed` is the encrypted payload (`sealing.unseal`).
    """

    action: str
    payload: bytes
    left_ms: float
    sealed: bytes = b""

    def __repr__(self) -> str:
        """Leave the payload out, as `Command` does."""
        return f"<Go {self.action} {self.left_ms:.0f} ms>"


class Late(msgspec.Struct, frozen=True):
    """The command was recorded as `expired`, because its deadline has passed."""


class Taken(NamedTuple):
    """The present status of the command does not allow the requested change."""

    status: Status


class Gone(msgspec.Struct, frozen=True):
    """No command with this id is stored for the charge point, or the command is no longer stored."""


class Settled(msgspec.Struct, frozen=True):
    """The end of the command was recorded, and the process that waits for it was woken."""


async def submit(
    store: Store,
    tenant: str,
    charge_point: str,
    *,
    action: str,
    payload: bytes,
    ttl_ms: int,
    reply_to: str,
    waits_ms: int | None = None,
    idempotency_key: str | None = None,
    id_: str | None = None,
    sealed: Sealed | None = None,
    by: str | None = None,
    limit: int = LIMIT,
) -> Submitted | Conflict:
    """Record a command, and wake the node that has the charge point's session.

    The command is recorded as `offline` if no session holds the lease of the charge point or the node of that
    session has left, and as `busy` if `limit` commands wait for it already. With `waits_ms`, the command
    waits so long until the charge point is online and accepted, and `ttl_ms` counts from the claim. Such a
    command is recorded as `offline` only if the charge point is not registered. `ttl_ms` must be from 1 ms to
    24 h, and `waits_ms` from 1 ms to 30 days. `reply_to` is the node to wake when the command ends. `id_` is
    an id of `new_id`, under which a submission whose reply was lost can be repeated. If the payload holds a
    secret, `payload` is the masked payload, and `sealed` is the whole one. `by` is the id of the API key that
    sends the command, or None if csms itself sends it. Raises ValueError, and StoreUnavailable if the command
    is not known to be recorded.
    """
    body = digest(action, payload) if sealed is None else sealed.digest
    if not 1 <= ttl_ms <= TTL_MS_MAX:
        raise ValueError(f"a command cannot live {ttl_ms} ms; it may live 1 to {TTL_MS_MAX} ms")
    if waits_ms is not None and not 1 <= waits_ms <= WAITS_MS_MAX:
        raise ValueError(f"a command cannot wait {waits_ms} ms; it may wait 1 to {WAITS_MS_MAX} ms")
    keys = ChargePointKeys(tenant, charge_point)
    id_ = id_ or new_id(tenant, charge_point, idempotency_key)
    lists = (keys.pending, keys.overdue) if waits_ms is None else (keys.waiting_commands, keys.waiting)
    asked = monotonic()
    reply = await store.step(
        "commands/submit",
        (
            *(keys.command(id_), *lists, keys.events),
            *(keys.lease, keys.record, keys.recent_commands, keys.failed_starts),
        ),
        (
            *(keys.member, id_, action, payload, body, ttl_ms, "" if waits_ms is None else waits_ms),
            *(KEPT_MS, limit, reply_to, "" if sealed is None else sealed.ciphertext, by or ""),
        ),
        of=keys.lease,
    )
    if reply[0] == b"conflict":
        return Conflict(id_)
    command = read_command(id_, reply[2])
    store.clock.learn_now(reply[3], asked)
    left_ms = store.clock.left_ms(reply[3], command.set_ms, command.deadline_ms)
    node = reply[1].decode()
    if reply[0] == b"known" or command.status not in _UNCLAIMED or not node:
        return Submitted(command, None, fresh=reply[0] == b"fresh", left_ms=left_ms)
    try:
        if await inbox.wake(store, node, inbox.CommandQueued(keys.member)):
            return Submitted(command, node, fresh=True, left_ms=left_ms)
        if waits_ms is None:
            # The node has left. Another node may have taken over the charge point and its commands in the
            # meantime.
            await settle(store, keys, id_, status="offline")
            command = await get(store, tenant, id_) or command
    except StoreUnavailable:
        pass  # The command is recorded, so the caller must get its id.
    return Submitted(command, None, fresh=True, left_ms=left_ms)


async def claim(store: Store, lease: Lease, id_: str, nonce: str) -> Go | Late | Taken | Gone:
    """Take a queued or waiting command for this session.

    If the reply was lost, the session may repeat the claim with the same `nonce`. A command whose deadline
    has passed is recorded as `expired`. Only the session that holds the lease can take a command. Raises
    Superseded or LeaseLost.
    """
    keys = lease.keys
    if not is_of(id_, keys):
        return Gone()
    reply, asked = await anchors.ask(
        store,
        keys,
        id_,
        lambda: store.step(
            "commands/claim",
            (*lease.head_keys(), *_places(keys, id_)),
            (*lease.head_args(), id_, nonce, _CLAIMING),
        ),
    )
    match reply:
        case [b"go", now_ms, set_ms, deadline_ms, action, payload, sealed]:
            store.clock.learn_now(now_ms, asked)
            left_ms = store.clock.left_ms(now_ms, int(set_ms), int(deadline_ms))
            return Go(action.decode(), payload, left_ms, sealed)
        case [b"taken", status]:
            return Taken(status.decode())
        case [b"gone"]:
            return Gone()
        case [b"late", *_]:
            await _expire(store, keys, id_)
            return Late()
        case [word, *_]:
            require(word)
    raise AssertionError(f"the step commands/claim returned the unknown word {reply[0]!r}")


async def forget_secret(store: Store, keys: ChargePointKeys, id_: str) -> None:
    """Delete the encrypted payload of a command that was written to its socket."""
    await store.execute("HDEL", keys.command(id_), "sealed")


async def settle(
    store: Store,
    keys: ChargePointKeys,
    id_: str,
    *,
    status: Status,
    response: bytes | None = None,
    error: bytes | None = None,
    why: Why | None = None,
) -> Settled | Taken | Gone:
    """Record the end of a command, and wake the process that waits for it.

    The session need not hold the lease, because what a command did must be recorded in any case. If table.py
    does not allow the change of status, Taken is returned. Raises ValueError for the statuses `queued` and
    `sent`, and StoreUnavailable.
    """
    if status not in _SETTLING:
        raise ValueError(f"a command cannot end as {status}; it may end as any status but queued and sent")
    if not is_of(id_, keys):
        return Gone()
    call = settle_call(keys, id_, _SETTLING[status], response=response, error=error, why=why)
    reply = await store.step("commands/settle", *call, of=keys.lease)
    match reply:
        case [b"settled", *_]:
            await _wake_waiter(store, id_, reply)
            return Settled()
        case [b"taken", before]:
            return Taken(before.decode())
        case _:
            return Gone()


async def cancel(store: Store, some: Sequence[tuple[ChargePointKeys, str]]) -> None:
    """Cancel commands, in one round trip. Those that were sent or have ended stay as they are.

    A process that waits for one of them is not woken.
    """
    calls = [settle_call(keys, id_, _SETTLING["cancelled"]) for keys, id_ in some]
    await store.steps("commands/settle", calls)


async def give_back(store: Store, keys: ChargePointKeys, id_: str, nonce: str) -> bool:
    """Put a claimed command that was not written back into its list, for the next session.

    `nonce` is that of the claim. False means that the claim did not reach the store, or that the command has
    ended. A command whose deadline has passed is recorded as `expired`.
    """
    [word, *_], _ = await anchors.ask(
        store,
        keys,
        id_,
        lambda: store.step(
            "commands/give_back",
            (keys.command(id_), keys.events, keys.record, *_places(keys, id_)[1:]),
            (keys.member, id_, nonce, _UNWRITTEN, _LATE, _UNWRITTEN_ONLINE),
            of=keys.lease,
        ),
    )
    if word == b"late":
        await _expire(store, keys, id_)
    return bool(word == b"given_back")


async def end_overdue(store: Store, keys: ChargePointKeys, id_: str) -> None:
    """Record the end of a command whose deadline has passed by the monotonic clock of the caller."""
    await store.step("commands/settle", *settle_call(keys, id_, _OVERDUE), of=keys.lease)


async def mark_unknown(
    store: Store, lease: Lease, waiting: Sequence[str], why: Why = "node_lost"
) -> list[str]:
    """Record the end `unknown` for each command that an earlier session left as `sent`, and return the ids.

    Call this after the session has claimed the lease, and before it reads the pending commands. `waiting` has
    the pending commands that the claim of the lease returned.
    """
    keys = lease.keys
    ids = [id_ for id_ in waiting if is_of(id_, keys)]
    replies = await store.steps(
        "commands/settle", [settle_call(keys, id_, _ORPHANED, when=str(lease.epoch), why=why) for id_ in ids]
    )
    found = [(id_, reply) for id_, reply in zip(ids, replies, strict=True) if reply[0] == b"settled"]
    for id_, reply in found:
        await _wake_waiter(store, id_, reply)
    return [id_ for id_, _ in found]


def settle_call(
    keys: ChargePointKeys,
    id_: str,
    moves: str,
    *,
    when: str = "",
    response: bytes | None = None,
    error: bytes | None = None,
    why: Why | None = None,
) -> tuple[tuple[str, ...], tuple[str | bytes | int, ...]]:
    """Return the KEYS and ARGV of settle.lua."""
    # The bytes come from a charge point, and may be invalid UTF-8.
    texts = [(given or b"").decode(errors="replace") for given in (response, error)]
    return (
        (
            *(*_places(keys, id_), keys.events),
            *(keys.charging_profile_doubts, keys.local_list, keys.record, keys.lease, keys.failed_starts),
        ),
        (keys.member, id_, moves, _WATCHERS, when, why or "", *texts, KEPT_MS),
    )


def _places(keys: ChargePointKeys, id_: str) -> tuple[str, str, str, str, str]:
    """Return the KEYS `command pending overdue waiting_commands waiting` of a step."""
    return keys.command(id_), keys.pending, keys.overdue, keys.waiting_commands, keys.waiting


async def _expire(store: Store, keys: ChargePointKeys, id_: str) -> None:
    """Record that a command was not written before its deadline."""
    call = settle_call(keys, id_, _LATE, when="overdue")
    reply = await store.step("commands/settle", *call, of=keys.lease)
    await _wake_waiter(store, id_, reply)


async def _wake_waiter(store: Store, id_: str, reply: list[Any]) -> None:
    if reply[0] == b"settled" and reply[2]:
        await inbox.wake(store, reply[2].decode(), inbox.CommandChanged(id_))
