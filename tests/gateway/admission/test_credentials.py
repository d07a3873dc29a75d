"""Password and certificate of a request become evidence, with the same work for every request."""

import hmac
from types import SimpleNamespace
from typing import Any, cast

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.admission import credentials
from gateway.admission.basic import read
from gateway.admission.proof import Evidence
from gateway.admission.reasons import Reason
from gateway.node import Node
from gateway.websocket.http_upgrade import Upgrade
from state.charge_points import passwords
from state.charge_points.security import NextPassword, Password, Security
from state.keys import ChargePointKeys
from state.tenants.tokens import Shown
from tests.support.certificates import certificate
from tests.support.raw_upgrade import basic

PEPPER = b"pepper of the tests"
KEYS = ChargePointKeys("acme", "CP-1")
KEY, NEXT = bytes(range(20)), bytes(range(40, 60))
DIGESTS = [passwords.digest(PEPPER, KEYS.member, key) for key in (KEY, NEXT)]
STORED = Security(
    password=Password(DIGESTS[0].hex(), 1), next_passwords=(NextPassword(DIGESTS[1].hex(), "00.a"),)
)


def examined(
    *headers: str,
    security: Security = STORED,
    der: bytes | None = None,
    authorities: tuple[bytes, ...] = (),
    fault: str | None = None,
    user: str = "CP-1",
    encrypted: bool = False,
) -> Evidence:
    node = SimpleNamespace(
        pepper=PEPPER,
        revocations=SimpleNamespace(find_fault=lambda *_: fault),
        store=SimpleNamespace(server_time_ms=lambda: 5),
    )
    upgrade = SimpleNamespace(
        tls=None if der is None else SimpleNamespace(peer_certificate=der, authorities=authorities),
        encrypted=encrypted,
    )
    return credentials.examine(
        cast("Node", node),
        cast("Upgrade", upgrade),
        KEYS,
        Shown(tenant=None, token=None),
        security,
        authorization=read([header.partition(": ")[2].encode() for header in headers]),
        user=user,
        registered=True,
    )


def der() -> bytes:
    return certificate("CP-1").certificate.public_bytes(Encoding.DER)


@pytest.mark.parametrize(
    ("headers", "header", "digest"),
    [
        ([], None, None),
        ([basic("CP-1", KEY)], None, DIGESTS[0]),
        ([basic("CP-1", NEXT)], None, DIGESTS[1]),
        ([basic("CP-1", KEY.hex().encode())], None, DIGESTS[0]),
        ([basic("CP-1", b"")], Reason.WRONG_PASSWORD, None),
        ([basic("CP-1", b"wrong")], Reason.WRONG_PASSWORD, None),
        ([basic("CP-2", KEY)], Reason.WRONG_USER, None),
        (["Authorization: Basic *"], Reason.MALFORMED_AUTHORIZATION, None),
        ([basic("CP-1", KEY)] * 2, Reason.MALFORMED_AUTHORIZATION, None),
    ],
    ids=range(9),
)
def test_the_header_proves_a_stored_password_or_says_why_it_proves_nothing(
    headers: list[str], header: Reason | None, digest: bytes | None
) -> None:
    found = examined(*headers)
    assert (found.header, found.digest) == (header, digest)


def test_a_header_proves_nothing_where_no_password_is_stored() -> None:
    found = examined(basic("CP-1", KEY), security=Security())
    assert (found.header, found.digest) == (Reason.WRONG_PASSWORD, None)


def test_the_user_name_is_the_id_as_the_path_spells_it() -> None:
    """The stored password belongs to the registered spelling of the id."""
    assert examined(basic("cp-1", KEY), user="cp-1").digest == DIGESTS[0]
    assert examined(basic("CP-1", KEY), user="cp-1").header is Reason.WRONG_USER


def test_a_certificate_is_read_and_judged_by_the_revocations_of_the_process() -> None:
    found = examined(der=der(), encrypted=True)
    assert found.certificate is not None
    assert found.certificate.common_names == ("CP-1",)
    assert (found.certificate_fault, found.certificate.authorities) == (None, ())
    through = examined(der=der(), authorities=(der(),), encrypted=True).certificate
    assert through is not None
    assert [one.issuer for one in through.authorities] == ["CN=CP-1"]
    for fault, reason in (
        ("expired", Reason.CERTIFICATE_EXPIRED),
        ("revoked", Reason.CERTIFICATE_REVOKED),
        ("list_overdue", Reason.REVOCATION_UNKNOWN),
    ):
        assert examined(der=der(), fault=fault).certificate_fault is reason


def test_a_certificate_that_cannot_be_read_is_a_fault() -> None:
    found = examined(der=b"\x30\x03\x02\x01\x01", encrypted=True)
    assert (found.certificate, found.certificate_fault) == (None, Reason.CERTIFICATE_UNREADABLE)


@pytest.mark.parametrize("security", [STORED, Security()], ids=["stored", "nothing stored"])
def test_every_request_costs_two_hashes(security: Security, monkeypatch: pytest.MonkeyPatch) -> None:
    real, made = hmac.digest, []

    def count(*args: Any) -> bytes:
        made.append(1)
        return real(*args)

    monkeypatch.setattr(hmac, "digest", count)
    requests: tuple[list[str], ...] = (
        [],
        [basic("CP-1", KEY)],
        [basic("CP-2", KEY)],
        ["Authorization: x"],
        [basic("CP-1", b"")],
    )
    for headers in requests:
        made.clear()
        examined(*headers, security=security)
        assert len(made) == 2
