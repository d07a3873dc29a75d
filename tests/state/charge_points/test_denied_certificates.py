"""Operators deny client certificates, and every gateway is woken."""

import pytest

from state import keys
from state.charge_points import denied_certificates
from state.charge_points.denied_certificates import (
    EXPIRED_MS,
    Denied,
    allow_again,
    by_fingerprint,
    by_serial_number,
    deny,
    list_,
    read_all,
)
from state.nodes import inbox, nodes
from state.nodes.nodes import NodeRecord
from state.store import Store


async def test_a_denied_certificate_is_listed_with_its_reason_until_it_is_allowed_again(store: Store) -> None:
    name = by_serial_number("CN=root", "abc")
    assert await deny(store, name, "stolen", 5) == "denied"
    assert await deny(store, name, "said again", 6) == "already_denied"
    assert await deny(store, "aa", "lost", 7) == "denied"
    assert await list_(store) == [
        Denied(name="aa", denied_ms=7, why="lost"),
        Denied(name=name, denied_ms=5, why="stolen"),
    ]
    assert await read_all(store) == {name, "aa"}
    assert await allow_again(store, name)
    assert not await allow_again(store, name)
    assert await read_all(store) == {"aa"}


def test_the_usual_spellings_of_a_fingerprint_and_of_a_serial_number_have_one_name() -> None:
    assert by_fingerprint("AB:CD") == by_fingerprint("abcd") == "abcd"
    assert by_serial_number("CN=a", "00:0A:BC") == by_serial_number("CN=a", "abc") == "CN=a|abc"
    assert by_serial_number("CN=a", "00") == "CN=a|0"


async def test_each_change_wakes_the_gateways(store: Store) -> None:
    me = NodeRecord(kind="gateway", host="one", pid=1, started_ms=1)
    await nodes.beat(store, "a", me)
    await deny(store, "aa", "lost", 7)
    await allow_again(store, "aa")
    messages = [message for _, message in await inbox.read(store, "a", "0", 1)]
    assert messages == [inbox.DeniedCertificatesChanged()] * 2


async def test_the_number_of_denied_certificates_is_bounded_and_many_of_them_are_read_in_parts(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(denied_certificates, "CERTIFICATES_MAX", 5_000)
    pairs = [part for number in range(5_000) for part in (f"{number:x}", b'{"denied_ms":1,"why":""}')]
    await store.execute("HSET", keys.DENIED_CERTIFICATES, *pairs)
    assert len(await read_all(store)) == 5_000
    assert await deny(store, "new", "lost", 7) == "full"
    assert await deny(store, "0", "lost", 7) == "already_denied"
    assert "new" not in await read_all(store)


async def test_when_the_list_is_full_only_certificates_that_expired_long_ago_make_room(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(denied_certificates, "CERTIFICATES_MAX", 3)
    now_ms = 10 * EXPIRED_MS
    for name, not_after_ms in (
        ("expired", now_ms - EXPIRED_MS - 1),
        ("just expired", now_ms - 1),
        ("?", None),
    ):
        assert await deny(store, name, "", 1, not_after_ms=not_after_ms) == "denied"
    assert await deny(store, "expired", "", now_ms) == "already_denied"
    assert await deny(store, "new", "", now_ms, not_after_ms=now_ms) == "denied"
    assert await deny(store, "newer", "", now_ms) == "full"
    assert await read_all(store) == {"just expired", "?", "new"}


async def test_a_denied_certificate_is_stored_by_issuer_and_serial_number_with_the_reason(
    store: Store,
) -> None:
    name = by_serial_number("CN=ca,O=x", "0AB12")
    assert await deny(store, name, "The charge point was stolen.", 5) == "denied"
    assert await deny(store, name, "A repeated denial changes nothing.", 6) == "already_denied"
    found = await store.execute("HGETALL", keys.DENIED_CERTIFICATES)
    assert found == {b"CN=ca,O=x|ab12": b'{"denied_ms":5,"why":"The charge point was stolen."}'}
