"""Which session owns a charge point: the lease, its epoch and its fence.

A charge point often connects again, perhaps to another gateway, before anybody knows that its old socket is
dead. Both sessions then believe that they own the charge point, and the lease decides. The lease is one hash
for each charge point. Only the Lua steps below, `charge_points/delete` and the function `fence` at the head
of other steps change the lease.

Holder. The session that owns the charge point. The name of a session is `<node incarnation>/<n>`: a random
word for its process and a number for its connection. No name is used twice, so the holder alone shows which
session has the lease.

Epoch. A number in the lease. Each claim, readoption and deletion raises it by one. The epoch falls only if
the store is rolled back or wiped.

States. A lease is in one of five states. The charge point is online only if its lease is held.

    State none: the store has no lease, because the charge point has never connected or the store was wiped.
    State held: `holder` is a session, and the set `held` of the holder's node lists the charge point.
    State released: `holder` is empty, because the session has ended.
    State reaped: `holder` is empty, because the holder's node was judged dead, and `reaped` is the last
        holder.
    State deleted: like released, but with the next epoch and without the data of the last connection. A
        deleted lease expires after a day.

Steps. These steps change the state of a lease.

    Step claim: a new connection takes the lease during its handshake. Any state becomes held, with the next
        epoch.
    Step release: the node of the holder gives up the lease after the session has ended. Held or reaped
        becomes released.
    Step reap: a gateway takes leases from a node that it judged dead. Held becomes reaped.
    Step readopt: a session takes its lease back if its own epoch is higher than the stored epoch. The lease
        becomes held, with the epoch after the session's own epoch.
    Step delete: an operator deletes the charge point. Any state but none becomes deleted, with the next
        epoch.
    Any other step of a reaped session takes the lease back. Reaped becomes held, with the same epoch.

The newest authenticated connection wins: its claim takes the lease from any holder. A claim after its
`not_after_ms` changes nothing, because its connection may be gone by then. A claim that is repeated gets the
first answer and changes nothing. If a node gets no answer to a claim, it releases the lease, because the
claim may have succeeded.

A node that is judged dead may only have been paused. The sessions of a paused node are still connected, so
the next Lua step or audit of each session takes its own lease back. A released lease is never taken back, and
the release of a reaped lease makes it a released lease. Otherwise a step that was sent before the release
could leave a charge point online without a session. A node that shuts down reaps the leases that it could not
release.

Fence. The fence of a session is its epoch and its name. Each step of the session carries the fence, and the
store compares the fence with the lease. The result is one of three words.

    Word ok: the session is the stored holder, or the lease was reaped from the session. The session goes on.
        The stored epoch may be higher than that of the session, if the session has just readopted the lease
        and the reply is still on its way.
    Word newer: the session is not the stored holder. Another session holds the lease, or the lease was
        released or deleted. The session closes.
    Word lost: the stored epoch is lower or missing, because the store was rolled back or wiped. The session
        stays open and readopts the lease. A node readopts only a few leases at a time.

A step that changes state does nothing if the fence is not `ok`, and `require` then raises Superseded or
LeaseLost. A step that stores a fact always stores it, and returns the fence beside its outcome. Each node
compares its sets `held` with its sessions every 10 s (`gateway/upkeep.py`), so even a session that never
writes finds out that it has lost its lease.

After a wipe, epochs begin at 1 again, so the session that claimed later may have the lower epoch. `readopt`
therefore compares `claimed_ms`, the server's time of the claim, and leaves the lease to a holder that claimed
later.

Flapping. In a takeover, a claim takes the lease from a session that is open. The node of that session counts
the takeover when it closes the session, so the death of a node never counts. Five takeovers within a minute
are allowed. After that the holder keeps the lease until the minute is over, because two devices with the same
name would otherwise disconnect each other for ever.
The field `connects` (state/spells.py) shows operators which charge point connects again and again.

Last seen. One hash in each partition has the time at which each charge point was last heard. It is written
for many charge points at once, and for each at most once in five minutes and at the end of its session.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import batched
from math import ceil
from time import monotonic
from typing import Any, Literal

import msgspec

from state.errors import LeaseLost, Superseded
from state.keys import ChargePointKeys
from state.nodes import held
from state.prepared import Prepared
from state.record import BootStatus, ChargePointRecord, RunningTrace, read_charge_point, read_running_trace
from state.replies import read_fields
from state.spells import CONNECTS
from state.store import Store
from state.tenants.tenants import SecurityProfile

_AGAIN = 4
"""Greatest number of attempts to take a lease.

