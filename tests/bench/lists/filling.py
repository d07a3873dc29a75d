"""A store with many charge points and transactions, written by pipelines.

The steps make one charge point and one transaction. All others are copies of their hashes, with other names,
numbers and times, and with the entries in indexes and streams that the steps make.
"""

from collections.abc import Iterator
from itertools import batched
from pathlib import Path

import msgspec

from admin.archive.archive import Item
from admin.archive.lines import Line
from admin.http import times
from state import keys as key_names
from state.charge_points import boot, charge_points
from state.charge_points.connectors import Connector, record_status
from state.commands import submit
from state.keys import ChargePointKeys
from state.store import Store
from state.tenants import refusal_records, tenants
from state.tenants.id_tags import IdTag
from state.tenants.refusal_records import Refusals
from state.transactions import start, stop
from state.transactions.listing import index_name
from tests.admin.api import TENANT
from tests.support import leases
from tests.support.archives import a_line, a_transaction, a_value, put
from tests.support.transactions import ANSWER, a_start, a_stop, charging

NOW_MS = 1_782_864_000_000
"""2026-07-01. The last of the transactions stopped a moment before."""
DAYS = 30
"""The transactions stopped evenly in so many days, and each was received a second after its stop."""
BUSY = "CP-000000"
"""Has a tenth of all transactions."""
RARE_TAG, COMMON_TAG, NO_TAG = "RARE", "COMMON", "NOBODY"
OPEN_EACH = 10
"""One of so many charge points has an open transaction, and no other transaction."""
_DAY_MS = 86_400_000
_LASTED_MS = 3_600_000
_MESSAGES = 20
"""Messages with meter values of an archived transaction."""
COMMANDS, REFUSALS = 1_000, 5_000
"""As many as are kept: commands of a charge point, and records of refused handshakes of a tenant."""
ARCHIVED = 3_000
"""Transactions that are only in the archive. All of them began before those in the store."""
_AT_ONCE = 1_000
_BOOT = {
    "chargePointVendor": "Acme",
    "chargePointModel": "Bolt 22",
    "chargePointSerialNumber": "4711-0815-2222",
    "firmwareVersion": "1.2.3-4567",
}

type Command = tuple[str | int | bytes, ...]
type Hash = dict[bytes, bytes]


class Patterns(msgspec.Struct, frozen=True):
    """The hashes that the steps made, of which all others are copies."""

    record: Hash
    lease: Hash
    connectors: Hash
    open: Hash
    stopped: Hash
    entry: Hash


async def fill(store: Store, count: int) -> None:
    """Store `count` charge points, transactions and id tags."""
    await tenants.put(store, TENANT, name="Acme", auto_register=False)
    patterns = await _make_patterns(store)
    for numbers in batched(range(count), _AT_ONCE, strict=False):
        commands: list[Command] = []
        for number in numbers:
            commands += _charge_point(patterns, number)
            commands += _transaction(patterns, number, count)
            commands += _id_tag(number)
        await store.pipeline(commands)
    for _ in range(COMMANDS):
        await submit(
            store, TENANT, BUSY, action="Reset", payload=b'{"type":"Soft"}', ttl_ms=60_000, reply_to="node"
        )
    await refusal_records.record(store, [(_refusal(number), "stranger") for number in range(REFUSALS)])


def fill_archive(directory: Path) -> None:
    """Write an archive. Each transaction has some meter values."""
    first_ms = NOW_MS - 2 * DAYS * _DAY_MS
    values = [a_value(payload, received_ms=at_ms) for at_ms, payload in charging(_MESSAGES)]
    items: list[Item] = []
    for number in range(ARCHIVED):
        stopped_ms = first_ms + number * DAYS * _DAY_MS // ARCHIVED // 1000 * 1000
        found = a_transaction(
            id=1 + number % 1_000,
            charge_point=f"CP-{number // 1_000:06}",
            started_at=times.text(stopped_ms - _LASTED_MS),
            started_ms=stopped_ms - _LASTED_MS,
            stopped_at=times.text(stopped_ms),
            stopped_ms=stopped_ms,
        )
        line = a_line(TENANT, found, stopped_ms, [values])
        items.append(Item(found.charge_point, found.id, found.started_ms, stopped_ms, Line([line])))
    put(directory, *items, tenant=TENANT)


def _refusal(number: int) -> Refusals:
    return Refusals(
        tenant=TENANT,
        charge_point=f"STRANGER-{number:06}",
        address="192.0.2.7",
        reason="unknown_charge_point",
        times=1,
        first_ms=NOW_MS,
        last_ms=NOW_MS + number,
        detail="",
    )


