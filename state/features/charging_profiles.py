"""The mirror: our copy of the charging profiles of a charge point.

The mirror has the profiles that the charge point accepted, except the profiles that were replaced or cleared.
OCPP 1.6 has no way to read profiles back. The mirror therefore replaces and removes profiles by the same
rules as the charge point. If the charge point may have acted differently, a doubt is stored in the mirror.
Profiles survive reboots (errata 2025-04, 13). The Lua step that stores the stop of a transaction also removes
its TxProfiles. At most 200 profiles, 32 doubts and 32 promises (TxProfiles of remote starts whose transaction
has not begun) are kept for each charge point.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Final, Literal, NamedTuple

import msgspec

from state.commands.record import digest
from state.keys import ChargePointKeys
from state.replies import read_fields
from state.store import Store
from state.transactions.remote_starts import LASTS_MS

_PROMISES: Final = 32

type Why = Literal["timeout", "unknown", "full", "not_found", "not_running"]
"""Reason for a doubt about the mirror.

`timeout` and `unknown` are the ends of a command that the charge point may have carried out. `full` means
that the charge point accepted a profile when the mirror already had 200 profiles. `not_found` means that the
charge point found nothing to clear although the mirror has a matching profile. `not_running` means that the
transaction of a TxProfile is not running. Either another transaction began on its connector, or csms does not
know the transaction.
"""


class Doubt(msgspec.Struct, frozen=True, kw_only=True):
    """A doubt about the mirror. `profile_id` is None if the doubt is about all profiles.

    `command_id` is None if it is not known which command caused the doubt. All doubts with the reason `full`
    share one entry, and all doubts beyond 32 share another entry. A shared entry has only the latest doubt.
    """

    profile_id: int | None
    since_ms: int
    why: Why
    action: str
    command_id: str | None = None


class Slot(NamedTuple):
    """Connector, purpose and stack level of a profile.

    A charge point has at most one profile for each combination of these three values.
    """

    connector_id: int
    purpose: str
    stack_level: int


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """A profile in the mirror. `payload` is csChargingProfiles, in JSON as it was sent.

    `transaction_id` is the transaction of a TxProfile, if the transaction is known.
    """

    id: int
    connector_id: int
    purpose: str
    stack_level: int
    transaction_id: int | None
    command_id: str | None
    """Command that set the profile. None means that an operator entered the profile by hand."""
    accepted_ms: int
    doubt: Doubt | None
    payload: bytes

    @property
    def slot(self) -> Slot:
        return Slot(self.connector_id, self.purpose, self.stack_level)


class Promise(NamedTuple):
    """The TxProfile of a remote start whose transaction has not begun."""

    command_id: str
    profile_id: int
    stack_level: int
    since_ms: int
    payload: bytes


class Mirror(NamedTuple):
    """All that we know of a charge point's profiles.

    `doubts` has the doubts about changes that we may have missed.
    """

    profiles: tuple[Profile, ...]
    promises: tuple[Promise, ...]
    doubts: tuple[Doubt, ...]

    @property
    def all_doubts(self) -> tuple[Doubt, ...]:
        """All doubts: the `doubts` of the mirror and the doubts of its single profiles."""
        own = (one.doubt for one in self.profiles if one.doubt is not None)
        return tuple(dict.fromkeys((*self.doubts, *own)))


class Which(NamedTuple):
    """The fields of a ClearChargingProfile, by which profiles are selected.

    If an id is given, only the profile with that id is selected. Otherwise a profile must match every field
    that is given.
    """

    id: int | None = None
    connector_id: int | None = None
    purpose: str | None = None
    stack_level: int | None = None

    def matches(self, profile: Profile) -> bool:
        if self.id is not None:
            return self.id == profile.id
        return all(mine in {None, its} for mine, its in zip(self[1:], profile.slot, strict=True))


async def read(store: Store, tenant: str, charge_point: str) -> Mirror:
    """Return the mirror. The profiles are sorted by id, and the promises and doubts by age, oldest first.

    A doubt about the profile of a transaction is left out once the transaction has ended.
    """
    keys = ChargePointKeys(tenant, charge_point)
    names = (
        keys.charging_profiles,
        keys.charging_profile_promises,
        keys.charging_profile_doubts,
        keys.open,
    )
    replies = await store.pipeline([("HGETALL", name) for name in names])
    running = {pointer.partition(" ")[0] for pointer in read_fields(replies[3]).values()}
    doubted = [(id_, record.split(" ")) for id_, record in read_fields(replies[2]).items()]
    doubts = sorted(
        (_doubt(id_, *record[:-1]) for id_, record in doubted if record[-1] == "-" or record[-1] in running),
        key=lambda one: one.since_ms,
    )
    profiles = [_profile(int(id_), record, doubts, running) for id_, record in _decode_names(replies[0])]
    promises = [_promise(id_, record) for id_, record in _decode_names(replies[1])]
    lately_ms = store.server_time_ms() - LASTS_MS
    return Mirror(
        tuple(sorted(profiles, key=lambda one: one.id)),
        tuple(sorted((one for one in promises if one.since_ms > lately_ms), key=lambda one: one.since_ms)),
        tuple(doubts),
    )


async def install(
    store: Store,
    keys: ChargePointKeys,
    profile_id: int,
    slot: Slot,
    payload: bytes,
    *,
    transaction_id: int | None = None,
    command_id: str | None = None,
) -> tuple[int, ...] | None:
    """Store a profile that the charge point accepted, once for each command.

    Returns the ids of the replaced profiles. Returns None if the profile is not stored. The reasons for that
    are: 200 profiles are stored already, the profile's transaction has ended, or the charge point was
    deleted. A TxProfile that names no transaction belongs to the transaction that is running on its
    connector.
    """
    word, *replaced = await store.step(
        "features/charging_profile_install",
        (
            keys.charging_profiles,
            keys.charging_profile_doubts,
            keys.events,
            keys.open,
            keys.transaction(transaction_id or 0),
            keys.record,
            keys.lease,
        ),
        (
            keys.member,
            profile_id,
            *slot,
            "-" if transaction_id is None else transaction_id,
            command_id or "-",
            payload,
        ),
    )
    if word in {b"full", b"ended", b"gone"}:
        return None
    return tuple(int(id_) for id_ in replaced)


async def clear(store: Store, keys: ChargePointKeys, which: Which, *, asked: bytes = b"") -> tuple[int, ...]:
    """Remove the profiles that the charge point has cleared, and return their ids.

    `asked` is the payload of the request, in JSON. Doubts about earlier commands with the same payload are
    removed too. An empty `which` removes all profiles and all doubts.
    """
    return await _clear(store, keys, which, asked, "")


async def doubt(store: Store, keys: ChargePointKeys, which: Which, *, asked: bytes) -> tuple[int, ...]:
    """Store a doubt about each matching profile of the mirror, because the charge point found none.

    Returns the ids of these profiles.
    """
    return await _clear(store, keys, which, asked, "not_found")


async def promise(
    store: Store,
    keys: ChargePointKeys,
    command_id: str,
    *,
    profile_id: int,
    stack_level: int,
    payload: bytes,
) -> None:
    """Keep the TxProfile of an accepted remote start until `remote_starts.fulfil` records its start."""
    await store.step(
        "features/charging_profile_promise",
        (keys.charging_profile_promises, keys.command(command_id), keys.record, keys.lease),
        (command_id, b"%d %d\n%b" % (profile_id, stack_level, payload), _PROMISES, LASTS_MS),
    )


async def _clear(
    store: Store, keys: ChargePointKeys, which: Which, asked: bytes, why: str
) -> tuple[int, ...]:
    body = digest("ClearChargingProfile", asked) if asked else ""
    _, *ids = await store.step(
        "features/charging_profile_clear",
        (keys.charging_profiles, keys.charging_profile_doubts, keys.events),
        (keys.member, *("" if one is None else one for one in which), body, why),
    )
    return tuple(int(id_) for id_ in ids)


def _decode_names(reply: Mapping[bytes, bytes]) -> list[tuple[str, bytes]]:
    return [(name.decode(), record) for name, record in reply.items()]


def _profile(id_: int, record: bytes, doubts: Sequence[Doubt], running: Collection[str]) -> Profile:
    head, own, payload = record.split(b"\n", 2)
    connector, purpose, level, transaction, command, accepted_ms = head.decode().split(" ")
    doubt = next((one for one in doubts if one.profile_id == id_), None)
    if own:
        since_ms, why = own.decode().split(" ")
        doubt = Doubt(
            profile_id=id_,
            since_ms=int(since_ms),
            why=msgspec.convert(why, Why),
            action="ClearChargingProfile",
        )
    elif doubt is None and purpose == "TxProfile" and transaction not in {"-", *running}:
        doubt = Doubt(
            profile_id=id_, since_ms=int(accepted_ms), why="not_running", action="SetChargingProfile"
        )
    return Profile(
        id=id_,
        connector_id=int(connector),
        purpose=purpose,
        stack_level=int(level),
        transaction_id=None if transaction == "-" else int(transaction),
        command_id=None if command == "-" else command,
        accepted_ms=int(accepted_ms),
        doubt=doubt,
        payload=payload,
    )


def _promise(command_id: str, record: bytes) -> Promise:
    head, payload = record.split(b"\n", 1)
    since_ms, profile_id, level = map(int, head.split(b" "))
    return Promise(command_id, profile_id, level, since_ms, payload)


def _doubt(id_: str, profile: str, _body: str, since_ms: str, why: str, action: str) -> Doubt:
    return Doubt(
        profile_id=None if profile == "*" else int(profile),
        since_ms=int(since_ms),
        why=msgspec.convert(why, Why),
        action=action,
        command_id=None if id_ in {"full", "more"} else id_,
    )
