"""Certificates over HTTP: a request is approved or rejected, and a certificate is listed and revoked."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from gateway.handlers.certificates import sign_certificate
from gateway.handlers.charge_point import ChargePoint, SessionMemory
from gateway.ocpp16.messages import security as messages
from state.charge_points import configuration, denied_certificates, security
from state.charge_points.configuration import ReportedKey
from state.features import issued_certificates
from state.keys import DENIED_CERTIFICATES, ChargePointKeys
from state.store import Store
from state.tenants import tenants
from tests.admin.api import TENANT, Api, serving
from tests.admin.fake_session import FakeSession, connected
from tests.admin.pki.authority import authority
from tests.admin.problem import is_problem
from tests.admin.remembering import remembering
from tests.support.certificates import request
from tests.support.waiting import until

OF_TENANT = f"/v1/tenants/{TENANT}"
BASE = f"{OF_TENANT}/charge-points/CP-1"
REQUEST, ISSUED = f"{BASE}/certificate-request", f"{BASE}/issued-certificates"


@pytest.fixture
async def signing(store: Store) -> AsyncIterator[Api]:
    """Serve the API with an authority. Only the routes sign, because no queue is worked on."""
    await tenants.put(store, TENANT, name="Acme", auto_register=False)
    async with serving(store, authority=authority()) as api:
        yield api


async def ask(session: FakeSession, csr: str | None = None) -> str:
    point = ChargePoint(session.store, session.lease, SessionMemory(300, None))
    return (await sign_certificate(messages.SignCertificate(csr=csr or request()), point)).status


async def ok(response: Any) -> Any:
    assert response.status_code == 200, response.text
    return response.json()


async def issue(api: Api, session: FakeSession) -> dict[str, Any]:
    """Let the charge point ask for a certificate, and approve its request."""
    assert await ask(session) == "Accepted"
    approved: dict[str, Any] = await ok(await api.client.post(f"{REQUEST}/approve"))

    async def accepted() -> bool:
        listed = (await ok(await api.client.get(ISSUED)))["items"]
        return bool(listed[0]["status"] == "accepted")

    await until(accepted)
    return approved


async def test_an_approved_request_is_signed_and_sent_and_shown_with_its_certificate(signing: Api) -> None:
    answering, asked = remembering(lambda _action, _payload: {"status": "Accepted"})
    async with connected(signing.store, TENANT, "CP-1", answering) as session:
        is_problem(await signing.client.post(f"{REQUEST}/approve"), 404, "not-found")
        assert await ask(session) == "Accepted"
        waiting = await ok(await signing.client.get(REQUEST))
        assert (waiting["status"], waiting["serial_number"], waiting["command"]) == ("waiting", None, None)
        wrong = await signing.client.post(f"{REQUEST}/approve", params={"id": "another"})
        is_problem(wrong, 409, "another-request")
        assert (await ok(await signing.client.get(REQUEST)))["status"] == "waiting"
        approved = await ok(await signing.client.post(f"{REQUEST}/approve", params={"id": waiting["id"]}))
        assert approved["status"] in {"signed", "sent"}

        async def accepted() -> bool:
            [one] = (await ok(await signing.client.get(ISSUED)))["items"]
            return bool(one["status"] == "accepted" and one["serial_number"] == approved["serial_number"])

        await until(accepted)
        again = await ok(await signing.client.post(f"{REQUEST}/approve"))
        assert again["serial_number"] == approved["serial_number"]

        async def sent_twice() -> bool:
            return len(asked) == 2

        await until(sent_twice)
    assert asked[0] == asked[1]
    assert asked[0][0] == "CertificateSigned"
    one = await ok(await signing.client.get(f"{ISSUED}/{approved['serial_number'].upper()}"))
    assert one["issuer"] == authority().issuers["ec"].name
    is_problem(await signing.client.get(f"{ISSUED}/abc"), 404, "not-found")


async def test_a_rejected_request_stays_readable_and_can_still_be_approved(signing: Api) -> None:
    async with connected(signing.store, TENANT, "CP-1") as session:
        is_problem(await signing.client.post(f"{REQUEST}/reject"), 404, "not-found")
        await ask(session)
        for _ in range(2):
            assert (await ok(await signing.client.post(f"{REQUEST}/reject")))["status"] == "rejected"
        assert (await ok(await signing.client.get(ISSUED)))["items"] == []
        await ok(await signing.client.post(f"{REQUEST}/approve"))
        is_problem(await signing.client.post(f"{REQUEST}/reject"), 409, "certificate-issued")


async def test_the_operator_is_told_why_an_approved_request_cannot_be_signed(signing: Api) -> None:
    async with connected(signing.store, TENANT, "CP-1") as session:
        await ask(session)
        told = [ReportedKey("CertificateSignedMaxChainSize", "10", readonly=True)]
        await configuration.learn(session.store, session.lease.keys, told, (), complete=True)
        problem = is_problem(await signing.client.post(f"{REQUEST}/approve"), 409, "certificate-not-issued")
        shown = await ok(await signing.client.get(REQUEST))
        assert (shown["status"], shown["problem"]) == ("failed", problem["detail"])
        assert "takes at most 10" in problem["detail"]


async def test_a_process_without_an_authority_leaves_an_approved_request_to_other_processes(api: Api) -> None:
    async with connected(api.store, TENANT, "CP-1") as session:
        await ask(session)
        assert (await ok(await api.client.post(f"{REQUEST}/approve")))["status"] == "approved"
        assert await api.store.execute("ZCARD", "csms:signing-queue") == 1


async def test_a_revoked_certificate_is_denied_and_stays_revoked(signing: Api) -> None:
    answering, _ = remembering(lambda _action, _payload: {"status": "Accepted"})
    async with connected(signing.store, TENANT, "CP-1", answering) as session:
        serial = (await issue(signing, session))["serial_number"]
        revoke = f"{ISSUED}/{serial}/revoke"
        assert (await ok(await signing.client.post(revoke, json={"why": "Stolen."})))["status"] == "revoked"
        assert (await ok(await signing.client.post(revoke)))["status"] == "revoked"
        await security.settle_certificate(signing.store, session.lease.keys, serial, "accepted")
    [(field, entry)] = (await signing.store.execute("HGETALL", DENIED_CERTIFICATES)).items()
    assert field.decode() == f"{authority().issuers['ec'].name}|{serial}"
    assert b'"why":"Stolen."' in entry
    assert (await ok(await signing.client.get(f"{ISSUED}/{serial}")))["status"] == "revoked"
    assert (await ok(await signing.client.get(f"{OF_TENANT}/certificates")))["items"] == []
    is_problem(await signing.client.post(f"{ISSUED}/abc/revoke"), 404, "not-found")
    is_problem(await signing.client.post(revoke, json={"why": "x" * 256}), 422, "invalid-request")


async def test_the_certificates_of_a_tenant_are_listed_by_their_expiry(signing: Api) -> None:
    answering, _ = remembering(lambda _action, _payload: {"status": "Accepted"})
    async with connected(signing.store, TENANT, "CP-1", answering) as session:
        serials = [(await issue(signing, session))["serial_number"] for _ in range(3)]
    path = f"{OF_TENANT}/certificates"
    listed = await signing.read_all(path, limit=2)
    assert sorted(one["serial_number"] for one in listed) == sorted(serials)
    assert {one["charge_point"] for one in listed} == {"CP-1"}
    assert [one["not_after"] for one in listed] == sorted(one["not_after"] for one in listed)
    for moment, number in (("2020-01-01T00:00:00Z", 0), ("9999-12-31T23:59:59Z", 3)):
        assert len(await signing.read_all(path, expires_before=moment)) == number
    is_problem(await signing.client.get(path, params={"expires_before": "soon"}), 422, "invalid-request")
    is_problem(await signing.client.get(path, params={"cursor": "?"}), 422, "invalid-request")


async def test_a_certificate_is_revoked_for_its_charge_point_even_if_no_more_certificates_can_be_denied(
    signing: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(denied_certificates, "CERTIFICATES_MAX", 0)
    answering, _ = remembering(lambda _action, _payload: {"status": "Accepted"})
    async with connected(signing.store, TENANT, "CP-1", answering) as session:
        serial = (await issue(signing, session))["serial_number"]
        full = await signing.client.post(f"{ISSUED}/{serial}/revoke")
        problem = is_problem(full, 409, "too-many-denied-certificates")
        assert "Disconnect the charge point" in problem["detail"]
    assert (await ok(await signing.client.get(f"{ISSUED}/{serial}")))["status"] == "revoked"


async def test_the_certificates_of_another_tenant_are_neither_listed_nor_revoked(signing: Api) -> None:
    await tenants.put(signing.store, "other", name="", auto_register=False)
    answering, _ = remembering(lambda _action, _payload: {"status": "Accepted"})
    async with connected(signing.store, TENANT, "CP-1", answering) as session:
        serial = (await issue(signing, session))["serial_number"]
    of_other = await signing.as_key(["other"])
    for method, path in (
        ("GET", f"{OF_TENANT}/certificates"),
        ("GET", ISSUED),
        ("POST", f"{ISSUED}/{serial}/revoke"),
        ("POST", f"{REQUEST}/approve"),
    ):
        is_problem(await signing.client.request(method, path, headers=of_other), 404, "not-found")
    other = f"/v1/tenants/other/charge-points/CP-1/issued-certificates/{serial}"
    is_problem(await signing.client.post(f"{other}/revoke"), 404, "not-found")
    assert (await issued_certificates.list_(signing.store, "other", before_ms=1 << 45)).items == ()
    keys = ChargePointKeys(TENANT, "CP-1")
    assert (await security.read(signing.store, keys.tenant, keys.id)).certificates[0].is_right
