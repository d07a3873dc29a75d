"""Meter values, stored compactly with their transaction, or among the strays if their transaction is unknown.

`append` is the hot path of the whole system. It nearly always is one short Lua step.
"""

import re
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from itertools import accumulate
from time import monotonic
from typing import Literal, NamedTuple, get_args

import msgspec
import trio

from state import compact
from state.errors import StoreUnavailable
from state.keys import ChargePointKeys, decode, encode, unpacked
from state.nodes.leases import Fence, Lease
from state.paging import BadCursor, Page, decode_cursor, encode_cursor
from state.prepared import Prepared
from state.store import Store
from state.transactions import packed_values, unpacked_values
from state.transactions.blocks import Message
from state.transactions.stored_values import (
    Place,
    StoredValues,
    digest,
    place_of,
    place_of_values,
    read_text,
    text_of,
)
from state.transactions.unpacked_values import Rough

_LAST_STREAM = 255
_AT_ONCE = 200
"""Messages that are unpacked before other tasks get their turn."""
_LATEST = 1000
_PAGE_BYTES = 2 << 20
"""Bytes of payload after which a page ends, whatever its limit is."""
_PLACE = re.compile(r"([01])\.([0-9]{1,15})\.([0-9a-f]{16})")
_STRAY_PLACE = re.compile(r"([0-9]{1,15})\.([0-9]{1,6})")
_REMEMBERED = 4
"""Greatest number of prepared appends that a lease keeps, one for each connector that charges.

If one more append is prepared, all kept appends are removed first.
"""
_SHORT = 256
"""Length in bytes of a packed message that the checks need not count. Good messages have about 100 bytes.

A transaction may have 100,000 messages, which is more than one every 10 s for a week, and 32 MiB of messages
that are longer than this (lua/_values.lua). So no charge point can fill the store with one transaction.
"""
_UNCHECKED = 100
"""Greatest number of short messages that a session stores before the next check of what a transaction has."""
UNCHECKED_S = 600.0
"""Longest time between two checks. UNCHECKED_MS in lua/_prelude.lua must allow for it.

Each check also keeps the stream of events from expiring.
"""
_ATTEMPTS = 3
_json = msgspec.json.encode


class LastRead(msgspec.Struct, frozen=True, gc=False):
    """The energy register and the power that a message shows last, or None if it shows none."""

    energy_wh: int | None
    power_w: int | None


NOTHING_READ = LastRead(None, None)


class Strays(NamedTuple):
    """The stray messages of a connector. `evicted` counts the removed ones of all connectors."""

    messages: list[StoredValues]
    evicted: int


Outcome = Literal["kept", "stray", "repeated", "dropped"]


class Appended(NamedTuple):
    """Outcome of an append.

    `kept` means that the values are stored with their transaction. `stray` means that the values are stored
    among the strays, because they belong to no known transaction. `repeated` means that the values were
    stored before, so nothing was changed. `dropped` means that the transaction has so many messages that this
    one was only counted.
    """

    outcome: Outcome
    fence: Fence


# All outcomes are created once, because `append` is the hot path.
_APPENDED = {
    (outcome.encode(), fence.encode()): Appended(outcome, fence)
    for outcome in get_args(Outcome)
    for fence in get_args(Fence)
}


async def append(
    store: Store,
    lease: Lease,
    *,
    connector_id: int | None,
    transaction_id: str | None,
    payload: bytes,
    received_ms: int,
    as_sent: bytes | None = None,
    last: LastRead = NOTHING_READ,
) -> Appended:
    """Store a message's meterValue array (raw JSON). A repeated message is not stored again.

    The values are stored even if the session has lost the lease. The event shows what was read last.
    """
    appends, name = lease.appends, (lease.epoch, connector_id, transaction_id)
    prepared = appends.get(name)
    if prepared is None:
        if len(appends) >= _REMEMBERED:
            appends.clear()
        prepared = appends[name] = _prepare(lease, connector_id, transaction_id)
    text = text_of(connector_id, as_sent, payload)
    record, received = compact.pack(text), b"%d" % received_ms
    message = prepared.event + _json(last)[1:], record, received
    if transaction_id is None:
        outcome, fence = await store.step_prepared(prepared, message)
        return _APPENDED[outcome, fence]
    if prepared.unchecked and len(record) <= _SHORT and monotonic() < prepared.unchecked_until_s:
        prepared.unchecked -= 1
        outcome = await store.step_prepared(prepared, message)
        if outcome != b"unusual":
            return _APPENDED[outcome, b"ok"]
    for _ in range(_ATTEMPTS):
        checked_s = monotonic()
        outcome, fence, *left = await _append_checked(store, lease, transaction_id, (*message, digest(text)))
        if outcome != b"unknown":
            prepared.unchecked = min(int(left[0]), _UNCHECKED) if left else 0
            prepared.unchecked_until_s = checked_s + UNCHECKED_S
            return _APPENDED[outcome, fence]
        stray = _prepare_stray(lease, connector_id, transaction_id)
        outcome, fence = await store.step_prepared(stray, message)
        if outcome != b"known":
            return _APPENDED[outcome, fence]
    raise StoreUnavailable(f"transaction {transaction_id} changed at each attempt to store its meter values")


