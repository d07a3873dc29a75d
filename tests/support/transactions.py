"""Helpers that the tests of transactions and meter values share."""

from collections.abc import Sequence
from typing import Any

import msgspec

from state import compact
from state.keys import ChargePointKeys
from state.nodes.leases import Lease
from state.store import Store
from state.transactions import Start, Started, Stop, Stopped, meter_values, start, stop
from state.transactions.stored_values import StoredValues, text_of
from tests.support import charging_messages

type Sent = tuple[int, bytes]
"""The time of receipt and the meterValue array of a message."""

ANSWER = b'{"status":"Accepted"}'
_START = Start(
    connector_id=1,
    id_tag="Tag",
    timestamp="2026-01-01T00:00:00Z",
    started_ms=1_767_225_600_000,
    plausible=True,
    meter_start=100,
    received_ms=1_767_225_601_000,
)
_STOP = Stop(
    transaction_id="1",
    timestamp="2026-01-01T01:00:00Z",
    stopped_ms=1_767_229_200_000,
    meter_stop=200,
    received_ms=1_767_229_201_000,
)


def a_start(**changes: Any) -> Start:
    return msgspec.structs.replace(_START, **changes)


def a_stop(transaction_id: int | str, **changes: Any) -> Stop:
    return msgspec.structs.replace(_STOP, transaction_id=str(transaction_id), **changes)


async def claimed(store: Store, name: str = "CP.1", *, epoch: int = 1, tenant: str = "demo") -> Lease:
    lease = Lease(ChargePointKeys(tenant, name), "node/1", epoch)
    await store.execute("HSET", lease.keys.lease, "epoch", epoch, "holder", lease.holder)
    return lease


async def events(store: Store, lease: Lease) -> list[tuple[str, dict[str, Any]]]:
    found = []
    for _, flat in await store.execute("XRANGE", lease.keys.events, "-", "+"):
        entry = dict(zip(flat[::2], flat[1::2], strict=True))
        assert entry[b"of"].decode() == lease.keys.member
        found.append((entry[b"kind"].decode(), msgspec.json.decode(entry[b"data"])))
    return found


def seconds_since_2025(store: Store) -> int:
    return store.server_time_ms() // 1000 - 1_735_689_600


async def read_values(
    store: Store, transaction_id: int | str, *, limit: int = 1000, charge_point: str = "CP.1"
) -> list[StoredValues]:
    """Read all pages of a transaction's meter values."""
    found: list[StoredValues] = []
    after: str | None = None
    while True:
        page = await meter_values.read_page(
            store, "demo", charge_point, transaction_id, after=after, limit=limit
        )
        found.extend(page.items)
        if (after := page.next) is None:
            return found
        assert page.items, "a page that is not the last has messages"


async def start_one(store: Store, lease: Lease, **changes: object) -> Started:
    outcome = await start(store, lease, a_start(**changes), ANSWER)
    assert isinstance(outcome, Started)
    return outcome


async def stop_one(store: Store, lease: Lease, transaction_id: int, **changes: object) -> Stopped:
    outcome = await stop(store, lease, a_stop(transaction_id, **changes), ANSWER)
    assert type(outcome) is Stopped
    return outcome


async def begin(store: Store, lease: Lease, fact: Start = _START) -> int:
    outcome = await start(store, lease, fact, ANSWER)
    assert isinstance(outcome, Started)
    return outcome.id


async def append(store: Store, lease: Lease, id_: int, message: Sent) -> meter_values.Appended:
    """Append a message to a transaction at connector 1."""
    received_ms, payload = message
    return await meter_values.append(
        store, lease, connector_id=1, transaction_id=str(id_), payload=payload, received_ms=received_ms
    )


async def send(store: Store, lease: Lease, id_: int, messages: Sequence[Sent]) -> list[str]:
    """Append messages, and return the outcomes."""
    return [(await append(store, lease, id_, message)).outcome for message in messages]


async def fill(store: Store, lease: Lease, id_: int, messages: Sequence[Sent]) -> None:
    """Store many messages at once, as `append` would."""
    fields = [
        part for at_ms, payload in messages for part in (compact.pack(text_of(1, None, payload)), at_ms)
    ]
    for first in range(0, len(fields), 2000):
        await store.execute("HSET", lease.keys.values(id_), *fields[first : first + 2000])


def charging(count: int) -> list[Sent]:
    return list(charging_messages.messages(count))
