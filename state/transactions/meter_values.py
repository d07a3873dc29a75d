"""Meter values, stored compactly with their transaction, or among the strays if their transaction is unknown.

`append` is the hot path of the whole system. It is one Lua step, which does only what is necessary.
"""

from typing import Literal, NamedTuple, get_args

import msgspec
import trio

from state import compact
from state.keys import ChargePointKeys, decode, encode
from state.nodes.leases import Fence, Lease
from state.prepared import Prepared
from state.store import Store

_STOP = b"stop"
_NULL = msgspec.Raw(b"null")
_LAST_STREAM = 255
_AT_ONCE = 200
"""Messages that are unpacked before other tasks get their turn."""
_REMEMBERED = 4
"""Greatest number of prepared appends that a lease keeps, one for each connector that charges.

If one more append is prepared, all kept appends are removed first.
"""
_json = msgspec.json.encode


class StoredValues(msgspec.Struct, frozen=True, kw_only=True):
    """The meter values of one message. `payload` is the meterValue array, in JSON as received.

    `of_stop` means that the values are the transactionData of a stop. `connector_id` is None for a stop, or
    if it was unreadable. `as_sent` is a JSON object of the fields that were repaired or unreadable.
    """

    connector_id: int | None
    transaction_id: str | None
    received_ms: int
    payload: bytes
    of_stop: bool = False
    as_sent: bytes | None = None


class _Head(msgspec.Struct, frozen=True, array_like=True):
    connector_id: int | None = None
    as_sent: msgspec.Raw = _NULL


class Strays(NamedTuple):
    """The stray messages of a connector. `evicted` counts the removed ones of all connectors."""

    messages: list[StoredValues]
    evicted: int


Outcome = Literal["kept", "stray", "repeated"]


class Appended(NamedTuple):
    """Outcome of an append.

    `kept` means that the values are stored with their transaction. `stray` means that the values are stored
    among the strays, because they belong to no known transaction. `repeated` means that the values were
    stored before, so nothing was changed.
    """

    outcome: Outcome
    fence: Fence


# All outcomes are created once, because `append` is the hot path.
_APPENDED = {
    (outcome.encode(), fence.encode()): Appended(outcome, fence)
    for outcome in get_args(Outcome)
    for fence in get_args(Fence)
}


def pack_of_stop(data: bytes) -> bytes:
    """Pack the transactionData of a stop for the store."""
    return compact.pack(_STOP + b"\n" + data)


async def append(
    store: Store,
    lease: Lease,
    *,
    connector_id: int | None,
    transaction_id: str | None,
    payload: bytes,
    received_ms: int,
    as_sent: bytes | None = None,
) -> Appended:
    """Store a message's meterValue array (raw JSON). A repeated message is not stored again.

    The values are stored even if the session has lost the lease.
    """
    appends, name = lease.appends, (lease.epoch, connector_id, transaction_id)
    prepared = appends.get(name)
    if prepared is None:
        if len(appends) >= _REMEMBERED:
            appends.clear()
        prepared = appends[name] = _prepare(lease, connector_id, transaction_id)
    packed = compact.pack(b"%b\n%b" % (_head(connector_id, as_sent), payload))
    reply = await store.step_prepared(prepared, (packed, b"%d" % received_ms))
    return _APPENDED[reply[0], reply[1]]


def _head(connector_id: int | None, as_sent: bytes | None) -> bytes:
    """Return the first line of a stored message: the connector, or an object if more must be kept."""
    if as_sent is None and connector_id is not None:
        return b"%d" % connector_id
    return _json(_Head(connector_id, _NULL if as_sent is None else msgspec.Raw(as_sent)))


def _prepare(lease: Lease, connector_id: int | None, transaction_id: str | None) -> Prepared:
    """Prepare an append without its message. The result can be used as long as the transaction lasts."""
    keys, transaction, reference = lease.keys, "", "null"
    if transaction_id is not None:
        transaction, reference = transaction_id, _json(f"{keys.id}.{transaction_id}").decode()
    return Prepared(
        "transactions/meter_values_append",
        (
            *lease.head_keys(),
            keys.transaction(transaction),
            keys.values(transaction),
            keys.stray_values(_stream(connector_id)),
            keys.stray_counts,
            keys.open,
        ),
        (
            *lease.head_args(),
            encode(transaction),
            "" if connector_id is None else connector_id,
            f'{{"connector_id":{_json(connector_id).decode()},"transaction_id":{reference}}}',
        ),
        open_args=2,
    )


async def read(store: Store, tenant: str, charge_point: str, transaction_id: int | str) -> list[StoredValues]:
    """Return all meter values of a known transaction in the order of arrival.

    The values of the stop come last.
    """
    key = ChargePointKeys(tenant, charge_point).values(transaction_id)
    stored: dict[bytes, bytes] = await store.execute("HGETALL", key)
    found = [_unpack(record, int(received), str(transaction_id)) for record, received in stored.items()]
    # Values of the same millisecond are sorted by their text.
    return sorted(found, key=lambda m: (m.of_stop, m.received_ms, m.payload))


async def read_strays(store: Store, tenant: str, charge_point: str, connector_id: int) -> Strays:
    """Return the strays of a connector: messages of meter values that belong to no known transaction.

    The transactionData of orphaned stops is at connector 0. All connectors above 254 or below 0 share one
    set, and so do messages whose connector was unreadable.
    """
    keys = ChargePointKeys(tenant, charge_point)
    counts, stored = await store.pipeline(
        [
            ("HGET", keys.stray_counts, "evicted"),
            ("ZRANGE", keys.stray_values(_stream(connector_id)), 0, -1, "WITHSCORES"),
        ]
    )
    found = []
    for number, (member, score) in enumerate(stored):
        if number % _AT_ONCE == _AT_ONCE - 1:
            await trio.lowlevel.checkpoint()
        transaction_id, _, record = member.partition(b"\n")
        found.append(_unpack(record, int(score), decode(transaction_id.decode()) or None))
    return Strays(found, int(counts or 0))


def _stream(connector_id: int | None) -> int:
    """Return the number in the key of a connector's strays.

    All numbers that no real connector has share one key, so that a charge point cannot create keys without
    end.
    """
    return connector_id if connector_id is not None and 0 <= connector_id < _LAST_STREAM else _LAST_STREAM


def _unpack(record: bytes, received_ms: int, transaction_id: str | None) -> StoredValues:
    first, _, payload = compact.unpack(record).partition(b"\n")
    head = _Head() if first == _STOP else _read_head(first)
    return StoredValues(
        connector_id=head.connector_id,
        transaction_id=transaction_id,
        received_ms=received_ms,
        payload=payload,
        of_stop=first == _STOP,
        as_sent=None if head.as_sent == _NULL else bytes(head.as_sent),
    )


def _read_head(first: bytes) -> _Head:
    return msgspec.json.decode(first, type=_Head) if first[:1] == b"[" else _Head(int(first))
