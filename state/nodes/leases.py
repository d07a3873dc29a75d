"""Which session owns a charge point: the lease, its epoch and its fence.

A charge point often connects again, perhaps to another gateway, before anybody knows that its old socket is
dead. Both sessions then believe that they own the charge point, and the lease decides. It is one hash per
charge point. Only the Lua steps below, `charge_points/delete` and the fence at the head of other steps change
it.

Holder. The session that owns the charge point. A session is named `<node incarnation>/<n>`: a random word for
its process and a number for its connection. No name is used twice, so the holder alone shows whose lease this
is.

Epoch. A number that each claim, readoption and deletion raises by one. It falls only if the store is rolled
back or wiped.

States. Released, reaped and deleted all mean offline. They differ in the sessions that may hold the lease
next.

    none      The store has no lease: the charge point has never connected, or the store was wiped.
    held      `holder` is a session, and the set `held` of its node lists the charge point.
    released  `holder` is empty. The session has ended.
    reaped    `holder` is empty, and `reaped` is the holder before. Its node was judged dead.
    deleted   As released, one epoch higher and without an attachment. The server drops it after a day.

    from           step      taken by                                           to
    any            claim     a new connection, during its handshake             held, epoch + 1
    held           release   the node of the holder, after the session ended    released
    held           reap      a gateway that judged the node of the holder dead  reaped
    reaped         any       the session that was reaped                        held, same epoch
    none or older  readopt   a session whose own epoch is higher                held, its own epoch + 1
    any but none   delete    an operator                                        deleted, epoch + 1

The newest authenticated connection wins: its claim takes the lease from any holder. A claim after its
`not_after_ms` changes nothing, because its connection may be gone by then. A claim that is repeated gets the
first answer and changes nothing. A claim without an answer may have succeeded, so its node releases the
lease.

A node that is judged dead may only have been paused. Its sessions are still connected, so the next step or
audit of each takes its lease back. A released lease is never taken back, because a step that was still on its
way would leave a charge point online without a session. A node that leaves reaps the leases that it could not
release.

Fence. The epoch and the holder of a session. Its steps carry them, and the store compares them with the
lease.

    ok     Both are ours, or the epoch is ours and we were reaped. The session goes on.
    newer  The epoch is higher, or it is ours and the holder is not. Another session holds the lease, or ours
           was released or deleted. The session closes.
    lost   The epoch is lower, or there is no lease: the store was rolled back or wiped. The session stays
           open and readopts the lease, a few sessions of a node at a time.

A step that changes state does nothing unless the fence is `ok`: `require` raises Superseded or LeaseLost. A
step that stores a fact always does so, and returns the fence beside its outcome. Each node audits all its
leases every 10 s, so a session that never writes learns its fence too.

After a wipe epochs begin at 1 again, so the session that claimed later may have the lower epoch. `readopt`
therefore compares `claimed_ms`, the server's time of the claim, and leaves the lease to a holder that claimed
later.

Flapping. A takeover is a claim while another session holds the lease. Five takeovers within a minute are
allowed. After that the holder stays until the minute is over, because two devices with the same name would
otherwise disconnect each other for ever.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import batched
from math import ceil
from typing import Any, Literal

import msgspec

from state import keys as key_names
from state.errors import LeaseLost, Superseded
from state.keys import ChargePointKeys
from state.nodes import nodes
from state.prepared import Prepared
from state.record import BootStatus, ChargePointRecord, RunningTrace, read_charge_point, read_running_trace
from state.replies import read_fields
from state.store import Store

_AGAIN = 4
"""Attempts at a lease whose node changes between them."""
_AT_ONCE = 500
"""Steps in one pipeline. They take both processes some milliseconds."""

Fence = Literal["ok", "newer", "lost"]

_FENCES: dict[bytes, Fence] = {b"ok": "ok", b"newer": "newer", b"lost": "lost"}


@dataclass(slots=True, eq=False)
class Lease:
    """A session's lease. Every fenced step of its charge point begins with it.

    `holder` is `<node incarnation>/<n>`. `claimed_ms` is server time.
    """

    keys: ChargePointKeys
    holder: str
    epoch: int
    last_transaction_id: int = 0
    claimed_ms: int = 0
    appends: dict[tuple[int, int, str | None], Prepared] = field(default_factory=dict)
    """Steps that meter_values.py has packed, for reuse."""

    @property
    def node(self) -> str:
        return self.holder.partition("/")[0]

    def head_keys(self) -> tuple[str, str, str]:
        """Return the KEYS `lease held events` of a step."""
        return self.keys.lease, self.keys.held(self.node), self.keys.events

    def head_args(self) -> tuple[int, str, str]:
        """Return the ARGV `epoch holder member` of a step."""
        return self.epoch, self.holder, self.keys.member


def fence_of(word: bytes) -> Fence:
    """Read the word that a step's fence returned. Raises KeyError for any other word."""
    return _FENCES[word]


