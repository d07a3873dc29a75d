"""The latest 500 security events of any type are kept, each of them once, and listed newest first."""

import pytest

from state.features import security_events
from state.features.security_events import KEPT, SecurityEvent
from state.keys import ChargePointKeys
from state.paging import BadCursor, encode_cursor
from state.store import Store
from tests.support.leases import events

KEYS = ChargePointKeys("acme", "CP-1")


def an_event(
    type_: str = "FirmwareUpdated",
    timestamp: str = "2026-01-01T00:00:00Z",
    tech_info: str | None = None,
    at: int = 1,
) -> SecurityEvent:
    return SecurityEvent(type=type_, timestamp=timestamp, tech_info=tech_info, received_ms=at)


async def test_security_events_with_the_same_type_and_timestamp_and_tech_info_are_stored_once(
    store: Store,
) -> None:
    first = an_event()
    assert await security_events.keep(store, KEYS, first)
    assert not await security_events.keep(store, KEYS, an_event(at=9))
    others = [
        an_event("Anything at all", at=2),
        an_event(timestamp="2026-01-01T01:00:00+01:00", at=3),
        an_event(tech_info="", at=4),
        an_event(tech_info='{"x":\n1}', at=5),
    ]
    for one in others:
        assert await security_events.keep(store, KEYS, one)
    found = await security_events.list_(store, "acme", "CP-1")
    assert found.page.items == (*others[::-1], first)
    assert (found.page.next, found.evicted) == (None, 0)
    assert [data for kind, data in await events(store) if kind == "security_event"] == [
        {"security_event": one.id, "type": one.type, "critical": one.type == "FirmwareUpdated"}
        for one in (first, *others)
    ]


async def test_a_listing_of_security_events_can_be_limited_to_critical_events(store: Store) -> None:
    for at, type_ in enumerate(("InvalidMessages", "TamperDetectionActivated", "MadeUp")):
        await security_events.keep(store, KEYS, an_event(type_, at=at))
    for critical, types in ((True, ["TamperDetectionActivated"]), (False, ["MadeUp", "InvalidMessages"])):
        found = await security_events.list_(store, "acme", "CP-1", critical=critical)
        assert [event.type for event in found.page.items] == types


async def test_new_security_events_do_not_disturb_the_next_page_of_a_listing(store: Store) -> None:
    # Several events have the same millisecond.
    sent = [an_event(tech_info=str(n), at=n // 3) for n in range(20)]
    for one in sent:
        await security_events.keep(store, KEYS, one)
    seen: list[SecurityEvent] = []
    cursor = None
    while True:
        page = (await security_events.list_(store, "acme", "CP-1", cursor=cursor, limit=7)).page
        seen += page.items
        await security_events.keep(store, KEYS, an_event(tech_info=f"new {len(seen)}", at=100))
        cursor = page.next
        if cursor is None:
            break
    assert sorted(seen, key=lambda one: one.id) == sorted(sent, key=lambda one: one.id)
    assert [one.received_ms for one in seen] == sorted((one.received_ms for one in sent), reverse=True)


async def test_security_events_that_arrive_in_the_same_millisecond_keep_their_order(store: Store) -> None:
    sent = [an_event(tech_info=str(n), at=1_800_000_000_000) for n in range(30)]
    for one in sent:
        await security_events.keep(store, KEYS, one)
    found = await security_events.list_(store, "acme", "CP-1")
    assert found.page.items == tuple(sent[::-1])


async def test_the_oldest_security_events_beyond_500_are_removed_and_counted(store: Store) -> None:
    for n in range(KEPT + 3):
        await security_events.keep(store, KEYS, an_event(tech_info=str(n), at=n))
    found = await security_events.list_(store, "acme", "CP-1", limit=1000)
    assert [one.received_ms for one in found.page.items] == list(range(KEPT + 2, 2, -1))
    assert found.evicted == 3


async def test_an_unreadable_cursor_is_refused_and_an_unknown_cursor_gives_an_empty_page(
    store: Store,
) -> None:
    with pytest.raises(BadCursor):
        await security_events.list_(store, "acme", "CP-1", cursor="!")
    assert (
        await security_events.list_(store, "acme", "CP-1", cursor=encode_cursor(b"\xff"))
    ).page.items == ()