async def _append_checked(
    store: Store, lease: Lease, transaction_id: str, message: tuple[bytes, ...]
) -> list[bytes]:
    keys = lease.keys
    return await store.step(
        "transactions/meter_values_append_checked",
        (*lease.head_keys(), *keys.of_transaction(transaction_id), unpacked(keys.partition)),
        (*lease.head_args(), keys.queued(transaction_id), *message),
    )


def _prepare(lease: Lease, connector_id: int | None, transaction_id: str | None) -> Prepared:
    """Prepare an append without its message. The result can be used as long as the transaction lasts."""
    if transaction_id is None:
        prepared, id_ = _prepare_stray(lease, connector_id, ""), None
    else:
        prepared = Prepared(
            "transactions/meter_values_append",
            (lease.keys.lease, lease.keys.events, *lease.keys.of_transaction(transaction_id)),
            lease.head_args(),
            open_args=3,
        )
        id_ = f"{lease.keys.id}.{transaction_id}"
    # The members of LastRead follow.
    prepared.event = _json({"connector_id": connector_id, "transaction_id": id_})[:-1] + b","
    return prepared


def _prepare_stray(lease: Lease, connector_id: int | None, transaction_id: str) -> Prepared:
    keys, stream = lease.keys, lease.keys.stray_values(_stream(connector_id))
    connector = "" if connector_id is None else connector_id
    return Prepared(
        "transactions/meter_values_append_stray",
        (*lease.head_keys(), keys.transaction(transaction_id), stream, keys.stray_counts, keys.open),
        (*lease.head_args(), encode(transaction_id), connector),
        open_args=3,
    )


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

    `after` is the member `next` of the page before. A page has at most `limit` messages, and fewer if they
    are long. Raises BadCursor.
    """
    keys = ChargePointKeys(tenant, charge_point)
    past = None if after is None else _read_cursor(after)
    begin = None if past is None else Rough(*past[:2])
    loose = await unpacked_values.read_first(
        store, keys.values(transaction_id), begin=begin, most=limit + 1, most_bytes=_PAGE_BYTES
    )
    # The directory is read after the messages that are not packed. A message that is packed in between is
    # then read twice, and not left out.
    directory = await packed_values.read_directory(store, keys.packed(transaction_id))
    found: dict[Place, Message] = {}
    for _, message in loose.messages:
        found[place_of(message)] = message
        if len(found) % _AT_ONCE == 0:
            await trio.lowlevel.checkpoint()
    closed = sorted(
        (Rough(block.of_stop, block.first_ms), number)
        for number, block in enumerate(directory.blocks)
        if begin is None or (block.of_stop, block.last_ms) >= begin
    )
    while closed and not _fill_page(found, past, border := closed[0][0], limit):
        if loose.rest is not None and loose.rest <= border:
            break
        _, number = closed.pop(0)
        messages = await packed_values.read_block(store, keys.packed(transaction_id), number)
        found.update((place_of(message), message) for message in messages)
    # Messages at or after the border may be incomplete.
    rest = min((one for one in (loose.rest, *(rough for rough, _ in closed[:1])) if one), default=None)
    places = _select(found, past, rest)
    wanted = places[: _count_fitting([len(found[place].text) for place in places], limit)]
    page: list[StoredValues] = []
    for place in wanted:
        if len(page) % _AT_ONCE == 0:
            await trio.lowlevel.checkpoint()
        page.append(read_text(found[place].text, place.received_ms, str(transaction_id)))
    more = rest is not None or len(wanted) < len(places)
    return Page(tuple(page), _cursor(wanted[-1]) if wanted and more else None)


def cut_page(values: Sequence[StoredValues], *, after: str | None, limit: int) -> Page[StoredValues]:
    """Return a page of messages that come from an archive, in the order and with the cursors of `read_page`.

    So a client may begin to read a transaction in the store, and go on in the archive. `values` need only
    have what `needed_for` says. Raises BadCursor.
    """
    past = None if after is None else _read_cursor(after)
    placed = sorted(((place_of_values(message), message) for message in values), key=lambda pair: pair[0])
    rest = [(place, message) for place, message in placed if past is None or place > past]
    wanted = rest[: _count_fitting([len(message.payload) for _, message in rest], limit)]
    more = len(wanted) < len(rest)
    return Page(tuple(message for _, message in wanted), _cursor(wanted[-1][0]) if more else None)


def needed_for(after: str | None) -> tuple[Rough | None, int]:
    """Return what `cut_page` needs of a long list of messages: where they begin, and their bytes of payload.

    It also needs one message more than its limit. The messages of the first place do not count. Raises
    BadCursor.
    """
    return None if after is None else Rough(*_read_cursor(after)[:2]), _PAGE_BYTES


def _select(found: Mapping[Place, Message], past: Place | None, border: Rough | None) -> list[Place]:
    """Return the places of the messages after `past` and before the border, in their order."""
    return sorted(
        place for place in found if (past is None or place > past) and (border is None or place[:2] < border)
    )


def _fill_page(found: Mapping[Place, Message], past: Place | None, border: Rough, limit: int) -> bool:
    """Return whether the messages before the border are more than a page."""
    sizes = [len(found[place].text) for place in _select(found, past, border)]
    return _count_fitting(sizes, limit) < len(sizes)


def _count_fitting(sizes: Sequence[int], limit: int) -> int:
    """Return how many messages fit on one page, at least one."""
    return max(1, min(limit, bisect_right(list(accumulate(sizes)), _PAGE_BYTES)))


async def read_latest(
    store: Store, tenant: str, charge_point: str, transaction_id: int
) -> list[StoredValues]:
    """Return the latest meter values of an open transaction in the order of arrival.

    At most 1,000 messages are returned, and fewer if they are long.
    """
    key = ChargePointKeys(tenant, charge_point).values(transaction_id)
    latest = await unpacked_values.read_latest(store, key, most=_LATEST, most_bytes=_PAGE_BYTES)
    return [read_text(text, received_ms, str(transaction_id)) for received_ms, text in latest]


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


async def read_strays_without_id(
    store: Store,
    tenant: str,
    charge_point: str,
    connector_id: int,
    *,
    since_ms: int,
    until_ms: int | None,
    after: str | None = None,
    limit: int = 1000,
) -> Page[StoredValues]:
    """Return strays of a connector that named no transaction and were received in a time, with its ends.

    A page may have fewer messages than `limit` although another page follows. Raises BadCursor.
    """
    begin_ms, passed = (since_ms, 0) if after is None else _read_stray_cursor(after)
    last = "+inf" if until_ms is None else str(until_ms)
    key = ChargePointKeys(tenant, charge_point).stray_values(_stream(connector_id))
    first = str(max(begin_ms, since_ms))
    stored = await store.execute(
        "ZRANGE", key, first, last, "BYSCORE", "LIMIT", passed, limit + 1, "WITHSCORES"
    )
    found: list[StoredValues] = []
    size = 0
    for number, (member, score) in enumerate(stored):
        if number == limit or size > _PAGE_BYTES:
            return Page(tuple(found), encode_cursor(b"%d.%d" % (begin_ms, passed)))
        if number % _AT_ONCE == _AT_ONCE - 1:
            await trio.lowlevel.checkpoint()
        begin_ms, passed = int(score), passed + 1 if int(score) == begin_ms else 1
        if member.startswith(b"\n"):
            text = compact.unpack(member[1:])
            size += len(text)
            found.append(read_text(text, int(score), None))
    return Page(tuple(found), None)


def _read_stray_cursor(cursor: str) -> tuple[int, int]:
    """Return a time of receipt, and how many messages of this time were read. Raises BadCursor."""
    found = _STRAY_PLACE.fullmatch(decode_cursor(cursor).decode("ascii", "replace"))
    if found is None:
        raise BadCursor("the cursor is not one that a page returned; omit it to start at the first page")
    return int(found[1]), int(found[2])


def _stream(connector_id: int | None) -> int:
    """Return the number in the key of a connector's strays.

    All numbers that no real connector has share one key, so that a charge point cannot create keys without
    end.
    """
    return connector_id if connector_id is not None and 0 <= connector_id < _LAST_STREAM else _LAST_STREAM
