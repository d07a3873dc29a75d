"""Which charge points of a tenant are in trouble, and what the last examination counted.

Some troubles begin without any write, such as that of a charge point that stays offline. So no step can keep
an index of them. An admin process therefore examines each partition again and again (admin/troubles.py), and
writes what it found: a sorted set with the charge points in trouble, and a text with the counts.

The set `troubles` has three kinds of members: `<kind>/<id>` for each trouble, `any/<id>` for each charge
point in trouble, and one whose beginning sorts by urgency. A reader computes the troubles of what it lists
again, so an ended trouble is never listed. A new trouble is listed after the next examination.

Both keys expire a day after the last write. They are written again after a while even if nothing changed, so
they last as long as the tenant has charge points in the partition.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import batched
from typing import Unpack

import msgspec

from state import keys as key_names
from state.charge_points import ChargePointRecord, Filters, passes, pick, picks
from state.keys import ChargePointKeys
from state.nodes.leases import Holding, list_holdings
from state.paging import Bound, Page, list_filtered
from state.record import read_charge_point
from state.store import Store
from state.troubles import facts, rules
from state.troubles.facts import Facts
from state.troubles.kinds import URGENCY, Trouble, TroubleKind

EXPIRES_MS = 86_400_000
AGAIN_MS = EXPIRES_MS // 4
ANY = "any"
_URGENT = "!"
"""Beginning of the members that sort by urgency. No kind begins with this character."""
_AT_ONCE = 1_000
_PAGE = 200
"""Greatest number of charge points on a page, because much must be read for each of them."""
_BOUND = Bound(read=1_000, loaded=_PAGE)


class Counts(msgspec.Struct, kw_only=True):
    """What an examination counted in a partition. `written_ms` is the time at which it was written."""

    online: int = 0
    offline: int = 0
    never_connected: int = 0
    boot_status: dict[str, int] = {}
    connectors: dict[str, int] = {}
    """Connectors of charge points that are online, by their status. Connector 0 does not count."""
    in_trouble: int = 0
    troubles: dict[str, int] = {}
    written_ms: int = 0


class Found:
    """Gathers what an examination finds in a partition."""

    def __init__(self) -> None:
        self.members: set[bytes] = set()
        self._connection: Counter[str] = Counter()
        self._boot_status: Counter[str] = Counter()
        self._connectors: Counter[str] = Counter()
        self._troubles: Counter[str] = Counter()
        self._in_trouble = 0

    def add(self, id_: str, known: Facts, now_ms: int) -> None:
        never = known.claimed_ms is None
        self._connection["online" if known.online else "never_connected" if never else "offline"] += 1
        self._boot_status[known.boot_status or "none"] += 1
        if known.online:
            self._connectors.update(one.status for one in known.connectors if one.connector_id)
        if found := rules.find(known, now_ms):
            self._in_trouble += 1
            self._troubles.update(one.kind for one in found)
            self.members.update(members_of(id_, found))

    def counts(self, now_ms: int) -> Counts:
        return Counts(
            **self._connection,
            boot_status=dict(self._boot_status),
            connectors=dict(self._connectors),
            in_trouble=self._in_trouble,
            troubles=dict(self._troubles),
            written_ms=now_ms,
        )


def members_of(id_: str, troubles: Sequence[Trouble]) -> Iterable[bytes]:
    """Return the members of the index for a charge point. `troubles` has the most urgent first."""
    first = troubles[0]
    # Of two charge points with the same trouble, the one in which it began later comes first.
    newest = 0xFFFF_FFFF_FFFF - max(0, first.since_ms)
    yield f"{_URGENT}{URGENCY[first.kind]:02d}{newest:012x}/{id_}".encode()
    yield f"{ANY}/{id_}".encode()
    for trouble in troubles:
        yield f"{trouble.kind}/{id_}".encode()


async def write(store: Store, tenant: str, partition: int, found: Found) -> None:
    """Store what was found in a partition, if it is not stored already."""
    index, counted = key_names.troubles(partition, tenant), key_names.trouble_counts(partition, tenant)
    now_ms = store.server_time_ms()
    counts = found.counts(now_ms)
    stored, text = await store.pipeline([("ZRANGE", index, 0, -1), ("GET", counted)])
    gone, new = set(stored) - found.members, found.members - set(stored)
    before = read_counts(text)
    same = msgspec.structs.replace(counts, written_ms=before.written_ms) == before
    if same and not gone and not new and 0 <= now_ms - before.written_ms < AGAIN_MS:
        return
    await store.pipeline(
        [
            *(("ZREM", index, *some) for some in batched(gone, _AT_ONCE, strict=False)),
            *(
                ("ZADD", index, *(part for member in some for part in (0, member)))
                for some in batched(new, _AT_ONCE, strict=False)
            ),
            ("PEXPIRE", index, EXPIRES_MS),
            ("SET", counted, msgspec.json.encode(counts), "PX", EXPIRES_MS),
        ]
    )


def read_counts(text: bytes | None) -> Counts:
    return Counts() if text is None else msgspec.json.decode(text, type=Counts)


async def list_(
    store: Store,
    tenant: str,
    trouble: TroubleKind | None,
    **filters: Unpack[Filters],
) -> Page[tuple[ChargePointRecord, Holding | None, tuple[Trouble, ...]]]:
    """List the charge points that have this trouble, or any trouble, by id, with all their troubles.

    A page may have fewer than `limit` items although another page follows. Raises BadCursor.
    """

    async def load(
        listed: Sequence[bytes],
    ) -> list[tuple[bytes, tuple[ChargePointRecord, Holding | None, tuple[Trouble, ...]]]]:
        keys = [ChargePointKeys(tenant, member.decode().partition("/")[2]) for member in listed]
        records = await store.hashes([one.record for one in keys])
        held = await list_holdings(store, keys)
        troubles = await read(store, keys)
        return [
            (member, (record, holding, found))
            for member, one, fields, holding in zip(listed, keys, records, held, strict=True)
            if (found := troubles.get(one.id, ()))
            and trouble in {None, *(one.kind for one in found)}
            and (record := read_charge_point(tenant, one.id, fields)) is not None
            and passes(record, holding, filters)
        ]

    async def pick_listed(listed: Sequence[bytes]) -> list[bytes]:
        ids = [member.decode().partition("/")[2] for member in listed]
        picked = await pick(store, [ChargePointKeys(tenant, id_) for id_ in ids], filters)
        return [member for member, is_picked in zip(listed, picked, strict=True) if is_picked]

    return await list_filtered(
        store,
        _indexes(tenant),
        load,
        limit=min(_PAGE, filters.get("limit", 100)),
        cursor=filters.get("cursor"),
        prefix=f"{trouble or ANY}/{filters.get('prefix', '')}".encode(),
        bound=_BOUND if picks(filters) else Bound(_PAGE, _PAGE),
        pick=pick_listed if picks(filters) else None,
    )


async def list_urgent(store: Store, tenant: str, limit: int) -> list[tuple[str, tuple[Trouble, ...]]]:
    """Return the charge points that most need somebody, the most urgent first."""

    async def load(listed: Sequence[bytes]) -> list[tuple[bytes, tuple[str, tuple[Trouble, ...]]]]:
        ids = [member.decode().partition("/")[2] for member in listed]
        troubles = await read(store, [ChargePointKeys(tenant, id_) for id_ in ids])
        return [
            (member, (id_, troubles[id_])) for member, id_ in zip(listed, ids, strict=True) if id_ in troubles
        ]

    page = await list_filtered(
        store, _indexes(tenant), load, limit=limit, prefix=_URGENT.encode(), bound=Bound(_PAGE, _PAGE)
    )
    return list(page.items)


async def read(store: Store, charge_points: Sequence[ChargePointKeys]) -> Mapping[str, tuple[Trouble, ...]]:
    """Compute the troubles of charge points of one tenant, by id. Those without troubles are left out."""
    now_ms, known = store.server_time_ms(), await facts.read(store, charge_points)
    return {
        keys.id: found
        for keys, one in zip(charge_points, known, strict=True)
        if one is not None and (found := rules.find(one, now_ms))
    }


def _indexes(tenant: str) -> list[str]:
    return [key_names.troubles(partition, tenant) for partition in range(key_names.PARTITIONS)]