An attempt fails if another node holds the lease than the attempt expected.
"""
TAKEOVERS = 5
"""Number of takeovers of a charge point that are allowed within FLAPPING_MS."""
FLAPPING_MS = 60_000

Fence = Literal["ok", "newer", "lost"]

_FENCES: dict[bytes, Fence] = {b"ok": "ok", b"newer": "newer", b"lost": "lost"}


@dataclass(slots=True, eq=False)
class Lease:
    """A session's lease.

    Every step that compares the fence begins with the keys and arguments of this object. `holder` is `<node
    incarnation>/<n>`. `claimed_ms` is server time.
    """

    keys: ChargePointKeys
    holder: str
    epoch: int
    last_transaction_id: int = 0
    claimed_ms: int = 0
    appends: dict[tuple[int, int | None, str | None], Prepared] = field(default_factory=dict)
    """Steps that meter_values.py has packed and uses again."""
    unpointed: dict[int, str] = field(default_factory=dict)
    """Starts that were stored while the lease was lost, by connector: values for the hash `open`."""

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
    """Read the word that a step returned for the fence. Raises KeyError for an unknown word."""
    return _FENCES[word]


def require(word: bytes) -> None:
    """Raise Superseded for the word `newer` and LeaseLost for `lost`.

    Call this with the word that a step returned, if the step does nothing without the lease.
    """
    if word == b"newer":
        raise Superseded("this session no longer holds the lease")
    if word == b"lost":
        raise LeaseLost("the store knows an older epoch of the lease or none")


class Attachment(msgspec.Struct, frozen=True, kw_only=True):
    """The connection for which a lease was claimed, as operators see it.

    `tls` is the TLS version and the cipher. `security_profile` is the profile with which the charge point
    proved itself. `certificate` is the serial number of its client certificate.
    """

    address: str
    tls: str | None
    since_ms: int
    node: str
    token_id: str
    security_profile: SecurityProfile = 0
    certificate: str | None = None


class Claimed(msgspec.Struct, frozen=True, kw_only=True):
    """The lease was taken. `pending` has the ids of the pending commands, the oldest first.

    `waiting` is the number of further commands that wait until the charge point is online and accepted.
    `previous_holder` and `previous_node` are None if no session held the lease. `trace` is the trace that the
    session must record, or None.
    """

    lease: Lease
    previous_holder: str | None
    previous_node: str | None
    previous_lost: bool = False
    pending: tuple[str, ...]
    waiting: int = 0
    record: ChargePointRecord
    trace: RunningTrace | None = None


class LateClaim(msgspec.Struct, frozen=True):
    """The claim came after its `not_after_ms`, so nothing was changed."""


class Flapping(msgspec.Struct, frozen=True):
    """Sessions took the lease from each other too often within a minute, so the present holder stays."""

    retry_after_s: int


class UnknownChargePoint(msgspec.Struct, frozen=True):
    """The charge point is not registered, and the claim did not allow csms to register it."""


class Holding(msgspec.Struct, frozen=True, kw_only=True):
    """A charge point's lease, as operators see it.

    If the charge point is offline, `attachment` is its last connection, which ended at `until_ms`.
    `last_seen_ms` is Unix time. While the charge point is online, it may be five minutes too early.
    """

    online: bool
    epoch: int
    node: str | None
    attachment: Attachment
    last_seen_ms: int | None
    until_ms: int | None


_HOLDING = ("connection", "holder", "epoch", "node", "until_ms", "last_seen_ms")
_decode_attachment = msgspec.json.Decoder(Attachment).decode


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

    `not_after_ms` is server time. A claim that is late only because the server's clock was set is repeated.
    If `register` is true, an unknown charge point is registered under the policy `registration`. After a
    cancellation or StoreUnavailable with `sent` the outcome is unknown, so the caller must repeat
    `release_if_holder` until it returns.
    """
    own = holder.partition("/")[0]
    details = msgspec.json.encode(attachment)
    word, expected = b"", ""
    until = monotonic() + (not_after_ms - store.server_time_ms()) / 1000
    for _ in range(_AGAIN):
        asked = monotonic()
        lasts_ms = int((until - asked) * 1000)
        word, *rest = await store.step(
            "nodes/claim",
            (
                *(keys.lease, keys.held(own), keys.events, keys.record, keys.charge_points, keys.pending),
                *(keys.waiting_commands, keys.held(expected or own)),
            ),
            (
                *(store.server_time_ms() + lasts_ms, lasts_ms, holder, keys.member, keys.id, expected),
                *(details, registration if register else "", TAKEOVERS, FLAPPING_MS),
                *(CONNECTS.most, CONNECTS.leak_ms),
            ),
        )
        match word:
            case b"claimed":
                return _read_claimed(keys, holder, rest)
            case b"late":
                store.clock.learn_now(rest[0], asked)
                if monotonic() >= until:
                    return LateClaim()
                continue
            case b"flapping":
                return Flapping(retry_after_s=max(1, ceil(rest[0] / 1000)))
            case b"unknown":
                return UnknownChargePoint()
        expected = rest[0].decode()
    return LateClaim() if word == b"late" else Flapping(retry_after_s=1)


