import pytest
from structlog.testing import capture_logs

from admin.pki import expiry
from admin.pki.expiry import Expiry
from state import keys
from state.charge_points import security
from state.charge_points.security import IssuedCertificate
from state.features import issued_certificates
from state.features.issued_certificates import DAY_MS
from state.keys import ChargePointKeys
from state.store import Store
from state.tenants import tenants
from tests.support.leases import claimed


async def issue(store: Store, tenant: str, id_: str, after_ms: int) -> None:
    of, not_after_ms = ChargePointKeys(tenant, id_), store.server_time_ms() + after_ms
    await claimed(store, "a/1", of)
    new = IssuedCertificate(serial_number="ab", issuer="CN=ca", issued_ms=1, not_after_ms=not_after_ms)
    await issued_certificates.add(store, of, "ab", not_after_ms)
    await security.add_certificate(store, of, new)


async def test_certificates_of_all_tenants_are_counted_and_a_day_has_one_warning_for_each_tenant(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(expiry, "_TENANTS", 1)  # So the tenants are on several pages.
    for tenant in ("one", "other"):
        await tenants.put(store, tenant, name="", auto_register=True)
    for number in range(12):
        await issue(store, "one", f"CP-{number:02}", 6 * DAY_MS)
    await issue(store, "one", "late", -DAY_MS)
    await issue(store, "other", "young", 300 * DAY_MS)
    first, second = Expiry(store), Expiry(store)
    assert first.counts == {}
    with capture_logs() as logs:
        for one in (first, second, first):
            await one.turn()
    assert first.counts == second.counts
    assert first.counts == {"expired": 1, "1_day": 0, "7_days": 12, "30_days": 0, "later": 1}
    assert [(log["event"], log["days"], log["certificates"]) for log in logs] == [
        ("certificates.expired", 0, 1),
        ("certificates.expiring", 7, 12),
    ]
    assert logs[0]["charge_points"] == ["late"]
    assert logs[1]["charge_points"] == [f"CP-{number:02}" for number in range(10)]
    assert {log["tenant"] for log in logs} == {"one"}
    assert {log["log_level"] for log in logs} == {"warning"}


async def test_nothing_of_the_certificates_of_a_deleted_tenant_is_left(store: Store) -> None:
    await tenants.put(store, "one", name="", auto_register=True)
    await issued_certificates.add(store, ChargePointKeys("one", "CP-1"), "ab", 1)
    await tenants.delete(store, "one")
    assert not await store.execute("EXISTS", keys.issued_certificates("one"))
