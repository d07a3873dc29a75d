"""Meter values, stored compactly with their transaction, or among the strays if their transaction is unknown.

`append` is the hot path of the whole system. It is one Lua step, which does only what is necessary.
"""

import re
from bisect import bisect_right
from itertools import accumulate
from operator import itemgetter
from typing import Literal, NamedTuple, get_args

import msgspec
import trio

from state import compact
from state.keys import ChargePointKeys, decode, encode
from state.nodes.leases import Fence, Lease
from state.paging import BadCursor, Page, decode_cursor, encode_cursor
from state.prepared import Prepared
from state.store import Store
from state.transactions.stored_values import (
    Place,
    StoredValues,
    digest,
    is_of_stop,
    is_packed_of_stop,
    read_text,
    text_of,
    text_of_stop,
)

_LAST_STREAM = 255
_AT_ONCE = 200
"""Messages that are unpacked before other tasks get their turn."""
_SCANNED = 500
"""Unpacked messages that the server reads at once."""
_PAGE_BYTES = 2 << 20
"""Bytes of payload after which a page ends, whatever its limit is."""
_PLACE = re.compile(r"([01])\.([0-9]{1,15})\.([0-9a-f]{16})")
_REMEMBERED = 4
"""Greatest number of prepared appends that a lease keeps, one for each connector that charges.

If one more append is prepared, all kept appends are removed first.
"""
_json = msgspec.json.encode


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
    return compact.pack(text_of_stop(data))


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
    packed = compact.pack(text_of(connector_id, as_sent, payload))
    reply = await store.step_prepared(prepared, (packed, b"%d" % received_ms))
    return _APPENDED[reply[0], reply[1]]


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
    """Return all meter values of a known transaction in the order of `read_page`."""
    found: list[StoredValues] = []
    after = None
    while True:
        page = await read_page(store, tenant, charge_point, transaction_id, after=after)
        found.extend(page.items)
        if (after := page.next) is None:
            return found


async def read_page(
    store: Store,
    tenant: str,
    charge_point: str,
    transaction_id: int | str,
    *,
    after: str | None = None,
    limit: int = 1000,
) -> Page[StoredValues]:
    """Return meter values of a known transaction in the order of arrival. The values of the stop come last.

    `after` is the member `next` of the page before. A page has at most `limit` messages. It ends early if its
    payloads are long. Raises BadCursor.
    """
    key = ChargePointKeys(tenant, charge_point).values(transaction_id)
    begin = None if after is None else _read_cursor(after)
    found = await _read_unpacked(store, key, begin, limit + 1)
    wanted = _cut(found, limit)
    page = tuple(read_text(text, place.received_ms, str(transaction_id)) for place, text in wanted)
    return Page(page, _cursor(wanted[-1][0]) if len(wanted) < len(found) else None)


def _cut(found: list[tuple[Place, bytes]], limit: int) -> list[tuple[Place, bytes]]:
    """Return the messages that fit on one page, at least one."""
    sizes = accumulate(len(text) for _, text in found)
    return found[: max(1, min(limit, bisect_right(list(sizes), _PAGE_BYTES)))]


async def _read_unpacked(store: Store, key: str, after: Place | None, most: int) -> list[tuple[Place, bytes]]:
    """Return the first `most` messages after a place, with their texts. The server keeps them in no order."""
    first = (False, 0) if after is None else after[:2]
    best: dict[bytes, tuple[bool, int]] = {}  # The server may return a message twice.
    scan = b"0"
    while True:
        scan, flat = await store.execute("HSCAN", key, scan, "COUNT", _SCANNED)
        for record, received in zip(flat[::2], flat[1::2], strict=True):
            rough = is_packed_of_stop(record), int(received)
            if rough >= first:
                best[record] = rough
        if scan == b"0":
            break
        if len(best) > 2 * most + _SCANNED:
            best = _first(best, most, first)
    found = []
    for number, (record, (_, received_ms)) in enumerate(_first(best, most, first).items(), 1):
        text = compact.unpack(record)
        place = Place(is_of_stop(text), received_ms, digest(text))
        if after is None or place > after:
            found.append((place, text))
        if number % _AT_ONCE == 0:
            await trio.lowlevel.checkpoint()
    return sorted(found)[:most]


def _first(
    found: dict[bytes, tuple[bool, int]], most: int, equal: tuple[bool, int]
) -> dict[bytes, tuple[bool, int]]:
    """Return the first `most` messages and those of the same millisecond as the last.

    Messages whose time is `equal` to that of the page before may be on that page, so they do not count.
    """
    ordered = sorted(found.items(), key=itemgetter(1))
    beyond = [rough for _, rough in ordered if rough > equal]
    if len(beyond) <= most:
        return dict(ordered)
    return {record: rough for record, rough in ordered if rough <= beyond[most - 1]}


def _cursor(place: Place) -> str:
    return encode_cursor(b"%d.%d.%b" % (place.of_stop, place.received_ms, place.digest.hex().encode()))


def _read_cursor(cursor: str) -> Place:
    """Raises BadCursor."""
    found = _PLACE.fullmatch(decode_cursor(cursor).decode("ascii", "replace"))
    if found is None:
        raise BadCursor("the cursor is not one that a page returned; omit it to start at the first page")
    return Place(found[1] == "1", int(found[2]), bytes.fromhex(found[3]))


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
        text = compact.unpack(record)
        found.append(read_text(text, int(score), decode(transaction_id.decode()) or None))
    return Strays(found, int(counts or 0))


def _stream(connector_id: int | None) -> int:
    """Return the number in the key of a connector's strays.

    All numbers that no real connector has share one key, so that a charge point cannot create keys without
    end.
    """
    return connector_id if connector_id is not None and 0 <= connector_id < _LAST_STREAM else _LAST_STREAM
