"""Batches: one command to many charge points, paced.

The record of a batch says what to send, at which pace, and how far it has come. The charge points are fixed
when the batch begins (items.py). One process at a time works on a batch: it claims a lease, and prolongs the
lease each time it stores how far it has come. If it dies, another process goes on from there.

`reserved` is the number of items that the process was allowed to send when it last stored its progress. An
item below it may have been sent. Each command is recorded under an Idempotency-Key made from the batch, so
a process that goes on cannot send it a second time.
"""

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import msgspec

from state import keys as key_names
from state.batches import items as stored_items
from state.batches.items import Item, Outcome
from state.keys import BatchKeys
from state.paging import BadCursor, Page, decode_cursor, encode_cursor, list_filtered, prefix_end
from state.replies import flatten, read_fields
from state.store import Store

KEPT_MS = 30 * 24 * 3600 * 1000
"""How long a batch can be read after its end."""
KEPT = 100
"""Number of batches of a tenant that are kept. Running ones are always kept."""
RUNNING_MAX = 10
"""Greatest number of batches of a tenant that may run at the same time."""
CHARGE_POINTS_MAX = 100_000
LEASE_MS = 10_000
_BLOCKS_READ = 20
"""Greatest number of blocks that one page of items looks at."""
_DIGITS = 6
"""Greatest number of digits of a position."""

type When = Literal["now", "online"]
type Unended = Literal["running", "cancelling"]
type Phase = Unended | Literal["finished", "cancelled"]


class Counts(msgspec.Struct):
    """How many charge points have each outcome."""

    accepted: int = 0
    rejected: int = 0
    call_error: int = 0
    no_answer: int = 0
    offline: int = 0
    not_sent: int = 0
    rejected_statuses: dict[str, int] = {}
    """How many of the rejected ones answered with each status."""

    @property
    def ended(self) -> int:
        return self.accepted + self.rejected + self.call_error + self.no_answer + self.offline + self.not_sent

    def add(self, outcome: Outcome, detail: str) -> None:
        setattr(self, outcome, getattr(self, outcome) + 1)
        if outcome == "rejected":
            self.rejected_statuses[detail] = self.rejected_statuses.get(detail, 0) + 1


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """A batch. `filter` is what the operator asked for, as JSON, and `total` is what it found."""

    id: str
    tenant: str
    action: str
    payload: msgspec.Raw = msgspec.Raw()
    """The OCPP request. If it holds a secret, this is the masked one, and `sealed` the whole one."""
    sealed: str | None = None
    filter: msgspec.Raw = msgspec.Raw()
    per_second: float
    timeout_s: float
    when: When = "now"
    online_s: float = 0.0
    """If `when` is online, a command waits at most so long for its charge point."""
    total: int
    phase: Phase
    by: str
    """Id of the API key that began the batch."""
    reserved: int = 0
    counts: Counts = msgspec.field(default_factory=Counts)
    created_ms: int
    progress_ms: int
    ended_ms: int | None = None
    cancelled_ms: int | None = None
    cancelled_by: str | None = None

    @property
    def keys(self) -> BatchKeys:
        return BatchKeys(self.tenant, self.id)

    def __repr__(self) -> str:
        """Leave the payload out, as `Command` does."""
        return f"<Batch {self.id} {self.action} {self.phase}>"


class NewBatch(NamedTuple):
    """A batch to begin. `body` is a digest of the request, by which a repeated request is recognised."""

    id: str
    body: str
    action: str
    payload: bytes
    sealed: str | None
    filter: bytes
    per_second: float
    timeout_s: float
    when: When
    online_s: float
    by: str


class Began(NamedTuple):
    """The batch is recorded. `fresh` means that this call recorded it."""

    batch: Batch
    fresh: bool


class ItemState(NamedTuple):
    """An item as an operator sees it. `outcome` is also `to_do` or `waiting`."""

    charge_point: str
    outcome: Outcome | Literal["to_do", "waiting"]
    detail: str
    ended_ms: int | None


type NotBegun = Literal["conflict", "full", "late"]
"""`conflict`: the Idempotency-Key was used for another batch. `late`: the items have expired meanwhile."""


async def create(
    store: Store, tenant: str, new: NewBatch, charge_points: Sequence[str], event: bytes
) -> Began | NotBegun:
    """Record a batch for these charge points, and let it run.

    `event` is the data of the event, as JSON. Raises StoreUnavailable; the call can be repeated.
    """
    keys = BatchKeys(tenant, new.id)
    staged = await stored_items.stage(store, keys, charge_points)
    fields = flatten(
        {
            "action": new.action,
            "payload": new.payload,
            "sealed": new.sealed,
            "filter": new.filter,
            "per_second": str(new.per_second),
            "timeout_s": str(new.timeout_s),
            "when": new.when,
            "online_s": str(new.online_s),
            "by": new.by,
            "total": len(charge_points),
            "reserved": 0,
        }
    )
    first = key_names.join(tenant, "")
    bounds = f"[{first}", b"(" + prefix_end(first.encode())
    word, *rest = await store.step(
        "batches/create",
        (staged, keys.record, keys.items, keys.index, keys.running, keys.events),
        (*(keys.member, new.id, keys.name, new.body, RUNNING_MAX, *bounds, event), *fields),
    )
    match word:
        case b"created":
            await _forget_old(store, tenant)
            return Began(read_batch(tenant, new.id, rest[0]), fresh=True)
        case b"known":
            return Began(read_batch(tenant, new.id, rest[0]), fresh=False)
        case b"conflict":
            return "conflict"
        case b"full":
            return "full"
        case _:
            return "late"


