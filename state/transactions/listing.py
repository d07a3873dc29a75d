"""Transactions as operators read them: one by its public id, or a list with the newest first."""

from collections.abc import Sequence
from typing import Literal

import msgspec

from state import keys
from state.keys import ChargePointKeys
from state.paging import Bound, Page, encode_cursor, list_filtered
from state.replies import read_record
from state.store import Store
from state.tenants.id_tags import fold

_STORED = {
    "connector_id": "connector",
    "id_tag": "tag",
    "started_at": "at",
    "started_ms": "ms",
    "meter_start": "meter",
    "reservation_id": "reservation",
    "stopped_at": "stop_at",
    "stopped_ms": "stop_ms",
    "meter_stop": "stop_meter",
    "stop_id_tag": "stop_tag",
    "reason": "stop_reason",
    "contradicting_stops": "contradicted",
    "dropped_meter_values": "values_dropped",
    "ended_ms": "end_ms",
    "ended_source": "end_source",
    "ended_meter": "end_meter",
    "ended_meter_source": "end_meter_source",
    "ended_received_ms": "end_received_ms",
    "ended_by": "end_api_key",
    "ended_policy": "end_policy",
    "joined_ms": "join_ms",
    "joined_by": "join_api_key",
    "started_received_ms": "received_ms",
    "stopped_received_ms": "stop_received_ms",
}
_BOUND = Bound(read=500, loaded=500)
type State = Literal["open", "stopped", "ended"]


class Transaction(msgspec.Struct, frozen=True, kw_only=True, rename=_STORED):
    """A stored transaction; the fields of the stop are None until the stop is known.

    Fields with `_at` are times as the charge point sent them. Fields with `_ms` are the same times as csms
    understood them. Meter values are in Wh. `id_tag` is the id tag of the start, and `stop_id_tag` is the id
    tag of the stop. Fields with `ended` are those of the end by an operator or a policy, and are None without
    such an end. Fields with `joined` are set if an operator joined an orphaned stop to the transaction.
    `superseded_by` is the id of the transaction that began on the same connector while this one was open.
    `revision` counts how often the transaction was completed or changed after it, and `entries` has the
    places of these changes in the order of completion (completed.py).
    """

    charge_point: str
    id: int
    connector_id: int | None = None
    id_tag: str
    started_at: str
    started_ms: int
    meter_start: int | None = None
    reservation_id: int | None = None
    as_sent: str | None = None
    stopped_at: str | None = None
    stopped_ms: int | None = None
    meter_stop: int | None = None
    stop_id_tag: str | None = None
    reason: str | None = None
    stop_as_sent: str | None = None
    contradicting_stops: int = 0
    dropped_meter_values: int = 0
    ended_ms: int | None = None
    ended_source: str | None = None
    ended_meter: int | None = None
    ended_meter_source: str | None = None
    ended_received_ms: int | None = None
    ended_by: str | None = None
    ended_policy: str | None = None
    joined_ms: int | None = None
    joined_by: str | None = None
    superseded_by: int | None = None
    superseded_ms: int | None = None
    started_received_ms: int | None = None
    stopped_received_ms: int | None = None
    revision: int = 0
    entries: str | None = None

    @property
    def state(self) -> State:
        """A transaction with a stop is `stopped`, even if an operator ended it before."""
        if self.stopped_at is not None:
            return "stopped"
        return "open" if self.ended_ms is None else "ended"

    @property
    def completed_ms(self) -> int | None:
        """When the transaction last entered the order of completion, by the clock of the store."""
        return None if self.entries is None else int(self.entries.rpartition(" ")[2].partition("-")[0])

    @property
    def energy_wh(self) -> int | None:
        """Difference of the two meter readings in Wh, which may be below zero.

        The last reading is that of the stop, or that of the end until the stop is known. The difference is
        None if one of the readings is unknown.
        """
        last = self.ended_meter if self.state == "ended" else self.meter_stop
        if last is None or self.meter_start is None:
            return None
        return last - self.meter_start


