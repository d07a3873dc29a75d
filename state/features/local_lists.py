"""Local authorisation lists: what a charge point should have, and what it has as far as we know.

Both stand in one hash of the charge point, each list one packed field, changed as a whole (versioned.py).
What it has follows from its answers to SendLocalList, whoever asked. Until the first Full list was accepted,
whenever it says something else than we believe, and once an update was sent to which no answer came that says
what became of it (`doubt`, lua/_local_list.lua), our knowledge is `stale`.
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
    """`revision` is one more with every edit, 0 before the first."""

    revision: int = 0
    edited_ms: int | None = None
    count: int = 0


class Accepted(msgspec.Struct, frozen=True, kw_only=True):
    """The last update that was Accepted. `stale`: the charge point may have other entries than we hold."""

    list_version: int
    update_type: UpdateType
    command_id: str
    accepted_ms: int
    count: int
    stale: bool


class Reported(msgspec.Struct, frozen=True):
    """An answer to GetLocalListVersion. 0: the list is empty; -1: there are no local lists."""

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
    """All but the entries."""

    desired: Desired = Desired()
    accepted: Accepted | None = None
    reported: Reported | None = None
    answer: Answer | None = None

    @property
    def known(self) -> bool:
        """Whether an update can be computed from what the charge point has."""
        return self.accepted is not None and not self.accepted.stale

    @property
    def last_version(self) -> int:
        """The highest that it is known to have had; 0 if none is known."""
        accepted = 0 if self.accepted is None else self.accepted.list_version
        return max(0, accepted, 0 if self.reported is None else self.reported.list_version)

    @property
    def next_version(self) -> int:
        """Never 0 nor -1 (errata 2025-04, 9). 1 again where the numbers end."""
        return self.last_version + 1 if self.last_version < _VERSION_MAX else 1


class Lists(NamedTuple):
    heads: Heads
    desired: Entries
    accepted: Entries


class TooLong(NamedTuple):
    """Nothing was changed: the list would have so many entries, more than ENTRIES."""

    entries: int


async def read_heads(store: Store, keys: ChargePointKeys) -> Heads:
    values = await store.execute("HMGET", keys.local_list, *_HEADS)
    return _heads({name: value for name, value in zip(_HEADS, values, strict=True) if value is not None})


async def read(store: Store, keys: ChargePointKeys) -> Lists:
    fields = await versioned.read(store, keys.local_list)
    return Lists(_heads(fields), unpack(fields.get("desired")), unpack(fields.get("accepted")))


async def replace(store: Store, keys: ChargePointKeys, entries: Entries) -> Desired | TooLong | None:
    """Desire these entries and no others. None: the charge point is not registered."""
    return await _desire(store, keys, lambda _: entries)


async def edit(store: Store, keys: ChargePointKeys, lines: Iterable[Line]) -> Desired | TooLong | None:
    """Desire these besides what is desired already, or no longer. None: it is not registered."""
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
    """Note that the charge point made this update. Idempotent by command.

    In a Full list, lines without an entry stand for nothing. Beyond ENTRIES the rest is left out, and what we
    know is stale.
    """
    kept, now_ms = tuple(lines), store.server_time_ms()

    def decide(fields: Fields) -> Change | None:
        if fields.get("doubt") == command_id.encode():
            del fields["doubt"]  # That it was not heard of; now it is.
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
    """Note that the charge point did not make this update.

    That it Failed may have left anything behind (section 5.15 asks for a Full list then); a VersionMismatch
    tells of a version unknown to us if ours was the higher one. Either makes what we know stale.
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
    """Note an answer to GetLocalListVersion. Another version than was accepted last makes that stale."""
    now_ms = store.server_time_ms()

    def decide(fields: Fields) -> Change:
        known = _heads(fields).accepted
        put = {"reported": _json(Reported(list_version, now_ms))}
        if known is None or known.list_version == list_version:
            return Change(put)
        return _with_doubt(known, put, {"reported_version": list_version})

    await versioned.change(store, keys, keys.local_list, decide)


async def forget(store: Store, keys: ChargePointKeys) -> None:
    """Believe nothing of what the charge point has; what it should have stays. Versions begin anew."""
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
