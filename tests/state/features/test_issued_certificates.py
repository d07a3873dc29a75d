"""The certificates of a tenant are listed, counted and examined by the time of their expiry."""

import msgspec
import pytest

from state import keys as key_names
from state.charge_points import security
from state.charge_points.denied_certificates import by_serial_number, deny
from state.charge_points.security import IssuedCertificate
from state.features import issued_certificates
from state.features.issued_certificates import DAY_MS, KEPT_MS, Turn
from state.keys import ChargePointKeys
from state.paging import BadCursor
from state.store import Store
from tests.support.leases import claimed

NOW = 1_800_000_000_000


async def issue(store: Store, id_: str, serial: str, not_after_ms: int) -> ChargePointKeys:
    keys = ChargePointKeys("acme", id_)
    if not await store.execute("EXISTS", keys.record):
        await claimed(store, "a/1", keys)
    new = IssuedCertificate(serial_number=serial, issuer="CN=ca", issued_ms=1, not_after_ms=not_after_ms)
    await issued_certificates.add(store, keys, serial, not_after_ms)
    await security.add_certificate(store, keys, new)
    return keys


async def listed(store: Store, before_ms: int, limit: int = 100) -> list[tuple[str, str]]:
    found, cursor = [], None
    for _ in range(50):
        page = await issued_certificates.list_(store, "acme", before_ms=before_ms, cursor=cursor, limit=limit)
        found += [(one.charge_point, one.certificate.serial_number) for one in page.items]
        cursor = page.next
        if cursor is None:
            return found
    raise AssertionError("the listing has no end")


@pytest.mark.parametrize("limit", [1, 2, 100])
async def test_certificates_that_expire_before_a_time_are_listed_in_the_order_of_their_expiry(
    store: Store, limit: int
) -> None:
    await issue(store, "b / ü", "2", NOW + 2)
    await issue(store, "a", "1", NOW + 1)
    await issue(store, "a", "3", NOW + 3)
    assert await listed(store, NOW + 3, limit) == [("a", "1"), ("b / ü", "2")]
    assert await listed(store, NOW + 9, limit) == [("a", "1"), ("b / ü", "2"), ("a", "3")]
    assert await listed(store, NOW, limit) == []
    with pytest.raises(BadCursor):
        await issued_certificates.list_(store, "acme", before_ms=NOW, cursor="?")


async def test_a_certificate_that_may_not_be_used_is_not_listed_and_is_removed_by_the_next_turn(
    store: Store,
) -> None:
    keys = await issue(store, "a", "1", NOW + 1)
    await issue(store, "a", "2", NOW + 2)
    await issue(store, "a", "3", NOW + 3)
    old = await issue(store, "old", "4", NOW - KEPT_MS - 1)
    await security.settle_certificate(store, keys, "1", "revoked")
    await issued_certificates.remove(store, keys, "3", NOW + 3)
    assert await listed(store, NOW + 9) == [("old", "4"), ("a", "2")]
    await issued_certificates.examine(store, "acme", Turn(0, NOW))
    index = key_names.issued_certificates("acme")
    assert await store.execute("ZCARD", index) == 1
    assert (await security.read(store, "acme", old.id)).find_certificate("4") is not None


async def test_each_certificate_is_counted_in_the_one_bucket_of_its_expiry(store: Store) -> None:
    ends = {"expired": -1, "1_day": DAY_MS - 1, "7_days": DAY_MS, "30_days": 7 * DAY_MS, "later": 30 * DAY_MS}
    for number, after_ms in enumerate(ends.values()):
        await issue(store, "a", f"{number:x}", NOW + after_ms)
    assert await issued_certificates.count(store, ["acme", "none"], NOW) == dict.fromkeys(ends, 1)
    assert sum((await issued_certificates.count(store, [], NOW)).values()) == 0


async def test_a_certificate_is_reported_once_for_each_limit_that_it_comes_closer_to(store: Store) -> None:
    end = NOW + 40 * DAY_MS
    await issue(store, "a", "1", end)
    reported, last = [], 0
    for day in range(9, 45):
        now = NOW + day * DAY_MS
        found = await issued_certificates.examine(store, "acme", Turn(last, now))
        reported += [(day, days, [one.charge_point for one in some]) for days, some in found.items()]
        last = now
    assert reported == [(10, 30, ["a"]), (33, 7, ["a"]), (39, 1, ["a"]), (40, 0, ["a"])]
    found = await issued_certificates.examine(store, "acme", Turn(0, end - DAY_MS // 2))
    assert list(found) == [1]


async def test_one_process_gets_the_turn_to_examine_the_certificates_of_a_tenant(store: Store) -> None:
    first = await issued_certificates.claim_turn(store, "acme")
    assert first is not None
    assert first.last_ms == 0
    assert await issued_certificates.claim_turn(store, "acme") is None
    assert await issued_certificates.claim_turn(store, "other") is not None
    second = await issued_certificates.claim_turn(store, "acme", pause_ms=0)
    assert second is not None
    assert second.last_ms == first.now_ms


async def test_the_certificates_of_a_tenant_are_examined_after_the_servers_clock_was_set_back(
    store: Store,
) -> None:
    await store.execute("HSET", key_names.CERTIFICATES_SWEPT, "acme", NOW + 10_000 * DAY_MS)
    turn = await issued_certificates.claim_turn(store, "acme")
    assert turn is not None
    assert await issued_certificates.claim_turn(store, "acme") is None


async def test_denied_certificates_are_listed_for_each_issuer(store: Store) -> None:
    await deny(store, by_serial_number("CN=a|b,O=x", "ff"), "lost", 5)
    await deny(store, by_serial_number("CN=other", "1"), "lost", 6)
    found = await issued_certificates.list_revoked(store, "CN=a|b,O=x")
    assert found == {255: 5}
    await store.execute(
        "HSET", key_names.DENIED_CERTIFICATES, "ab" * 32, msgspec.json.encode({"denied_ms": 1, "why": ""})
    )
    assert await issued_certificates.list_revoked(store, "CN=a|b,O=x") == found
    await deny(store, by_serial_number("CN=a|b,O=x", "ff"), "again", 7)
    assert await issued_certificates.list_revoked(store, "CN=a|b,O=x") == found
