"""Charge points. An operator registers a charge point, or it registers itself.

Operators can list and delete charge points.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypedDict, Unpack

import msgspec
from msgspec import json

from state import commands, guarded, holds
from state import keys as key_names
from state.charge_points import security
from state.charge_points.security import Security
from state.errors import StoreUnavailable
from state.keys import ChargePointKeys
from state.nodes.leases import Holding, Lease, list_holdings, require
from state.paging import Bound, Page, list_filtered
from state.record import (
    REGISTRATION_INTERVAL_S,
    BootStatus,
    ChargePointRecord,
    Settings,
    read_charge_point,
    settings_fields,
)
from state.redis.connection import Arg
from state.store import Store
from state.tenants import spellings, tokens

TOMBSTONE_MS = 86_400_000
"""How long the lease of a deleted charge point is kept.

The kept lease has a higher epoch. Each session compares its own epoch with the lease at least every 10 s, so
a session of the deleted charge point finds the higher epoch and closes.
"""

AUTO_REGISTERED_MOST = 2000
"""With so many charge points of a tenant in a partition, csms registers no further one by itself.

All 256 partitions together then have about 500,000 charge points of the tenant.
"""

_DELETED = json.encode("deleted")
_AGAIN = 10
_BOUND = Bound(read=500, loaded=500)
_AT_ONCE = 500
_NOBODYS_RECORD = {
    b"registered_ms": b"1",
    b"auto_registered": b"0",
    b"strict": b"0",
    b"registration": b"Accepted",
}
_NOBODYS_SECURITY = {b"password": b'{"digest":"' + b"0" * 64 + b'","set_ms":1}', b"version": b"1"}
"""What is read in place of the hashes of an unknown charge point."""
_STRAY_STREAMS = range(256)
"""The numbers that name the sets of stray meter values of a charge point.

