"""A hostile certificate request is refused or stored, and never ends or fills a process."""

import resource
import time
from collections import Counter

import pytest

from admin.pki.issue import CannotIssue, Owner, issue
from gateway.handlers.certificates import certificate_signed, sign_certificate
from gateway.handlers.charge_point import ChargePoint, SessionMemory
from gateway.handlers.handler import Answered
from gateway.ocpp16.messages.security import CertificateSigned, CertificateSignedResult, SignCertificate
from gateway.service import certificate_requests
from gateway.service.certificate_requests import RequestRefused
from state.charge_points import security
from state.charge_points.security import IssuedCertificate
from state.features import signing_requests
from state.store import Store
from state.tenants.tenants import Tenant
from tests.admin.pki.authority import NOW, authority
from tests.support.certificates import certificate, request
from tests.support.hostile_requests import hostile_requests
from tests.support.leases import KEYS, claimed, events

OWNER = Owner(Tenant(id="acme", name="Acme", auto_register=False, created_ms=1), "CP-1")
NAMES = ("CP-1", "x" * 64, "ü", "")
SECONDS_MAX = 0.05
"""Greatest CPU time for one request. Making a certificate takes some milliseconds of it."""


def judge(csr: str) -> str:
    """Do what a gateway and an admin process do with a request, and say how far the request came."""
    try:
        asked = certificate_requests.read(csr)
    except RequestRefused:
        return "unreadable"
    foreign = certificate_requests.find_foreign_name(asked, NAMES)
    if foreign is not None:
        assert len(foreign) < 700
        return "foreign"
    try:
        issued = issue(authority(), csr, OWNER, round(NOW.timestamp() * 1000), 30)
    except CannotIssue:
        return "not issued"
    assert len(issued.chain) <= 10_000
    return "issued"


def judge_all(number: int, seed: int) -> Counter[str]:
    found: Counter[str] = Counter()
    authority()  # Its keys are made only once.
    for csr in hostile_requests(seed, number):
        began = time.process_time()
        found[judge(csr)] += 1
        if time.process_time() - began > SECONDS_MAX:  # The collector may have run meanwhile.
            assert min(measure(csr) for _ in range(5)) < SECONDS_MAX, csr
    return found


def measure(csr: str) -> float:
    began = time.process_time()
    judge(csr)
    return time.process_time() - began


def test_hostile_certificate_requests_are_judged_without_a_crash_and_each_in_a_short_time() -> None:
    found = judge_all(2_000, seed=1)
    assert found["unreadable"] > 1_000
    assert found["foreign"] > 50
    assert found["issued"] > 50


@pytest.mark.slow
def test_50000_hostile_certificate_requests_do_not_crash_a_process_or_fill_its_memory() -> None:
    judge_all(5_000, seed=2)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = judge_all(50_000, seed=3)
    assert found.total() == 50_000
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 32_768, "it grew by 32 MiB"


async def ask(store: Store, csr: str) -> str:
    lease = (await claimed(store, "a/1")).lease
    point = ChargePoint(store, lease, SessionMemory(300, None))
    return (await sign_certificate(SignCertificate(csr=csr), point)).status


async def test_a_request_for_another_name_is_rejected_and_the_event_says_what_was_expected(
    store: Store,
) -> None:
    await claimed(store, "a/1")
    check = security.NameCheck(binding="serial_number", serial_number="SN 1", common_name="name 2")
    await security.change_name_check(store, KEYS, lambda _: check)
    assert await ask(store, request(common_name="SN 9")) == "Rejected"
    assert await signing_requests.get(store, "acme", "CP-1") is None
    [data] = [data for kind, data in await events(store) if kind == "certificate_request.refused"]
    assert data["why"] == (
        "The request is for 'SN 9'; exactly one common name was expected, 'CP-1' or 'SN 1' or 'name 2'."
    )
    for name in ("CP-1", "SN 1", "name 2"):
        assert await ask(store, request(common_name=name)) == "Accepted"


async def test_a_boot_with_wrong_types_gives_a_charge_point_no_further_name(store: Store) -> None:
    await claimed(store, "a/1")
    await store.execute(
        "HSET", KEYS.record, "boot", b'{"chargePointSerialNumber":7,"chargeBoxSerialNumber":"B"}'
    )
    assert await ask(store, request(common_name="7")) == "Rejected"
    assert await ask(store, request(common_name="B")) == "Accepted"


@pytest.mark.parametrize(("status", "expected"), [("Accepted", "accepted"), ("Rejected", "rejected")])
async def test_the_answer_to_a_certificate_is_recorded_for_the_certificate_that_was_sent(
    store: Store, status: str, expected: str
) -> None:
    lease = (await claimed(store, "a/1")).lease
    for serial in ("abc", "def"):
        new = IssuedCertificate(serial_number=serial, issuer="CN=ca", issued_ms=1, not_after_ms=9)
        await security.add_certificate(store, KEYS, new)
    result = CertificateSignedResult(status="Accepted" if status == "Accepted" else "Rejected")
    for chain in (certificate(serial=0xABC).pem, certificate(serial=0x99).pem, "junk"):
        answered = Answered(
            CertificateSigned(certificate_chain=chain),
            result,
            "command",
            ChargePoint(store, lease, SessionMemory(300, None)),
        )
        await certificate_signed(answered)
    found = (await security.read(store, "acme", "CP-1")).certificates
    assert [one.status for one in found] == [expected, "sent"]
