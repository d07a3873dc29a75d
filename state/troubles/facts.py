"""What the store knows about charge points, as far as their troubles depend on it.

Everything is read for many charge points at once, in four round trips.
"""

from collections.abc import Iterable, Sequence
from itertools import batched
from typing import Any, NamedTuple

import msgspec

from state import keys as key_names
from state import spells
from state.charge_points.configuration import find_pending_since
from state.charge_points.connectors import Connector, read_stored
from state.charge_points.security import IssuedCertificate
from state.keys import ChargePointKeys
from state.spells import Spell
from state.store import Store
from state.troubles import refused
from state.troubles.refused import Refusal

_OPEN_PAGE = 5_000
_RECORD = (
    *("registered_ms", "registration", "boot_status", "booted_ms", "held_back_ms"),
    *("unanswered", "faulty", "clock_wrong"),
)
_LEASE = ("connection", "holder", "claimed_ms", "until_ms", "connects")
_OF_EACH = 6
"""Number of commands that read one charge point."""
_decode_certificates = msgspec.json.Decoder(tuple[IssuedCertificate, ...]).decode


class Unanswered(NamedTuple):
    """Commands in a row that were not answered in time."""

    times: int
    first_ms: int
    last_ms: int


class OpenTransaction(NamedTuple):
    """`superseded_ms` is the time at which its connector began another transaction, or None."""

    id: int
    connector_id: int | None
    received_ms: int
    superseded_ms: int | None


class Facts(NamedTuple):
    """`claimed_ms` is the time of the last connection, or None if the charge point has never connected.

    `held_back_ms` is the first BootNotification of those that csms did not accept, one after the other.
    `certificate` is the one that expires last of those that the charge point may use.
    """

    registered_ms: int
    registration: str
    boot_status: str | None
    held_back_ms: int
    claimed_ms: int | None
    online: bool
    until_ms: int
    connects: Spell | None
    unanswered: Unanswered | None
    faulty: Spell | None
    clock_wrong: Spell | None
    connectors: Sequence[Connector] = ()
    open: Sequence[OpenTransaction] = ()
    pending_since_ms: int | None = None
    certificate: IssuedCertificate | None = None
    refusal: Refusal | None = None


async def read(store: Store, charge_points: Sequence[ChargePointKeys]) -> list[Facts | None]:
    """Read charge points of one tenant. None means that the charge point is not registered."""
    commands: list[tuple[str, ...]] = []
    for keys in charge_points:
        commands += [
            ("HMGET", keys.record, *_RECORD),
            ("HMGET", keys.lease, *_LEASE),
            ("HVALS", keys.connectors),
            ("HGETALL", keys.open),
            ("HVALS", keys.configuration_pending),
            ("HGET", keys.security, "certificates"),
        ]
    replies = await store.pipeline(commands)
    latest = await refused.read(store, charge_points)
    found: list[Facts | None] = []
    pointers: dict[str, dict[bytes, bytes]] = {}
    for keys, one, refusal in zip(
        charge_points, batched(replies, _OF_EACH, strict=True), latest, strict=True
    ):
        found.append(_read_one(one, refusal))
        pointers[keys.member] = one[3]
    running = await _read_open(store, charge_points, pointers)
    return [
        None if facts is None else facts._replace(open=running.get(keys.id, ()))
        for keys, facts in zip(charge_points, found, strict=True)
    ]


def _read_one(replies: Sequence[Any], refusal: Refusal | None) -> Facts | None:
    record, lease, connectors, _, pending, certificates = replies
    registered_ms, registration, boot_status, booted_ms, held_back_ms, unanswered, faulty, clock_wrong = (
        record
    )
    connection, holder, claimed_ms, until_ms, connects = lease
    if registered_ms is None:
        return None
    return Facts(
        registered_ms=int(registered_ms),
        registration=(registration or b"Accepted").decode(),
        boot_status=boot_status.decode() if boot_status else None,
        held_back_ms=int(held_back_ms or booted_ms or 0),
        claimed_ms=int(claimed_ms or 0) if connection is not None else None,
        online=bool(holder),
        until_ms=int(until_ms or claimed_ms or 0),
        connects=spells.read(connects),
        unanswered=Unanswered(*map(int, unanswered.split())) if unanswered else None,
        faulty=spells.read(faulty),
        clock_wrong=spells.read(clock_wrong),
        connectors=read_stored(connectors),
        pending_since_ms=find_pending_since(pending),
        certificate=_find_last(certificates),
        refusal=refusal,
    )


def _find_last(certificates: bytes | None) -> IssuedCertificate | None:
    usable = (one for one in _decode_certificates(certificates or b"[]") if one.is_right)
    return max(usable, key=lambda one: one.not_after_ms, default=None)


async def _read_open(
    store: Store, charge_points: Sequence[ChargePointKeys], pointers: dict[str, dict[bytes, bytes]]
) -> dict[str, list[OpenTransaction]]:
    """Read the open transactions of the charge points. The open ones of a partition are few."""
    named: list[tuple[ChargePointKeys, bytes]] = []
    wanted = {key_names.encode(keys.id).encode(): keys for keys in charge_points}
    indexes = {keys.open_transactions for keys in charge_points}
    for listed in await _list_open(store, sorted(indexes)):
        _, of, id_ = listed.split(b"/")
        if of in wanted:
            named.append((wanted[of], id_))
    reads = [
        ("HMGET", keys.transaction(id_.decode()), "connector", "received_ms", "superseded_ms")
        for keys, id_ in named
    ]
    found: dict[str, list[OpenTransaction]] = {}
    for (keys, id_), read_ in zip(named, await store.pipeline(reads), strict=True):
        connector, received_ms, superseded_ms = read_
        if received_ms is None:  # The transaction has left the store in the meantime.
            continue
        pointer = pointers[keys.member].get(connector) if connector else None
        if superseded_ms is None and pointer is not None and pointer.split(b" ", 1)[0] != id_:
            superseded_ms = received_ms  # An older release did not store when it happened.
        one = OpenTransaction(
            int(id_),
            int(connector) if connector else None,
            int(received_ms),
            None if superseded_ms is None else int(superseded_ms),
        )
        found.setdefault(keys.id, []).append(one)
    return found


async def _list_open(store: Store, indexes: Iterable[str]) -> list[bytes]:
    found: list[bytes] = []
    asked, first = list(indexes), 0
    while asked:
        pages = await store.pipeline([("ZRANGE", index, first, first + _OPEN_PAGE - 1) for index in asked])
        asked = [index for index, page in zip(asked, pages, strict=True) if len(page) == _OPEN_PAGE]
        first += _OPEN_PAGE
        for page in pages:
            found += page
    return found