The set of each connector from 0 to 254 has the connector's number. All other connectors share set 255.
"""


class Booted(msgspec.Struct, frozen=True):
    """The answer to a BootNotification.

    If `interval_s` is None, the gateway's own heartbeat interval applies.
    """

    status: BootStatus
    interval_s: int | None


class Filters(TypedDict, total=False):
    """Which charge points a list has, and which page of it. The list without filters has all of them."""

    cursor: str | None
    limit: int
    online: bool | None
    boot_status: BootStatus | None
    prefix: str


class OpenTransactions(NamedTuple):
    """Transactions that prevent the deletion of their charge point.

    `first` is the public id of the one that began first.
    """

    first: str
    number: int


async def put(store: Store, tenant: str, charge_point: str, settings: Settings) -> bool:
    """Register a charge point or replace its settings, and return whether it is new."""
    keys = ChargePointKeys(tenant, charge_point)
    # The spelling of the id is stored before the charge point. A spelling without a charge point does no
    # harm, but a charge point without a spelling cannot be found by an id in another case.
    await spellings.remember(store, tenant, charge_point)
    [word] = await store.step(
        "charge_points/put",
        (keys.record, keys.charge_points, keys.events),
        (keys.member, keys.id, *settings_fields(settings)),
    )
    return bool(word == b"created")


async def change(
    store: Store, tenant: str, charge_point: str, decide: Callable[[ChargePointRecord], Settings]
) -> bool:
    """Replace the settings of a charge point by those that `decide` makes of the present ones.

    `decide` may be called more than once. Returns False if the charge point is not registered.
    """
    key = ChargePointKeys(tenant, charge_point).record

    async def attempt() -> guarded.Outcome:
        stored = await store.execute("HGETALL", key)
        found = read_charge_point(tenant, charge_point, stored)
        if found is None:
            return "gone"
        wanted = settings_fields(decide(found))
        return await guarded.change(store, key, "registered_ms", _stored_settings(stored, wanted), wanted)

    return await guarded.until_unchanged(attempt)


async def get(store: Store, tenant: str, charge_point: str) -> ChargePointRecord | None:
    reply = await store.execute("HGETALL", ChargePointKeys(tenant, charge_point).record)
    return read_charge_point(tenant, charge_point, reply)


async def get_with_security(
    store: Store, tenant: str, charge_point: str
) -> tuple[ChargePointRecord | None, Security]:
    """Read a charge point and what it must prove, in one round trip.

    An unknown charge point takes as much work as a known one.
    """
    keys = ChargePointKeys(tenant, charge_point)
    record, proof = await store.pipeline([("HGETALL", keys.record), ("HGETALL", keys.security)])
    return _read_with_security(tenant, charge_point, record, proof)


async def get_with_token(
    store: Store, pepper: bytes, tenant: str, secret: str, charge_point: str
) -> tuple[tokens.Shown, ChargePointRecord | None, Security]:
    """Read all that a handshake needs, in one round trip: the token in the path, and `get_with_security`."""
    keys = ChargePointKeys(tenant, charge_point)
    shown, record, proof = await store.pipeline(
        [tokens.command(tenant, secret), ("HGETALL", keys.record), ("HGETALL", keys.security)]
    )
    found = tokens.read_shown(pepper, tenant, secret, shown)
    return found, *_read_with_security(tenant, charge_point, record, proof)


def _read_with_security(
    tenant: str, charge_point: str, record: Mapping[bytes, bytes], proof: dict[bytes, bytes]
) -> tuple[ChargePointRecord | None, Security]:
    found = read_charge_point(tenant, charge_point, record)
    if found is None:
        read_charge_point(tenant, charge_point, _NOBODYS_RECORD)
        security.decode(_NOBODYS_SECURITY)
    return found, security.decode(proof)


async def accept(store: Store, tenant: str, charge_point: str) -> bool:
    """Answer the charge point's next BootNotification with Accepted.

    False means that the charge point is not registered.
    """
    accepted: BootStatus = "Accepted"
    [word] = await store.step(
        "charge_points/accept", (ChargePointKeys(tenant, charge_point).record,), (accepted,)
    )
    return bool(word == b"accepted")


async def boot(store: Store, lease: Lease, payload: bytes) -> Booted:
    """Store a BootNotification (JSON), and return the answer that the stored policy `registration` gives.

    Changes of the configuration that waited for a reboot become current values. Raises Superseded or
    LeaseLost.
    """
    keys = lease.keys
    word, *rest = await store.step(
        "charge_points/boot",
        (*lease.head_keys(), keys.record, keys.configuration, keys.configuration_pending),
        (*lease.head_args(), payload),
    )
    require(word)
    status, registration_interval, heartbeat_interval = rest
    registration: BootStatus = msgspec.convert(status.decode(), BootStatus)
    if registration == "Accepted":
        return Booted(registration, int(heartbeat_interval or 0) or None)
    return Booted(registration, int(registration_interval or REGISTRATION_INTERVAL_S))


async def has_room(store: Store, keys: ChargePointKeys) -> bool:
    """Return whether a charge point may be registered by its first connection.

    A program that holds a tenant's token could register charge points without end. A partition holds an even
    share of a tenant's charge points, and one of its keys has their number.
    """
    return int(await store.execute("ZCARD", keys.charge_points)) < AUTO_REGISTERED_MOST


async def list_(
    store: Store,
    tenant: str,
    **filters: Unpack[Filters],
) -> Page[tuple[ChargePointRecord, Holding | None]]:
    """List charge points by id.

    A filtered page may have fewer than `limit` items although another page follows, because it looks at a
    thousand charge points at most. Raises BadCursor.
    """
    indexes = [key_names.charge_points(partition, tenant) for partition in range(key_names.PARTITIONS)]

    async def load(listed: Sequence[bytes]) -> list[tuple[bytes, tuple[ChargePointRecord, Holding | None]]]:
        read = await read_all(store, tenant, [member.decode() for member in listed])
        return [
            (found.id.encode(), (found, holding))
            for found, holding in read
            if passes(found, holding, filters)
        ]

    async def pick_listed(listed: Sequence[bytes]) -> list[bytes]:
        picked = await pick(store, [ChargePointKeys(tenant, member.decode()) for member in listed], filters)
        return [member for member, is_picked in zip(listed, picked, strict=True) if is_picked]

    prefix = filters.get("prefix", "").encode()
    limit, cursor = filters.get("limit", 100), filters.get("cursor")
    bound = _BOUND if picks(filters) else None
    return await list_filtered(
        store,
        indexes,
        load,
        limit=limit,
        cursor=cursor,
        prefix=prefix,
        bound=bound,
        pick=bound and pick_listed,
    )


def picks(filters: Filters) -> bool:
    """Return whether the filters look at more than the id."""
    return filters.get("online") is not None or filters.get("boot_status") is not None


async def pick(store: Store, keys: Sequence[ChargePointKeys], filters: Filters) -> list[bool]:
    """Return for each charge point whether it may pass the filters, which reads little of each."""
    online, boot_status = filters.get("online"), filters.get("boot_status")
    picked = [True] * len(keys)
    if online is not None:
        holders = await store.pipeline([("HGET", one.lease, "holder") for one in keys])
        picked = [bool(holder) == online for holder in holders]
    if boot_status is not None:
        statuses = await store.pipeline([("HGET", one.record, "boot_status") for one in keys])
        wanted = boot_status.encode()
        picked = [before and status == wanted for before, status in zip(picked, statuses, strict=True)]
    return picked


async def read_all(
    store: Store, tenant: str, ids: Sequence[str]
) -> list[tuple[ChargePointRecord, Holding | None]]:
    """Read the charge points with these ids. Unknown ones are left out."""
    keys = [ChargePointKeys(tenant, id_) for id_ in ids]
    records = await store.hashes([one.record for one in keys])
    held = await list_holdings(store, keys)
    return [
        (found, holding)
        for one, record, holding in zip(keys, records, held, strict=True)
        if (found := read_charge_point(tenant, one.id, record)) is not None
    ]


def passes(found: ChargePointRecord, holding: Holding | None, filters: Filters) -> bool:
    """Return whether a charge point passes the filters that do not look at its id."""
    online, boot_status = filters.get("online"), filters.get("boot_status")
    is_online = holding is not None and holding.online
    return online in {None, is_online} and boot_status in {None, found.boot_status}


async def delete(
    store: Store,
    tenant: str,
    charge_point: str,
    *,
    purge: bool = False,
    api_key: str | None = None,
    check: Callable[[ChargePointRecord | None], None] | None = None,
) -> bool | OpenTransactions:
    """Delete a charge point, unless one of its transactions is open.

    `api_key` is the id of the operator's key. `check` may raise an error if the charge point must not be
    deleted as it is, and may be called more than once. Its settings are deleted only as they were checked.

    Its finished transactions stay, with their meter values. With `purge`, they are destroyed, also those that
    an earlier deletion kept. The check and the deletion are one step. False means that nothing was deleted,
    because the charge point was not registered. The remains of an interrupted purge are removed even then.
    Commands that wait until the charge point is online are cancelled.
    The session of the charge point loses the lease at once, but the caller must close the socket.
    Transactions and meter values that arrive before the socket is closed are stored.
    """
    keys = ChargePointKeys(tenant, charge_point)
    waiting = (await commands.read_lists(store, keys)).waiting
    event = json.encode({"purged": purge} | ({} if api_key is None else {"api_key": api_key}))
    known = await _delete(store, keys, event, check, purge=purge)
    if isinstance(known, OpenTransactions):
        return known
    for id_ in waiting:
        await commands.settle(store, keys, id_, status="cancelled")
    await spellings.forget(store, tenant, charge_point)
    purged = await _bury(store, keys)
    if not purge:
        await _release_holds(store, keys)
    return known or (purge and purged)


async def _bury(store: Store, keys: ChargePointKeys) -> bool:
    """Destroy the transactions that a purge has moved aside, and return whether there were any."""
    found = False
    while buried := await store.execute("ZRANGE", keys.buried, 0, _AT_ONCE - 1):
        indexes = (keys.buried, keys.transactions, keys.open_transactions)
        queues = (
            key_names.unpacked(keys.partition),
            key_names.unarchived(keys.partition),
            key_names.archived(keys.partition),
        )
        found = True
        ids = [_id_of(listed) for listed in buried]
        await holds.release_finished(store, keys, ids)
        calls = [
            ((*indexes, *queues, keys.completed, *keys.of_transaction(id_)), (listed, keys.queued(id_)))
            for listed, id_ in zip(buried, ids, strict=True)
        ]
        await store.steps("charge_points/bury", calls)
    return found


async def _release_holds(store: Store, keys: ChargePointKeys) -> None:
    """Release the holds of the transactions that stay, in case an earlier release failed."""
    first, more = 0, True
    while more:
        listed = await store.execute("ZRANGE", keys.history, first, first + _AT_ONCE - 1)
        first, more = first + _AT_ONCE, len(listed) == _AT_ONCE
        await holds.release_finished(store, keys, list(map(_id_of, listed)))


def _id_of(listed: bytes) -> str:
    """Return the id of a transaction from its name in an index."""
    return listed.rpartition(b"/")[2].decode()


async def _delete(
    store: Store,
    keys: ChargePointKeys,
    event: bytes,
    check: Callable[[ChargePointRecord | None], None] | None,
    *,
    purge: bool,
) -> bool | OpenTransactions:
    strays = [keys.stray_values(number) for number in _STRAY_STREAMS]
    node = ""
    for _ in range(_AGAIN):
        read = () if check is None else await _read_checked(store, keys, check)
        word, *rest = await store.step(
            "charge_points/delete",
            (
                *(keys.lease, keys.held(node), keys.events, keys.record, keys.charge_points),
                *(keys.history, keys.open_transactions, keys.buried, keys.seen),
                *(*keys.deleted_with_it, *strays),
            ),
            (
                *(node, keys.member, keys.id, _DELETED, TOMBSTONE_MS),
                *(int(purge), event, *read),
            ),
        )
        if word == b"open":
            number, listed = rest
            return OpenTransactions(f"{keys.id}.{_id_of(listed)}", int(number))
        if word == b"again":
            node = rest[0].decode()
        elif word != b"changed":
            return bool(word == b"deleted")
    raise StoreUnavailable(
        "the charge point moved to another node or was changed at each attempt to delete it; try again"
    )


async def _read_checked(
    store: Store, keys: ChargePointKeys, check: Callable[[ChargePointRecord | None], None]
) -> list[Arg]:
    """Check the charge point, and return the names and values of its settings as the store has them."""
    stored = await store.execute("HGETALL", keys.record)
    found = read_charge_point(keys.tenant, keys.id, stored)
    check(found)
    return [] if found is None else _stored_settings(stored, settings_fields(found))


def _stored_settings(stored: Mapping[bytes, bytes], fields: Sequence[Arg]) -> list[Arg]:
    """Return the names of `fields`, each with its stored value. An empty text stands for no value."""
    return [part for name in fields[::2] for part in (name, stored.get(str(name).encode(), b""))]
