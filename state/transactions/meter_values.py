"""Meter values: stored compactly with their transaction, or apart if nobody knows it.

The hot path of the whole system: one step, and no work here that is not needed.
"""

from typing import Literal, NamedTuple, get_args

import msgspec

from state import compact
from state.keys import ChargePointKeys, decode, encode
from state.nodes.leases import Fence, Lease
from state.prepared import Prepared
from state.store import Store

_STOP = b"stop"
_LAST_STREAM = 255
_REMEMBERED = 4
"""Connectors that charge at once; what else comes is spelled anew."""
_json = msgspec.json.encode


class StoredValues(msgspec.Struct, frozen=True, kw_only=True):
    """One message. `payload`: its meterValue array, JSON as received.

    `connector_id` is None for the transactionData of a stop.
    """

    connector_id: int | None
    transaction_id: str | None
    received_ms: int
    payload: bytes


Outcome = Literal["kept", "stray", "repeated"]


class Appended(NamedTuple):
    """`stray`: of no transaction that is known here; `repeated`: nothing was changed."""

    outcome: Outcome
    fence: Fence


# Made once, for the hot path.
_APPENDED = {
    (outcome.encode(), fence.encode()): Appended(outcome, fence)
    for outcome in get_args(Outcome)
    for fence in get_args(Fence)
}


def pack_of_stop(data: bytes) -> bytes:
    """Pack a stop's transactionData as it is stored."""
    return compact.pack(_STOP + b"\n" + data)


async def append(
    store: Store,
    lease: Lease,
    *,
    connector_id: int,
    transaction_id: str | None,
    payload: bytes,
    received_ms: int,
) -> Appended:
    """Store a message's meterValue array (raw JSON), once however often it comes; a stale session's too."""
    appends, name = lease.appends, (lease.epoch, connector_id, transaction_id)
    prepared = appends.get(name)
    if prepared is None:
        if len(appends) >= _REMEMBERED:
            appends.clear()
        prepared = appends[name] = _prepare(lease, connector_id, transaction_id)
    packed = compact.pack(b"%d\n%b" % (connector_id, payload))
    reply = await store.step_prepared(prepared, (packed, b"%d" % received_ms))
    return _APPENDED[reply[0], reply[1]]


def _prepare(lease: Lease, connector_id: int, transaction_id: str | None) -> Prepared:
    """All of an append but the message itself: the same as long as a transaction lasts."""
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
        ),
        (
            *lease.head_args(),
            encode(transaction),
            f'{{"connector_id":{connector_id},"transaction_id":{reference}}}',
        ),
        open_args=2,
    )


async def read(store: Store, tenant: str, charge_point: str, transaction_id: int | str) -> list[StoredValues]:
    """Read all of a known transaction in the order of arrival, but a stop's transactionData last."""
    key = ChargePointKeys(tenant, charge_point).values(transaction_id)
    stored: dict[bytes, bytes] = await store.execute("HGETALL", key)
    found = [_unpack(record, int(received), str(transaction_id)) for record, received in stored.items()]
    # Within one millisecond: by their text.
    return sorted(found, key=lambda m: (m.connector_id is None, m.received_ms, m.payload))


async def read_strays(store: Store, tenant: str, charge_point: str, connector_id: int) -> list[StoredValues]:
    """Read the latest 256 of a connector that belong to no known transaction.

    The transactionData of orphaned stops is at connector 0. Connectors beyond 254 share their 256.
    """
    key = ChargePointKeys(tenant, charge_point).stray_values(_stream(connector_id))
    found = []
    for member, score in await store.execute("ZRANGE", key, 0, -1, "WITHSCORES"):
        transaction_id, _, record = member.partition(b"\n")
        found.append(_unpack(record, int(score), decode(transaction_id.decode()) or None))
    return found


def _stream(connector_id: int) -> int:
    """Keep a charge point that makes up connectors from making up keys."""
    return connector_id if 0 <= connector_id < _LAST_STREAM else _LAST_STREAM


def _unpack(record: bytes, received_ms: int, transaction_id: str | None) -> StoredValues:
    head, _, payload = compact.unpack(record).partition(b"\n")
    return StoredValues(
        connector_id=None if head == _STOP else int(head),
        transaction_id=transaction_id,
        received_ms=received_ms,
        payload=payload,
    )
