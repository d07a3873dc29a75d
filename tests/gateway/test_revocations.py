"""A certificate is revoked by a list of its authority or by an operator. An overdue list warns or refuses."""

from pathlib import Path

import pytest
import trio
import trio.testing
from cryptography.hazmat.primitives.serialization import Encoding
from structlog.testing import capture_logs

from gateway.revocations import WARN_AGAIN_MS, Revocations
from gateway.service import client_certificates
from gateway.service.revocation_lists import RevocationList
from state.charge_points import denied_certificates
from state.errors import StoreUnavailable
from state.store import Store
from tests.support.certificates import NOW, certificate

ROOT = certificate("root")
SHOWN = client_certificates.read(
    certificate("CP-1", issuer=ROOT, serial=0xABC).certificate.public_bytes(Encoding.DER)
)
NOW_MS = int(NOW.timestamp() * 1000)


def crl(*serials: int, next_update_ms: int | None = NOW_MS + 1, issuer: str = "CN=root") -> RevocationList:
    return RevocationList(Path("list.pem"), issuer, frozenset(serials), next_update_ms)


@pytest.mark.parametrize(
    ("lists", "fault"),
    [
        ([], None),
        ([crl(0xABD)], None),
        ([crl(0xABC, issuer="CN=other")], None),
        ([crl(0xABC)], "revoked"),
        ([crl(), crl(0xABC)], "revoked"),
        ([crl(0xABC, next_update_ms=NOW_MS - 1)], "revoked"),
        ([crl(next_update_ms=NOW_MS - 1)], "list_overdue"),
        ([crl(next_update_ms=NOW_MS - 1), crl()], None),
        ([crl(next_update_ms=None)], None),
        ([crl(next_update_ms=NOW_MS - 1, issuer="CN=other")], None),
    ],
)
def test_only_a_list_of_the_issuer_revokes_a_certificate_and_only_the_switch_makes_an_overdue_list_refuse(
    lists: list[RevocationList], fault: str | None
) -> None:
    strict, mild = Revocations(refuse_overdue=True), Revocations()
    for one in (strict, mild):
        one.set_lists(lists)
    assert strict.find_fault(SHOWN, NOW_MS) == fault
    assert mild.find_fault(SHOWN, NOW_MS) == (None if fault == "list_overdue" else fault)


def test_a_certificate_is_expired_outside_its_dates() -> None:
    for moment in (SHOWN.not_before_ms - 1, SHOWN.not_after_ms + 1):
        assert Revocations().find_fault(SHOWN, moment) == "expired"


def test_new_lists_replace_the_old_ones() -> None:
    revocations = Revocations()
    revocations.set_lists([crl(0xABC)])
    revocations.set_lists([crl()])
    assert revocations.find_fault(SHOWN, NOW_MS) is None


ISSUING = certificate("issuing", issuer=ROOT, serial=0xDEF)
THROUGH = client_certificates.read(
    certificate("CP-2", issuer=ISSUING).certificate.public_bytes(Encoding.DER),
    [one.certificate.public_bytes(Encoding.DER) for one in (ISSUING, ROOT)],
)


@pytest.mark.parametrize(
    ("lists", "fault"),
    [
        ([crl(0xABC, issuer="CN=other"), crl(issuer="CN=issuing")], None),
        ([crl(0xDEF)], "revoked"),
        ([crl(0xDEF, issuer="CN=issuing")], None),
        ([crl(next_update_ms=NOW_MS - 1)], "list_overdue"),
    ],
)
def test_a_certificate_is_as_bad_as_each_authority_in_its_chain(
    lists: list[RevocationList], fault: str | None
) -> None:
    revocations = Revocations(refuse_overdue=True)
    revocations.set_lists(lists)
    assert revocations.find_fault(THROUGH, NOW_MS) == fault


@pytest.mark.parametrize("by", ["fingerprint", "serial number"])
async def test_an_authority_that_an_operator_denied_makes_its_certificates_revoked(
    store: Store, by: str
) -> None:
    authority = THROUGH.authorities[0]
    name = (
        denied_certificates.by_fingerprint(authority.fingerprint)
        if by == "fingerprint"
        else denied_certificates.by_serial_number("CN=root", "DEF")
    )
    await denied_certificates.deny(store, name, "lost its key", 1)
    revocations = Revocations()
    await revocations.read_denied(store)
    assert revocations.find_fault(THROUGH, NOW_MS) == "revoked"
    assert revocations.find_fault(SHOWN, NOW_MS) is None


@pytest.mark.parametrize(
    "name",
    [
        denied_certificates.by_fingerprint(SHOWN.fingerprint.upper()),
        denied_certificates.by_serial_number("CN=root", "0A:BC"),
    ],
    ids=["fingerprint", "serial number"],
)
async def test_a_certificate_that_an_operator_denied_is_revoked_until_it_is_allowed_again(
    store: Store, name: str
) -> None:
    revocations = Revocations()
    await denied_certificates.deny(store, name, "stolen", NOW_MS)
    await revocations.read_denied(store)
    assert revocations.find_fault(SHOWN, NOW_MS) == "revoked"
    await denied_certificates.allow_again(store, name)
    await revocations.read_denied(store)
    assert revocations.find_fault(SHOWN, NOW_MS) is None


async def test_the_denied_certificates_stay_denied_while_the_store_cannot_be_read(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    revocations = Revocations()
    await denied_certificates.deny(store, SHOWN.fingerprint, "stolen", NOW_MS)
    await revocations.read_denied(store)

    async def fail(_: Store) -> frozenset[str]:
        raise StoreUnavailable("away", sent=False)

    with monkeypatch.context() as patch:
        patch.setattr(denied_certificates, "read_all", fail)
        with pytest.raises(StoreUnavailable):
            await revocations.read_denied(store)
    assert revocations.find_fault(SHOWN, NOW_MS) == "revoked"
    await denied_certificates.allow_again(store, SHOWN.fingerprint)
    await revocations.read_denied(store)
    assert revocations.find_fault(SHOWN, NOW_MS) is None


async def test_a_request_to_read_that_comes_during_a_read_causes_exactly_one_more_read(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    revocations, reads, go_on = Revocations(), [0], trio.Event()

    async def read_slowly(_: Store) -> frozenset[str]:
        reads[0] += 1
        await go_on.wait()
        return frozenset({SHOWN.fingerprint} if reads[0] == 2 else ())

    monkeypatch.setattr(denied_certificates, "read_all", read_slowly)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(revocations.read_denied, store)
        await trio.testing.wait_all_tasks_blocked()
        for _ in range(5):
            await revocations.read_denied(store)
        go_on.set()
    assert reads == [2]
    assert revocations.find_fault(SHOWN, NOW_MS) == "revoked"


def test_an_overdue_list_is_logged_once_a_day() -> None:
    revocations = Revocations()
    revocations.set_lists([crl(next_update_ms=NOW_MS - 1), crl(issuer="CN=other")])
    with capture_logs() as logs:
        for moment in (0, 1, WARN_AGAIN_MS - 1, WARN_AGAIN_MS):
            revocations.warn_of_overdue_lists(NOW_MS + moment)
    of_root = [one for one in logs if one["issuer"] == "CN=root"]
    assert [one["event"] for one in of_root] == ["revocation_list.overdue"] * 2
    assert of_root[0]["files"] == ["list.pem"]
    assert of_root[0]["refuses"] is False
