"""The transaction that runs on each connector, as far as we know."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from state import holds
from state import keys as key_names
from state.keys import ChargePointKeys
from state.nodes.leases import Lease, require
from state.store import Store
from state.tenants.id_tags import fold
from state.transactions.listing import public_id

_PAGE = 1000


class RunningTransaction(NamedTuple):
    """An open transaction.

    `started_ms` is the time by the charge point's clock, and `received_ms` is the time by our clock.
    """

    connector_id: int
    id: int
    started_ms: int
    received_ms: int


class Hold(NamedTuple):
    """The id tag and the fingerprint of a start.

    Together with the charge point they name the hold of a transaction.
    """

    id_tag: str
    fingerprint: str

    def is_of(self, id_tag: str) -> bool:
        """Return whether the hold is one of this id tag."""
        return fold(self.id_tag) == fold(id_tag)


class Open(NamedTuple):
    """A value of the hash `open`, which names the open transaction of a connector."""

    id: int
    hold: Hold


def read_open(pointer: bytes) -> Open | None:
    """Read a value of the hash `open`. Returns None for an empty text."""
    if not pointer:
        return None
    id_, mark, tag = pointer.decode().split(" ", 2)
    return Open(int(id_), Hold(tag, mark))


def read_hold(pointer: bytes) -> Hold | None:
    """Return the hold that a value of the hash `open` names. Returns None for an empty text."""
    found = read_open(pointer)
    return None if found is None else found.hold


async def list_with_open(store: Store, partition: int, tenants: Iterable[str]) -> set[str]:
    """Return the charge points (`member`) of these tenants that have open transactions in this partition."""
    found: set[str] = set()
    for tenant in tenants:
        key, first, more = key_names.open_transactions(partition, tenant), 0, True
        while more:
            page = await store.execute("ZRANGE", key, first, first + _PAGE - 1)
            first, more = first + _PAGE, len(page) == _PAGE
            # The middle part of a name in the index is the encoded id of the charge point.
            found |= {f"{key_names.encode(tenant)}/{name.decode().split('/')[1]}" for name in page}
    return found


def superseding(charge_point: str, connector_id: int | None, earlier: int, later: int) -> bytes:
    """Return the data of the event about a transaction whose connector began another one."""
    return msgspec.json.encode(
        {
            "transaction_id": public_id(charge_point, earlier),
            "superseded_by": public_id(charge_point, later),
            "connector_id": connector_id,
        }
    )


async def set_pointers(store: Store, lease: Lease) -> None:
    """Note on which connectors the transactions run that began while the lease was lost.

    Of two transactions of a connector, the later one supersedes the earlier one, whose hold is released. Call
    this after the lease was taken again. Raises Superseded or LeaseLost.
    """
    for connector, pointer in list(lease.unpointed.items()):
        superseded = await _set_pointer(store, lease, connector, pointer)
        if superseded is not None:
            await release_hold(store, lease.keys, superseded)
        if lease.unpointed.get(connector) == pointer:
            del lease.unpointed[connector]


async def _set_pointer(store: Store, lease: Lease, connector: int, pointer: str) -> Hold | None:
    """Return the hold of the transaction that is superseded, if there is one."""
    keys, id_, other = lease.keys, int(pointer.partition(" ")[0]), None
    while True:
        event = b""
        if other is not None:
            event = superseding(keys.id, connector, min(id_, other.id), max(id_, other.id))
        word, *named = await store.step(
            "transactions/set_pointer",
            (
                *(*lease.head_keys(), keys.open, keys.open_transactions),
                *(keys.transaction(id_), keys.transaction("" if other is None else other.id)),
            ),
            (*lease.head_args(), connector, pointer, event),
        )
        require(word)
        if word != b"again":
            return read_hold(named[0]) if named else None
        other = read_open(named[0])


async def read_start_times(store: Store, keys: ChargePointKeys, id_: int) -> tuple[int, int] | None:
    """Return when a transaction began, by the charge point's clock and by ours, or None if it is gone."""
    started_ms, received_ms = await store.execute("HMGET", keys.transaction(id_), "ms", "received_ms")
    return None if started_ms is None else (int(started_ms), int(received_ms))


async def list_running(store: Store, tenant: str, charge_point: str) -> list[RunningTransaction]:
    """Return the running transactions, at most one for each connector.

    The running transaction of a connector is the last that began there, unless that transaction has ended.
    """
    keys = ChargePointKeys(tenant, charge_point)
    pointers = await store.execute("HGETALL", keys.open)
    ids = {int(connector): int(pointer.split(b" ", 1)[0]) for connector, pointer in pointers.items()}
    reads = [("HMGET", keys.transaction(id_), "ms", "received_ms") for id_ in ids.values()]
    times = await store.pipeline(reads)
    return [
        RunningTransaction(connector, id_, int(started_ms), int(received_ms))
        for (connector, id_), (started_ms, received_ms) in zip(ids.items(), times, strict=True)
        if started_ms is not None
    ]


async def release_hold(store: Store, keys: ChargePointKeys, hold: Hold) -> None:
    """Release the hold of a transaction that may still be open."""
    await holds.release(store, keys, hold.id_tag, hold.fingerprint)


async def prolong_holds(store: Store, leases: Sequence[Lease]) -> None:
    """Prolong the holds of the open transactions of these charge points.

    Only drivers with a limit have holds.
    """
    pointers = await store.pipeline([("HVALS", lease.keys.open) for lease in leases])
    wanted = [
        (lease.keys, *hold)
        for lease, of_one in zip(leases, pointers, strict=True)
        for pointer in of_one
        if (hold := read_hold(pointer))
    ]
    await holds.prolong(store, wanted)
