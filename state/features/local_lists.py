"""Local authorisation lists: the list that a charge point should have, and the list that it has.

Both lists are in one hash of the charge point. Each list is one packed field that is changed as a whole
(versioned.py). The list that the charge point has is computed from its answers to SendLocalList, no matter
which operator sent the command. The computed list is `stale` until a Full list was accepted. It becomes stale
again when an answer of the charge point contradicts the list, or when an update was sent but no answer says
whether the update was made (`doubt`, lua/_local_list.lua).
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Literal, NamedTuple

import msgspec

from state import versioned
from state.features.local_list_entries import ENTRIES, Entries, Line, apply, pack, unpack
from state.keys import ChargePointKeys
from state.store import Store
from state.versioned import Change, Fields

type UpdateType = Literal["Full", "Differential"]
type Refusal = Literal["Failed", "NotSupported", "VersionMismatch"]

_VERSION_MAX = 2**31 - 1
_HEADS = ("desired_head", "accepted_head", "reported", "answer", "doubt")

_json = msgspec.json.encode


class Desired(msgspec.Struct, frozen=True):
    """The list that the charge point should have. `revision` counts the edits."""

    revision: int = 0
    edited_ms: int | None = None
    count: int = 0


class Accepted(msgspec.Struct, frozen=True, kw_only=True):
    """The last update that was Accepted.

    `stale` means that the charge point may now have entries that differ from the stored ones.
    """

    list_version: int
    update_type: UpdateType
    command_id: str
    accepted_ms: int
    count: int
    stale: bool


class Reported(msgspec.Struct, frozen=True):
    """An answer to GetLocalListVersion.

    Version 0 means that the list is empty, and -1 that the charge point has no local lists.
    """

    list_version: int
    reported_ms: int


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """The last answer to a SendLocalList."""

    status: Literal["Accepted", "Failed", "NotSupported", "VersionMismatch"]
    update_type: UpdateType
    list_version: int
    command_id: str
    answered_ms: int


class Heads(msgspec.Struct, frozen=True):
    """Everything that is known about both lists, except their entries."""

    desired: Desired = Desired()
    accepted: Accepted | None = None
    reported: Reported | None = None
    answer: Answer | None = None

    @property
    def known(self) -> bool:
        """Whether the list on the charge point is known, so that an update can be computed from it."""
        return self.accepted is not None and not self.accepted.stale

    @property
    def last_version(self) -> int:
        """Highest version that the charge point is known to have had, or 0 if no version is known."""
        accepted = 0 if self.accepted is None else self.accepted.list_version
        return max(0, accepted, 0 if self.reported is None else self.reported.list_version)

    @property
    def next_version(self) -> int:
        """Version for the next update, never 0 or -1 (errata 2025-04, 9).

        After the greatest possible version, the next version is 1.
        """
        return self.last_version + 1 if self.last_version < _VERSION_MAX else 1


class Lists(NamedTuple):
    heads: Heads
    desired: Entries
    accepted: Entries


class TooLong(NamedTuple):
    """Nothing was changed, because the list would have `entries` entries, which is more than ENTRIES."""

    entries: int


async def read_heads(store: Store, keys: ChargePointKeys) -> Heads:
    values = await store.execute("HMGET", keys.local_list, *_HEADS)
    return _heads({name: value for name, value in zip(_HEADS, values, strict=True) if value is not None})


async def read(store: Store, keys: ChargePointKeys) -> Lists:
    fields = await versioned.read(store, keys.local_list)
    return Lists(_heads(fields), unpack(fields.get("desired")), unpack(fields.get("accepted")))


async def replace(store: Store, keys: ChargePointKeys, entries: Entries) -> Desired | TooLong | None:
    """Replace the entries that the charge point should have.

    Returns None if the charge point is not registered.
    """
    return await _desire(store, keys, lambda _: entries)


async def edit(store: Store, keys: ChargePointKeys, lines: Iterable[Line]) -> Desired | TooLong | None:
    """Change some of the entries that the charge point should have.

    Returns None if the charge point is not registered.
    """
    kept = tuple(lines)
    return await _desire(store, keys, lambda fields: apply(unpack(fields.get("desired")), kept))


async def record_accepted(
    store: Store,
    keys: ChargePointKeys,
    command_id: str,
    *,
    update_type: UpdateType,
    list_version: int,
    lines: Iterable[Line],
) -> None:
    """Store an update that the charge point made, once for each command.

    In a Full list, lines without an entry are ignored. Entries beyond the limit ENTRIES are left out, and the
    stored list is then stale.
    """
    kept, now_ms = tuple(lines), store.server_time_ms()

    def decide(fields: Fields) -> Change | None:
        if fields.get("doubt") == command_id.encode():
            del fields["doubt"]  # The doubt was caused by a missing answer, and this is that answer.
        before = _heads(fields)
        if before.accepted is not None and before.accepted.command_id == command_id:
            return None
        full = update_type == "Full"
        whole = apply({} if full else unpack(fields.get("accepted")), kept)
        entries = {tag: whole[tag] for tag in sorted(whole)[:ENTRIES]}
        after = Accepted(
            list_version=list_version,
            update_type=update_type,
            command_id=command_id,
            accepted_ms=now_ms,
            count=len(entries),
            stale=len(entries) < len(whole) or not (full or before.known),
        )
        answer = Answer(
            status="Accepted",
            update_type=update_type,
            list_version=list_version,
            command_id=command_id,
            answered_ms=now_ms,
        )
        event = {
            "command": command_id,
            "update_type": update_type,
            "list_version": list_version,
            "entries": after.count,
        }
        put = {"accepted": pack(entries), "accepted_head": _json(after), "answer": _json(answer)}
        gone = () if after.stale else ("doubt",)
        return Change(put, gone, [("local_list.accepted", _json(event))])

    await versioned.change(store, keys, keys.local_list, decide)


async def record_refused(
    store: Store,
    keys: ChargePointKeys,
    command_id: str,
    *,
    status: Refusal,
    update_type: UpdateType,
    list_version: int,
) -> None:
    """Record that the charge point did not make an update.

    After Failed, the charge point may have any entries (section 5.15 asks for a Full list then). If we sent a
    higher version than the last accepted one, VersionMismatch means that the charge point has a version that
    we do not know. In both cases the stored list becomes stale.
    """
    answer = Answer(
        status=status,
        update_type=update_type,
        list_version=list_version,
        command_id=command_id,
        answered_ms=store.server_time_ms(),
    )

    def decide(fields: Fields) -> Change:
        known = _heads(fields).accepted
        doubtful = status == "Failed" or (
            status == "VersionMismatch" and known is not None and list_version > known.list_version
        )
        put = {"answer": _json(answer)}
        return _with_doubt(known, put, {"answer": status}) if doubtful else Change(put)

    await versioned.change(store, keys, keys.local_list, decide)


async def record_reported(store: Store, keys: ChargePointKeys, list_version: int) -> None:
    """Store an answer to GetLocalListVersion.

    The accepted list becomes stale if its version differs from the version in the answer.
    """
    now_ms = store.server_time_ms()

    def decide(fields: Fields) -> Change:
        known = _heads(fields).accepted
        put = {"reported": _json(Reported(list_version, now_ms))}
        if known is None or known.list_version == list_version:
            return Change(put)
        return _with_doubt(known, put, {"reported_version": list_version})

    await versioned.change(store, keys, keys.local_list, decide)


async def forget(store: Store, keys: ChargePointKeys) -> None:
    """Delete the stored list that the charge point has, but not the list that it should have.

    The version of the next update is then 1.
    """
    gone = ("accepted", "accepted_head", "reported", "answer", "doubt")
    await versioned.change(store, keys, keys.local_list, lambda _: Change({}, gone))


async def _desire(
    store: Store, keys: ChargePointKeys, wanted: Callable[[Fields], Entries]
) -> Desired | TooLong | None:
    outcome: Desired | TooLong = Desired()
    now_ms = store.server_time_ms()

    def decide(fields: Fields) -> Change | None:
        nonlocal outcome
        entries = wanted(fields)
        if len(entries) > ENTRIES:
            outcome = TooLong(len(entries))
            return None
        outcome = Desired(_heads(fields).desired.revision + 1, now_ms, len(entries))
        return Change({"desired": pack(entries), "desired_head": _json(outcome)})

    made = await versioned.change(store, keys, keys.local_list, decide, registered=True)
    return None if made == "gone" else outcome


def _with_doubt(known: Accepted | None, put: dict[str, bytes], why: dict[str, object]) -> Change:
    if known is None or known.stale:
        return Change(put)
    doubted = msgspec.structs.replace(known, stale=True)
    event = {"list_version": known.list_version, **why}
    return Change(put | {"accepted_head": _json(doubted)}, events=[("local_list.stale", _json(event))])


def _heads(fields: Mapping[str, bytes]) -> Heads:
    decode, get = msgspec.json.decode, fields.get
    accepted = decode(get("accepted_head", b"null"), type=Accepted | None)
    if accepted is not None and "doubt" in fields:
        accepted = msgspec.structs.replace(accepted, stale=True)
    return Heads(
        decode(get("desired_head", b"{}"), type=Desired),
        accepted,
        decode(get("reported", b"null"), type=Reported | None),
        decode(get("answer", b"null"), type=Answer | None),
    )
