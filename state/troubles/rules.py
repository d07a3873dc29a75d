"""The rules by which a charge point is in trouble. Each is a pure function of the facts and the time."""

from collections.abc import Callable, Mapping
from typing import Final

from msgspec import UNSET

from state import spells
from state.charge_points.connectors import Connector
from state.charge_points.refusals import COUNTS_OFFLINE_MS, COUNTS_ONLINE_MS
from state.troubles import kinds
from state.troubles.facts import Facts, OpenTransaction
from state.troubles.kinds import Trouble, TroubleKind

type _Seen = tuple[int, str] | None
"""Since when the trouble lasts, and what csms saw. None means that there is no such trouble."""

_NAMED = 5
"""Greatest number of transactions that a detail names."""


def find(facts: Facts, now_ms: int) -> tuple[Trouble, ...]:
    """Return the troubles of a charge point, the most urgent first."""
    found = ((kind, rule(facts, now_ms)) for kind, rule in _RULES.items())
    return tuple(
        Trouble(kind=kind, since_ms=seen[0], detail=seen[1]) for kind, seen in found if seen is not None
    )


def _refused(facts: Facts, now_ms: int) -> _Seen:
    refusal = facts.refusal
    if refusal is None or refusal.last_ms <= (facts.claimed_ms or 0):
        return None
    counts_ms = COUNTS_ONLINE_MS if facts.online else COUNTS_OFFLINE_MS
    if now_ms - refusal.last_ms > counts_ms:
        return None
    times = "once" if refusal.times == 1 else f"{refusal.times} times, last"
    # A gateway may have gathered the first refusals before the connection and the last ones after it.
    since_ms = max(refusal.since_ms, facts.claimed_ms or 0)
    return since_ms, f"refused {times} for the reason {refusal.reason}, from {refusal.address}"


def _deaf(facts: Facts, _now_ms: int) -> _Seen:
    unanswered = facts.unanswered
    if not facts.online or unanswered is None or unanswered.times < kinds.UNANSWERED:
        return None
    if unanswered.last_ms < (facts.claimed_ms or 0):
        return None
    return unanswered.first_ms, f"the last {unanswered.times} commands had no answer in time"


def _flapping(facts: Facts, now_ms: int) -> _Seen:
    connects = facts.connects
    if connects is None or not connects.is_frequent(spells.CONNECTS, now_ms):
        return None
    return connects.since_ms, "the charge point connects again and again"


def _offline(facts: Facts, now_ms: int) -> _Seen:
    if facts.claimed_ms is None or facts.online or now_ms - facts.until_ms <= kinds.OFFLINE_MS:
        return None
    return facts.until_ms, "the last connection has ended"


def _certificate(facts: Facts, now_ms: int) -> _Seen:
    certificate = facts.certificate
    if certificate is None:
        return None
    ends_ms = certificate.not_after_ms
    # A certificate of less than 30 days is about to expire from its first day on.
    since_ms = max(ends_ms - kinds.CERTIFICATE_MS, certificate.issued_ms)
    if now_ms < since_ms:
        return None
    if now_ms >= ends_ms:
        return since_ms, "the last client certificate has expired"
    days = (ends_ms - now_ms) // 86_400_000
    return since_ms, f"whole days until the last client certificate expires: {days}"


def _without_stop(facts: Facts, now_ms: int) -> _Seen:
    free: dict[int | None, Connector] = {
        one.connector_id: one for one in facts.connectors if one.status == "Available"
    }
    over = [
        (since_ms, one)
        for one in facts.open
        if (since_ms := _over_since(one, free.get(one.connector_id), now_ms)) is not None
    ]
    if not over:
        return None
    over.sort(key=lambda found: found[1].received_ms)
    named = ", ".join(str(one.id) for _, one in over[:_NAMED])
    more = f" and {len(over) - _NAMED} more" if len(over) > _NAMED else ""
    return min(since_ms for since_ms, _ in over), f"open transactions, by their OCPP ids: {named}{more}"


def _over_since(one: OpenTransaction, free: Connector | None, now_ms: int) -> int | None:
    """Return since when the stop of an open transaction is missing, or None if it may still run.

    `free` is the connector if its last status is Available.
    """
    since: list[int] = []
    if one.superseded_ms is not None:
        since.append(one.superseded_ms)
    if free is not None and free.received_ms > one.received_ms:
        since_ms = free.received_ms if free.since_ms is UNSET else free.since_ms
        since.append(max(since_ms, one.received_ms))
    if now_ms - one.received_ms > kinds.TRANSACTION_MS:
        since.append(one.received_ms + kinds.TRANSACTION_MS)
    return min(since, default=None)


def _held_back(facts: Facts, _now_ms: int) -> _Seen:
    if facts.registration == "Accepted" or facts.boot_status in {None, "Accepted"}:
        return None
    return facts.held_back_ms, f"the last BootNotification was answered {facts.boot_status}"


def _clock_wrong(facts: Facts, now_ms: int) -> _Seen:
    clock = facts.clock_wrong
    if clock is None or not clock.is_frequent(spells.WRONG_CLOCK, now_ms):
        return None
    # A status whose time is wrong is a fault, which is counted after the status was received.
    if any(one.timestamp and one.received_ms > clock.last_ms for one in facts.connectors):
        return None
    return clock.since_ms, "the charge point sent times that cannot be right"


def _reboot_required(facts: Facts, _now_ms: int) -> _Seen:
    since_ms = facts.pending_since_ms
    return None if since_ms is None else (since_ms, "configuration keys wait for a reboot")


def _sloppy(facts: Facts, now_ms: int) -> _Seen:
    faulty = facts.faulty
    if faulty is None or not faulty.is_frequent(spells.FAULTS, now_ms):
        return None
    return faulty.since_ms, "the charge point does not keep to OCPP"


_ANY_ORDER: Final[Mapping[TroubleKind, Callable[[Facts, int], _Seen]]] = {
    "refused": _refused,
    "deaf": _deaf,
    "flapping": _flapping,
    "offline": _offline,
    "certificate_expiring": _certificate,
    "transaction_without_stop": _without_stop,
    "held_back": _held_back,
    "clock_wrong": _clock_wrong,
    "reboot_required": _reboot_required,
    "sloppy": _sloppy,
}
_RULES: Final = {kind: _ANY_ORDER[kind] for kind in kinds.KINDS}