async def _make_patterns(store: Store) -> Patterns:
    keys = ChargePointKeys(TENANT, "PATTERN")
    claimed = await leases.claimed(store, "node/1", keys)
    await boot(store, claimed.lease, msgspec.json.encode(_BOOT))
    status = Connector(connector_id=1, status="Available", error_code="NoError", received_ms=NOW_MS)
    await record_status(store, claimed.lease, status)
    begun = await start(store, claimed.lease, a_start(), ANSWER)
    running = await store.execute("HGETALL", keys.transaction(begun.id))
    over = a_stop(begun.id, reason="EVDisconnected")
    await stop(store, claimed.lease, over, ANSWER)
    [[_, entry]] = await store.execute("XRANGE", keys.completed, "-", "+")
    made = Patterns(
        record=await store.execute("HGETALL", keys.record),
        lease=await store.execute("HGETALL", keys.lease),
        connectors=await store.execute("HGETALL", keys.connectors),
        open=running,
        stopped=await store.execute("HGETALL", keys.transaction(begun.id)),
        entry=dict(zip(entry[::2], entry[1::2], strict=True)),
    )
    await store.pipeline([("UNLINK", keys.completed), ("UNLINK", key_names.unpacked(keys.partition))])
    await charge_points.delete(store, TENANT, keys.id, purge=True)
    return made


def _charge_point(patterns: Patterns, number: int) -> Iterator[Command]:
    """A third of the charge points is offline, and one of a thousand waits for an operator."""
    keys = ChargePointKeys(TENANT, f"CP-{number:06}")
    record = patterns.record | {b"description": b"Bay 7"}
    if number % 1_000 == 7:
        record |= {b"boot_status": b"Pending", b"registration": b"Pending"}
    away = {b"holder": b"", b"node": b"", b"until_ms": b"%d" % (NOW_MS - _DAY_MS)} if number % 3 == 0 else {}
    yield _set(keys.record, record)
    yield _set(keys.lease, patterns.lease | away)
    yield _set(keys.connectors, patterns.connectors)
    yield "ZADD", keys.charge_points, 0, keys.id
    yield "HSET", keys.seen, keys.member, NOW_MS // 1000


def _transaction(patterns: Patterns, number: int, count: int) -> Iterator[Command]:
    is_open = number % OPEN_EACH == 1
    keys = ChargePointKeys(TENANT, BUSY if number % 10 == 0 else f"CP-{number:06}")
    # Most charge points send whole seconds.
    stopped_ms = (NOW_MS - DAYS * _DAY_MS + number * DAYS * _DAY_MS // count) // 1000 * 1000
    received_ms, id_ = stopped_ms + 1_000, 1_000 + number
    listed = index_name(keys.id, stopped_ms - _LASTED_MS, id_)
    tag = RARE_TAG if number % 10_000 == 5 else COMMON_TAG if number % 2 else f"TAG-{number:06}"
    fields = (patterns.open if is_open else patterns.stopped) | {
        b"listed": listed.encode(),
        b"tag": tag.encode(),
        b"at": _text(stopped_ms - _LASTED_MS),
        b"ms": b"%d" % (stopped_ms - _LASTED_MS),
        b"received_ms": b"%d" % (stopped_ms - _LASTED_MS),
    }
    yield "ZADD", keys.history, 0, listed
    yield "ZADD", keys.transactions, 0, listed
    if is_open:
        yield "ZADD", keys.open_transactions, 0, listed
    else:
        entry = patterns.entry | {
            b"of": keys.queued(id_).partition("/")[2].encode(),
            b"stopped_ms": b"%d" % stopped_ms,
        }
        # Several transactions of a partition may have been received in one millisecond.
        position = f"{received_ms}-{number % 1_000}"
        fields |= {
            b"stop_at": _text(stopped_ms),
            b"stop_ms": b"%d" % stopped_ms,
            b"stop_received_ms": b"%d" % received_ms,
            b"entries": position.encode(),
        }
        yield "XADD", keys.completed, position, *_flat(entry)
    yield _set(keys.transaction(id_), fields)


def _id_tag(number: int) -> Iterator[Command]:
    tag = IdTag(tag=f"TAG-{number:06}", expiry_date="2030-01-01T00:00:00Z", parent_id_tag="FLEET")
    folded = tag.tag.lower()
    yield "ZADD", key_names.id_tags(TENANT), 0, folded
    yield "SET", key_names.id_tag(TENANT, folded), msgspec.json.encode(tag)


def _text(ms: int) -> bytes:
    return times.text(ms).replace(".000Z", "Z").encode()


def _set(key: str, fields: Hash) -> Command:
    return "HSET", key, *_flat(fields)


def _flat(fields: Hash) -> list[bytes]:
    return [part for pair in fields.items() for part in pair]