async def count_takeover(store: Store, keys: ChargePointKeys, former_holder: str) -> bool:
    """Count a takeover of the lease.

    `former_holder` is a session that was still open and is closed for the takeover. False means that no other
    session holds the lease.
    """
    [word] = await store.step("nodes/count_takeover", (keys.lease,), (former_holder, FLAPPING_MS))
    return bool(word == b"counted")


async def release_if_holder(
    store: Store, keys: ChargePointKeys, holder: str, reason: str, seen_s: int | None = None
) -> bool:
    """Release a lease, even if the claim of the lease got no answer.

    False means that the lease has another holder or no holder. `reason` goes into the event. `seen_s` is the
    Unix time of the charge point's last message, if that is not stored yet.
    """
    node = holder.partition("/")[0]
    [word] = await store.step(
        "nodes/release",
        (keys.lease, keys.held(node), keys.events, keys.seen),
        (holder, keys.member, msgspec.json.encode(reason), "" if seen_s is None else seen_s),
    )
    return bool(word == b"released")


async def audit(store: Store, leases: Sequence[Lease]) -> list[Fence]:
    """Return the fence of each lease. One round trip serves many leases."""
    fences: list[Fence] = []
    for some in batched(leases, held.AT_ONCE, strict=False):
        calls = [(lease.head_keys(), lease.head_args()) for lease in some]
        fences.extend(fence_of(word) for [word] in await store.steps("nodes/audit", calls))
    return fences


async def readopt(
    store: Store, lease: Lease, attachment: Attachment, *, registration: BootStatus = "Accepted"
) -> bool:
    """Take a `lost` lease again at the next epoch, and change `lease` in place.

    False means that a newer session holds the lease. A charge point that the store has lost is
    registered again, and csms answers its next BootNotification with `registration`.
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
                lease.epoch = max(
                    lease.epoch, rest[0]
                )  # The reply to an earlier readoption may have been lost.
                return True
            case b"newer":
                return False
        expected = rest[0].decode()
    return False


async def reap(store: Store, incarnation: str) -> int:
    """Take all leases from a node, and return how many there were."""
    found = await held.list_members(store, incarnation)
    return await held.reap(store, incarnation, [member for some in found for member in some])


async def get_holding(store: Store, tenant: str, charge_point: str) -> Holding | None:
    """Return a charge point's lease. None means that the charge point has never connected."""
    return (await list_holdings(store, [ChargePointKeys(tenant, charge_point)]))[0]


async def list_holdings(store: Store, charge_points: Iterable[ChargePointKeys]) -> list[Holding | None]:
    reads: list[tuple[str, ...]] = []
    for keys in charge_points:
        reads += [("HMGET", keys.lease, *_HOLDING), ("HGET", keys.seen, keys.member)]
    replies = await store.pipeline(reads)
    return [_read_holding(lease, seen) for lease, seen in batched(replies, 2, strict=True)]


def _read_claimed(keys: ChargePointKeys, holder: str, rest: Sequence[Any]) -> Claimed:
    epoch, claimed_ms, previous, lost, pending, waiting, reply = rest
    record = read_charge_point(keys.tenant, keys.id, reply)
    if record is None:
        raise AssertionError("the claim returned no record of the charge point; each claim must return it")
    found = read_fields(reply)
    last = found.get("last_transaction_id", "0")
    previous_holder = previous.decode() or None
    return Claimed(
        lease=Lease(keys, holder, int(epoch), int(last), int(claimed_ms)),
        previous_holder=previous_holder,
        previous_node=previous_holder and previous_holder.partition("/")[0],
        previous_lost=bool(lost),
        pending=tuple(command.decode() for command in pending),
        waiting=waiting,
        record=record,
        trace=read_running_trace(found.get("trace")),
    )


def _read_holding(lease: Sequence[Any], seen_s: bytes | None) -> Holding | None:
    connection, holder, epoch, node, until_ms, last_seen_ms = lease
    if connection is None:
        return None
    # The release before stores the time in the lease. This release stores only the time of the claim there.
    seen_ms = max(int(last_seen_ms or 0), int(seen_s or 0) * 1000)
    return Holding(
        online=holder != b"",
        epoch=int(epoch),
        node=node.decode() or None,
        attachment=_decode_attachment(connection),
        last_seen_ms=seen_ms or None,
        until_ms=None if until_ms is None else int(until_ms),
    )