def require(word: bytes) -> None:
    """Raise Superseded for the word `newer` and LeaseLost for `lost`.

    This is for steps that do nothing without the lease.
    """
    if word == b"newer":
        raise Superseded("this session no longer holds the lease")
    if word == b"lost":
        raise LeaseLost("the store knows an older epoch of the lease or none")


class Attachment(msgspec.Struct, frozen=True, kw_only=True):
    """The connection that a lease was claimed for, as operators see it. `tls` is its version and cipher."""

    address: str
    tls: str | None
    since_ms: int
    node: str
    token_id: str


class Claimed(msgspec.Struct, frozen=True, kw_only=True):
    """The lease was taken. `pending` has the ids of the waiting commands, the oldest first.

    `previous_holder` and `previous_node` are None if no session held the lease. `trace` is the trace to
    record.
    """

    lease: Lease
    previous_holder: str | None
    previous_node: str | None
    pending: tuple[str, ...]
    record: ChargePointRecord
    trace: RunningTrace | None = None


class LateClaim(msgspec.Struct, frozen=True):
    """The claim came after its `not_after_ms`, and nothing was changed."""


class Flapping(msgspec.Struct, frozen=True):
    """Sessions took the lease from each other too often within a minute, so the present holder stays."""

    retry_after_s: int


class UnknownChargePoint(msgspec.Struct, frozen=True):
    """The charge point is not registered, and the claim was not to register it."""


class Holding(msgspec.Struct, frozen=True, kw_only=True):
    """A charge point's lease, as operators see it.

    `attachment` is the last one if the charge point is offline; it ended at `until_ms`. `last_seen_ms` is
    Unix time, exact to 10 s.
    """

    online: bool
    epoch: int
    node: str | None
    attachment: Attachment
    last_seen_ms: int | None
    until_ms: int | None


async def claim(
    store: Store,
    keys: ChargePointKeys,
    *,
    holder: str,
    not_after_ms: int,
    attachment: Attachment,
    register: bool,
    registration: BootStatus = "Accepted",
) -> Claimed | LateClaim | Flapping | UnknownChargePoint:
    """Take the lease for the session `holder`; the newest authenticated connection wins.

    `not_after_ms` is server time. With `register` an unknown charge point is registered under the policy
    `registration`. After StoreUnavailable or a cancellation the outcome is unknown: call `release_if_holder`
    until it returns.
    """
    own = holder.partition("/")[0]
    details = msgspec.json.encode(attachment)
    expected = ""
    for _ in range(_AGAIN):
        word, *rest = await store.step(
            "nodes/claim",
            (
                *(keys.lease, keys.held(own), keys.events, keys.record, keys.charge_points, keys.pending),
                keys.held(expected or own),
            ),
            (not_after_ms, holder, keys.member, keys.id, expected, details, registration if register else ""),
        )
        match word:
            case b"claimed":
                return _read_claimed(keys, holder, rest)
            case b"late":
                return LateClaim()
            case b"flapping":
                return Flapping(retry_after_s=max(1, ceil(rest[0] / 1000)))
            case b"unknown":
                return UnknownChargePoint()
        expected = rest[0].decode()
    return Flapping(retry_after_s=1)


async def release_if_holder(store: Store, keys: ChargePointKeys, holder: str, reason: str) -> bool:
    """Release a lease, also one that a claim without an answer may have taken.

    False means that the store knows another holder, or none. `reason` goes into the event.
    """
    node = holder.partition("/")[0]
    [word] = await store.step(
        "nodes/release",
        (keys.lease, keys.held(node), keys.events),
        (holder, keys.member, msgspec.json.encode(reason)),
    )
    return bool(word == b"released")