async def get(store: Store, tenant: str, id_: str) -> Batch | None:
    reply = await store.execute("HGETALL", BatchKeys(tenant, id_).record)
    return read_batch(tenant, id_, reply) if reply else None


async def get_body(store: Store, tenant: str, id_: str) -> str | None:
    """Return the digest of the request that began a batch."""
    found: bytes | None = await store.execute("HGET", BatchKeys(tenant, id_).record, "body")
    return None if found is None else found.decode()


async def list_(
    store: Store, tenant: str, *, running: bool | None = None, cursor: str | None = None, limit: int = 100
) -> Page[Batch]:
    """List batches, the latest first. Raises BadCursor."""

    async def load(members: Sequence[bytes]) -> list[tuple[bytes, Batch]]:
        ids = [_id_of(member) for member in members]
        replies = await store.pipeline([("HGETALL", BatchKeys(tenant, id_).record) for id_ in ids])
        found = [
            (member, read_batch(tenant, id_, reply))
            for member, id_, reply in zip(members, ids, replies, strict=True)
            if reply
        ]
        return [one for one in found if running in {None, one[1].ended_ms is None}]

    index = BatchKeys(tenant, "").index
    return await list_filtered(store, [index], load, limit=limit, cursor=cursor, descending=True)


async def list_items(
    store: Store,
    batch: Batch,
    *,
    outcome: str | None = None,
    cursor: str | None = None,
    limit: int = 100,
) -> Page[ItemState]:
    """List the charge points of a batch, in the order in which csms sends.

    A filtered page may have fewer than `limit` items although another page follows. Raises BadCursor.
    """
    begin = 0 if cursor is None else _read_position(cursor)
    found: list[ItemState] = []
    first = begin // stored_items.BLOCK
    for number in range(first, first + _BLOCKS_READ):
        block = await stored_items.read_block(store, batch.keys, number)
        for position, item in enumerate(block, number * stored_items.BLOCK):
            if position < begin:
                continue
            state = _state_of(item, is_reserved=position < batch.reserved)
            if outcome not in {None, state.outcome}:
                continue
            if len(found) == limit:
                return Page(tuple(found), _cursor(position))
            found.append(state)
        if len(block) < stored_items.BLOCK:
            return Page(tuple(found), None)
    return Page(tuple(found), _cursor((first + _BLOCKS_READ) * stored_items.BLOCK))


async def cancel(store: Store, tenant: str, id_: str, by: str) -> Literal["cancelling", "ended", "gone"]:
    """Let a batch send nothing more. It ends when the commands that were sent have ended."""
    [word] = await store.step("batches/cancel", (BatchKeys(tenant, id_).record,), (by,))
    outcomes: dict[bytes, Literal["cancelling", "ended", "gone"]] = {
        b"cancelling": "cancelling",
        b"ended": "ended",
        b"gone": "gone",
    }
    return outcomes[word]


async def list_running(store: Store) -> list[tuple[str, str]]:
    """Return the tenant and the id of each batch that has not ended."""
    replies = await store.pipeline(
        [("ZRANGE", key_names.running_batches(one), 0, -1) for one in range(key_names.PARTITIONS)]
    )
    return [key_names.split(name.decode()) for reply in replies for name in reply]


async def delete_all(store: Store, tenant: str) -> None:
    """Delete all batches of a tenant. A process that works on one of them finds that out and stops."""
    index = BatchKeys(tenant, "").index
    members = await store.execute("ZRANGE", index, 0, -1)
    await _delete(store, tenant, members)


async def _forget_old(store: Store, tenant: str) -> None:
    """Delete the batches that ended longest ago if there are too many, and the entries of expired ones."""
    index = BatchKeys(tenant, "").index
    members = await store.execute("ZRANGE", index, 0, -1)
    phases = await store.pipeline(
        [("HGET", BatchKeys(tenant, _id_of(member)).record, "phase") for member in members]
    )
    gone = [member for member, phase in zip(members, phases, strict=True) if phase is None]
    ended = [
        member for member, phase in zip(members, phases, strict=True) if phase in {b"finished", b"cancelled"}
    ]
    too_many = max(0, len(members) - len(gone) - KEPT)
    await _delete(store, tenant, [*gone, *ended[:too_many]])


async def _delete(store: Store, tenant: str, members: Sequence[bytes]) -> None:
    for member in members:
        keys = BatchKeys(tenant, _id_of(member))
        await store.pipeline(
            [
                ("UNLINK", keys.record, keys.items),
                ("ZREM", keys.running, keys.name),
                ("ZREM", keys.index, member),
            ]
        )


def read_batch(tenant: str, id_: str, reply: Mapping[bytes, bytes] | list[bytes]) -> Batch:
    found = read_fields(reply)
    raw = {name: msgspec.Raw(found.pop(name).encode()) for name in ("payload", "filter")}
    counts = msgspec.json.decode(found.pop("counts", "{}"), type=Counts)
    known = {"id": id_, "tenant": tenant}
    read = msgspec.convert(found | known, Batch, strict=False)
    return msgspec.structs.replace(read, counts=counts, **raw)


def _state_of(item: Item, *, is_reserved: bool) -> ItemState:
    if item.outcome is None:
        return ItemState(item.charge_point, "waiting" if is_reserved else "to_do", "", None)
    return ItemState(item.charge_point, item.outcome, item.detail, item.ended_ms)


def _id_of(member: bytes) -> str:
    return member.partition(b" ")[2].decode()


def _cursor(position: int) -> str:
    return encode_cursor(b"%d" % position)


def _read_position(cursor: str) -> int:
    position = decode_cursor(cursor)
    if not position.isdigit() or len(position) > _DIGITS:
        raise BadCursor("the cursor is not one that a page returned; omit it to start at the first page")
    return int(position)