def public_id(charge_point: str, transaction_id: int | str) -> str:
    return f"{charge_point}.{transaction_id}"


def parse_public_id(public_id: str) -> tuple[str, int]:
    """Return the charge point and the transaction's id. Raises ValueError if the text is not a public id.

    The text is split at its last dot, because a charge point's name may contain dots.
    """
    charge_point, _, number = public_id.rpartition(".")
    if charge_point and number.isascii() and number.isdecimal() and len(number) <= 10 and number[0] != "0":
        return charge_point, int(number)
    raise ValueError(f"{public_id!r} is not a transaction's public id; use <charge point>.<number>")


def index_name(charge_point: str, started_ms: int, transaction_id: int) -> str:
    """Return a transaction's name in the indexes.

    The time comes first, because an index is sorted by name.
    """
    return f"{moment(started_ms)}/{keys.encode(charge_point)}/{transaction_id}"


def cursor_before(ms: int) -> str:
    """Return the cursor of a list that begins with the transactions that started before a time."""
    return encode_cursor(moment(ms).encode())


async def get(store: Store, tenant: str, public_id: str) -> Transaction | None:
    """Return the transaction, or None if there is none or the text is not a public id."""
    try:
        charge_point, transaction_id = parse_public_id(public_id)
    except ValueError:
        return None
    return (await load(store, tenant, [(charge_point, transaction_id)]))[0]


async def list_(
    store: Store,
    tenant: str,
    *,
    charge_point: str | None = None,
    id_tag: str | None = None,
    open_: bool | None = None,
    since_ms: int | None = None,
    cursor: str | None = None,
    limit: int = 100,
) -> Page[Transaction]:
    """List transactions by the time of their start, newest first.

    A page may have fewer than `limit` items although another page follows, because it looks at 500
    transactions at most. Raises BadCursor.
    """
    tag = None if id_tag is None else fold(id_tag)

    async def read(listed: Sequence[bytes]) -> list[tuple[bytes, Transaction]]:
        named = [(member, split_index_name(member)) for member in listed]
        wanted = [(member, name) for member, name in named if charge_point in {None, name[0]}]
        loaded = await load(store, tenant, [name for _, name in wanted])
        return [
            (member, found)
            for (member, _), found in zip(wanted, loaded, strict=True)
            if found is not None
            and open_ in {None, found.state == "open"}
            and (tag is None or fold(found.id_tag) == tag)
        ]

    sets = _sets(tenant, charge_point, open_=open_)
    floor = b"" if since_ms is None else moment(since_ms).encode()
    bound = None if tag is None and open_ is not False else _BOUND
    return await list_filtered(
        store, sets, read, limit=limit, cursor=cursor, bound=bound, floor=floor, descending=True
    )


def _sets(tenant: str, charge_point: str | None, *, open_: bool | None) -> list[str]:
    if charge_point is None:
        index = keys.open_transactions if open_ else keys.transactions
        return [index(partition, tenant) for partition in range(keys.PARTITIONS)]
    own = ChargePointKeys(tenant, charge_point)
    # The open transactions of a partition are few, but the history of a charge point may be long.
    return [own.open_transactions if open_ else own.history]


def moment(ms: int) -> str:
    """Return a text that sorts like the number, from 1970 to far beyond any clock."""
    return f"{min(max(ms, 0), 0xFFFF_FFFF_FFFF):012x}"


def split_index_name(member: bytes) -> tuple[str, int]:
    """Return the charge point and the id of a transaction's name in the indexes."""
    _, charge_point, number = member.decode().split("/")
    return keys.decode(charge_point), int(number)


async def load(store: Store, tenant: str, names: Sequence[tuple[str, int]]) -> list[Transaction | None]:
    """Return each transaction, named by its charge point and its id, or None if it is not in the store."""
    replies = await store.hashes([keys.transaction(tenant, name, number) for name, number in names])
    return [
        read_record(Transaction, reply, charge_point=name, id=number) if reply else None
        for (name, number), reply in zip(names, replies, strict=True)
    ]
