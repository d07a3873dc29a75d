"""Security events that charge points report. Each event is a fact, and is stored once.

The latest 500 events of each charge point are kept. Events that were removed to make room are counted. An
event may have a type that OCPP does not define (A04).
"""

import msgspec

from state import ids
from state.keys import ChargePointKeys
from state.paging import Page, cut_page
from state.store import Store

KEPT = 500
_NULL = msgspec.Raw(b"null")
CRITICAL = frozenset(
    {
        "FirmwareUpdated",
        "MemoryExhaustion",
        "ResetOrReboot",
        "SecurityLogWasCleared",
        "SettingSystemTime",
        "StartupOfTheDevice",
        "TamperDetectionActivated",
    }
)
"""Types that a charge point must not lose while it is offline (whitepaper, edition 3, section 5)."""


class SecurityEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A security event. `timestamp` is the text that the charge point sent.

    `as_sent` and `mark` are those of state/transactions/as_sent.py.
    """

    type: str
    timestamp: str
    tech_info: str | None
    received_ms: int
    as_sent: bytes | None = None
    mark: str = ""

    @property
    def id(self) -> str:
        """Id of the event. Events with the same type, timestamp and techInfo have the same id."""
        return ids.digest(_encode_identity(self))

    @property
    def critical(self) -> bool:
        return self.type in CRITICAL


class _Stored(msgspec.Struct, frozen=True, array_like=True):
    type: str
    timestamp: str
    tech_info: str | None
    as_sent: msgspec.Raw = _NULL
    mark: str = ""


class SecurityEvents(msgspec.Struct, frozen=True):
    """A page of security events. `evicted` counts older events that were removed to make room."""

    page: Page[SecurityEvent]
    evicted: int


async def keep(store: Store, keys: ChargePointKeys, event: SecurityEvent) -> bool:
    """Store an event. Returns False if the event was stored before, or if the charge point was deleted."""
    data = {"security_event": event.id, "type": event.type, "critical": event.critical}
    [word] = await store.step(
        "features/security_event_keep",
        (keys.security_events, keys.security_events_evicted, keys.events, keys.record, keys.lease),
        (keys.member, _encode_identity(event), event.received_ms, KEPT, msgspec.json.encode(data)),
    )
    return bool(word == b"kept")


async def list_(
    store: Store,
    tenant: str,
    charge_point: str,
    *,
    critical: bool | None = None,
    cursor: str | None = None,
    limit: int = 100,
) -> SecurityEvents:
    """List events by the time of receipt, newest first. Raises BadCursor."""
    keys = ChargePointKeys(tenant, charge_point)
    stored = await store.execute("ZRANGE", keys.security_events, 0, -1, "WITHSCORES")
    evicted = await store.execute("GET", keys.security_events_evicted)
    found = ((int(place), _read(what, int(place) // 1000)) for what, place in stored)
    wanted = [(place, event) for place, event in found if critical in {None, event.critical}]
    page = cut_page(wanted, lambda one: (one[0], one[1].id), cursor=cursor, limit=limit)
    return SecurityEvents(Page(tuple(event for _, event in page.items), page.next), int(evicted or 0))


async def forget(store: Store, tenant: str, charge_point: str, event_id: str) -> bool:
    """Delete an event that an operator has dealt with. Returns False if there is no such event.

    If the charge point sends the deleted event again, it is stored as a new event.
    """
    key = ChargePointKeys(tenant, charge_point).security_events
    for what in await store.execute("ZRANGE", key, 0, -1):
        if _read(what, 0).id == event_id:
            return bool(await store.execute("ZREM", key, what))
    return False


def _encode_identity(event: SecurityEvent) -> bytes:
    facts = (event.type, event.timestamp, event.tech_info)
    if event.as_sent is None:
        return msgspec.json.encode(facts)
    return msgspec.json.encode((*facts, msgspec.Raw(event.as_sent), event.mark))


def _read(what: bytes, received_ms: int) -> SecurityEvent:
    stored = msgspec.json.decode(what, type=_Stored)
    return SecurityEvent(
        type=stored.type,
        timestamp=stored.timestamp,
        tech_info=stored.tech_info,
        received_ms=received_ms,
        as_sent=None if stored.as_sent == _NULL else bytes(stored.as_sent),
        mark=stored.mark,
    )