async def audit(store: Store, leases: Sequence[tuple[Lease, int]]) -> list[Fence]:
    """Return the fence of each lease, and store when each charge point was last seen (Unix ms).

    Many leases take one round trip.
    """
    fences: list[Fence] = []
    for some in batched(leases, _AT_ONCE, strict=False):
        calls = [(lease.head_keys(), (*lease.head_args(), last_seen_ms)) for lease, last_seen_ms in some]
        fences.extend(fence_of(word) for [word] in await store.steps("nodes/audit", calls))
    return fences


async def readopt(
    store: Store, lease: Lease, attachment: Attachment, *, registration: BootStatus = "Accepted"
) -> bool:
    """Take a `lost` lease again at the next epoch, and change `lease` in place.

    False means that a newer session holds it. `registration` is the policy that the session knows. It is
    stored if the store has lost the charge point too.
    """
    keys = lease.keys
    own = keys.held(lease.node)
    details = msgspec.json.encode(attachment)
    expected = ""
    for _ in range(_AGAIN):
        word, *rest = await store.step(
            "nodes/readopt",
            (
                *(keys.lease, own, keys.events, keys.record, keys.charge_points),
                keys.held(expected) if expected else own,
            ),
            (
                *(*lease.head_args(), keys.id, expected, details),
                *(lease.claimed_ms, lease.last_transaction_id, registration),
            ),
        )
        match word:
            case b"readopted":
                lease.epoch = rest[0]
                return True
            case b"ok":
                return True
            case b"newer":
                return False
        expected = rest[0].decode()
    return False


async def reap(store: Store, incarnation: str) -> int:
    """Mark the charge points of a dead node offline, and return how many there were. Epochs stay as they are.

    If the node was only paused, each session's next step or audit takes its lease back. The node itself is
    forgotten when it has nothing left to reap and has been silent for `nodes.FORGOTTEN_MS`.
    """
    sets = [("SMEMBERS", key_names.held(partition, incarnation)) for partition in range(key_names.PARTITIONS)]
    members = [member.decode() for some in await store.pipeline(sets) for member in some]
    reaped = 0
    for some in batched(members, _AT_ONCE, strict=False):
        charge_points = [ChargePointKeys(*key_names.split(member)) for member in some]
        calls = [
            ((keys.lease, keys.held(incarnation), keys.events), (incarnation, keys.member, b'"node lost"'))
            for keys in charge_points
        ]
        reaped += sum(word == b"reaped" for [word] in await store.steps("nodes/reap", calls))
    if not members:
        await nodes.forget_silent(store, incarnation)
    return reaped


async def get_holding(store: Store, tenant: str, charge_point: str) -> Holding | None:
    """Return a charge point's lease. None means that it has never connected."""
    return (await list_holdings(store, [ChargePointKeys(tenant, charge_point)]))[0]


async def list_holdings(store: Store, charge_points: Iterable[ChargePointKeys]) -> list[Holding | None]:
    replies = await store.pipeline([("HGETALL", keys.lease) for keys in charge_points])
    return [_read_holding(reply) for reply in replies]


def _read_claimed(keys: ChargePointKeys, holder: str, rest: Sequence[Any]) -> Claimed:
    epoch, claimed_ms, previous, pending, reply = rest
    record = read_charge_point(keys.tenant, keys.id, reply)
    if record is None:
        raise AssertionError("a claim registers, or finds a registered charge point")
    found = read_fields(reply)
    last = found.get("last_transaction_id", "0")
    previous_holder = previous.decode() or None
    return Claimed(
        lease=Lease(keys, holder, int(epoch), int(last), int(claimed_ms)),
        previous_holder=previous_holder,
        previous_node=previous_holder and previous_holder.partition("/")[0],
        pending=tuple(command.decode() for command in pending),
        record=record,
        trace=read_running_trace(found.get("trace")),
    )


def _read_holding(reply: Mapping[bytes, bytes]) -> Holding | None:
    found = read_fields(reply)
    if "connection" not in found:
        return None
    until, seen = found.get("until_ms"), found.get("last_seen_ms")
    return Holding(
        online=found["holder"] != "",
        epoch=int(found["epoch"]),
        node=found["node"] or None,
        attachment=msgspec.json.decode(found["connection"], type=Attachment),
        last_seen_ms=None if seen is None else int(seen),
        until_ms=None if until is None else int(until),
    )
