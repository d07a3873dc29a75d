"""The rules of issue "Security profiles", checked for every combination of what a request may show.

The rules are written here anew, as properties of the verdict. They do not repeat the code.
"""

from collections.abc import Iterator
from itertools import product
from typing import NamedTuple

import pytest
from msgspec import structs

from gateway.admission.proof import Denied, Evidence, Proven, judge
from gateway.admission.reasons import Reason
from gateway.service.client_certificates import ClientCertificate, owner_uri
from state.charge_points.security import (
    CERTIFICATES,
    CertificateStatus,
    IssuedCertificate,
    NameCheck,
    NextPassword,
    Password,
    Security,
)
from state.tenants.tenants import SecurityProfile, Tenant
from state.tenants.tokens import Shown, Token

DIGEST, NEXT_DIGEST = b"\1" * 32, b"\2" * 32
PROFILES: tuple[SecurityProfile, ...] = (0, 1, 2, 3)
TOKENS = ("none", "right", "retired", "bound_to_it", "bound_to_another", "bound_to_it_and_retired")
HEADERS = ("none", "malformed", "wrong_user", "wrong", "right", "right_next")
CERTIFICATES_SHOWN = (
    *(
        "none",
        "own_name",
        "name_of_another",
        "other_organisation",
        "issued",
        "issued_to_another",
        "not_listed",
    ),
    *("replaced", "rejected", "revoked", "expired", "unreadable"),
)
STATUSES: dict[str, tuple[str, CertificateStatus]] = {
    "replaced": ("a2", "replaced"),
    "rejected": ("a3", "rejected"),
    "revoked": ("a4", "revoked"),
    "issued": ("a1", "accepted"),
}
ISSUED = tuple(
    IssuedCertificate(serial_number=serial, issuer="CN=ca", issued_ms=1, not_after_ms=2, status=status)
    for serial, status in STATUSES.values()
)


class Case(NamedTuple):
    tenant_floor: SecurityProfile
    floor: SecurityProfile
    auto_register: bool
    registered: bool
    token: str
    header: str
    has_password: bool
    encrypted: bool
    certificate: str

    @property
    def password_is_right(self) -> bool:
        return self.header in {"right", "right_next"} and self.registered and self.has_password

    @property
    def certificate_is_bound(self) -> bool:
        return self.certificate in {"own_name", "issued", "not_listed"}

    @property
    def lowest(self) -> int:
        return max(self.tenant_floor, self.floor if self.registered else 0)

    @property
    def is_proved_by_more_than_the_token(self) -> bool:
        return self.password_is_right or self.certificate_is_bound

    @property
    def profile(self) -> SecurityProfile:
        """What the connection is, in the words of the issue."""
        if self.certificate_is_bound:
            return 3
        if self.password_is_right:
            return 2 if self.encrypted else 1
        return 0


def cases() -> Iterator[Case]:
    for values in product(
        PROFILES,
        PROFILES,
        (False, True),
        (False, True),
        TOKENS,
        HEADERS,
        (False, True),
        (False, True),
        CERTIFICATES_SHOWN,
    ):
        case = Case(*values)
        if case.certificate != "none" and not case.encrypted:
            continue  # A certificate comes with TLS only.
        if not case.registered and (case.has_password or case.floor or case.certificate in STATUSES):
            continue  # The store has nothing about an unknown charge point.
        if case.header.startswith("right") and not case.has_password:
            continue
        yield case


def token_of(case: Case) -> Token | None:
    if case.token == "none":
        return None
    bound = {"bound_to_it": "CP", "bound_to_it_and_retired": "CP", "bound_to_another": "CP-2"}
    retired_ms = 5 if case.token in {"retired", "bound_to_it_and_retired"} else None
    return Token(id="t1", label="", created_ms=1, charge_point=bound.get(case.token), retired_ms=retired_ms)


def certificate_of(case: Case) -> ClientCertificate | None:
    if case.certificate in {"none", "unreadable"}:
        return None
    owners = {
        "issued": "CP",
        "issued_to_another": "CP-2",
        **dict.fromkeys(("not_listed", "replaced", "rejected", "revoked", "expired"), "CP"),
    }
    owner = owners.get(case.certificate)
    return ClientCertificate(
        subject="CN=x",
        common_names=("CP-2" if case.certificate == "name_of_another" else "CP",),
        organisations=("Other" if case.certificate == "other_organisation" else "Acme",),
        serial_number=STATUSES.get(case.certificate, ("ff", ""))[0],
        issuer="CN=ca",
        fingerprint="00",
        owner=None if owner is None else owner_uri("acme", owner),
        not_before_ms=0,
        not_after_ms=1,
    )


def evidence_of(case: Case) -> Evidence:
    tenant = Tenant(
        id="acme",
        name="",
        auto_register=case.auto_register,
        created_ms=1,
        security_profile=case.tenant_floor,
        certificate_organisations=("Acme",),
    )
    security = Security(
        floor=case.floor,
        password=Password(DIGEST.hex(), 1) if case.has_password else None,
        next_passwords=(NextPassword(NEXT_DIGEST.hex(), "aa.x"),) if case.has_password else (),
        certificates=ISSUED if case.registered else (),
    )
    header = {
        "malformed": Reason.MALFORMED_AUTHORIZATION,
        "wrong_user": Reason.WRONG_USER,
        "wrong": Reason.WRONG_PASSWORD,
    }.get(case.header)
    faults = {"expired": Reason.CERTIFICATE_EXPIRED, "unreadable": Reason.CERTIFICATE_UNREADABLE}
    return Evidence(
        identity="CP",
        shown=Shown(tenant=tenant, token=token_of(case)),
        registered=case.registered,
        security=security,
        encrypted=case.encrypted,
        header=header,
        digest={"right": DIGEST, "right_next": NEXT_DIGEST}.get(case.header),
        certificate=certificate_of(case),
        certificate_fault=faults.get(case.certificate),
    )


@pytest.fixture(scope="module")
def judged() -> list[tuple[Case, Proven | Denied]]:
    return [(case, judge(evidence_of(case))) for case in cases()]


type Judged = list[tuple[Case, Proven | Denied]]


def test_nobody_is_admitted_below_the_floor_of_the_tenant_or_of_the_charge_point(judged: Judged) -> None:
    admitted = [(case, verdict) for case, verdict in judged if isinstance(verdict, Proven)]
    assert admitted
    assert [case for case, verdict in admitted if verdict.profile < case.lowest] == []


def test_the_profile_of_an_admitted_connection_is_what_the_connection_is(judged: Judged) -> None:
    assert [
        case for case, verdict in judged if isinstance(verdict, Proven) and verdict.profile != case.profile
    ] == []


def test_every_charge_point_that_proves_itself_well_enough_is_admitted(judged: Judged) -> None:
    """The rules refuse nobody without a cause, so that the other rules cannot hold for an empty set."""
    refused = []
    for case, verdict in judged:
        right_token = case.token not in {"none", "bound_to_another"}
        wrong_header = case.header in {"malformed", "wrong_user", "wrong"} and case.has_password
        bad = (
            case.certificate in {"expired", "unreadable"}
            or not right_token
            or case.profile < case.lowest
            or (case.profile == 0 and (case.token.endswith("retired") or wrong_header))
            or (not case.registered and (case.tenant_floor > 0 or not case.auto_register))
        )
        if not bad and isinstance(verdict, Denied):
            refused.append((case, verdict))
    assert refused == []


def test_from_profile_1_on_the_token_alone_opens_nothing(judged: Judged) -> None:
    opened = [
        case
        for case, verdict in judged
        if isinstance(verdict, Proven) and case.lowest >= 1 and not case.is_proved_by_more_than_the_token
    ]
    assert opened == []


def test_no_proof_replaces_the_token(judged: Judged) -> None:
    assert [case for case, verdict in judged if case.token == "none" and isinstance(verdict, Proven)] == []
    wrong = [verdict for case, verdict in judged if case.token == "none"]
    assert {verdict.reason for verdict in wrong if isinstance(verdict, Denied)} == {Reason.WRONG_TOKEN}


def test_a_retired_token_never_opens_profile_0(judged: Judged) -> None:
    retired = [(case, verdict) for case, verdict in judged if case.token.endswith("retired")]
    opened = {verdict.profile for _, verdict in retired if isinstance(verdict, Proven)}
    assert opened == {1, 2, 3}


def test_a_token_of_another_charge_point_opens_nothing(judged: Judged) -> None:
    foreign = [verdict for case, verdict in judged if case.token == "bound_to_another"]
    assert {verdict.reason for verdict in foreign if isinstance(verdict, Denied)} == {Reason.FOREIGN_TOKEN}
    assert all(isinstance(verdict, Denied) for verdict in foreign)


def test_a_certificate_raises_the_profile_only_if_it_is_bound_to_the_charge_point(judged: Judged) -> None:
    by_certificate = {
        case.certificate for case, verdict in judged if isinstance(verdict, Proven) and verdict.profile == 3
    }
    assert by_certificate == {"own_name", "issued", "not_listed"}


def test_a_certificate_that_is_not_valid_is_refused_even_beside_a_right_password(judged: Judged) -> None:
    faulty = {
        "expired": Reason.CERTIFICATE_EXPIRED,
        "unreadable": Reason.CERTIFICATE_UNREADABLE,
    }
    for case, verdict in judged:
        if case.certificate in faulty and case.token == "right":
            assert verdict == Denied(faulty[case.certificate])


def test_a_header_where_no_password_is_stored_raises_nothing(judged: Judged) -> None:
    verdicts = dict(judged)
    compared = 0
    for case, verdict in judged:
        if case.header != "none" and not case.has_password:
            without = verdicts[case._replace(header="none")]
            if isinstance(verdict, Proven):
                assert isinstance(without, Proven)
                assert verdict._replace(ignored=()) == without._replace(ignored=())
                assert ("authorization_ignored" in verdict.ignored) == (verdict.digest is None)
            else:
                assert verdict == without
            compared += 1
    assert compared > 1_000


def test_a_wrong_header_never_helps(judged: Judged) -> None:
    verdicts = dict(judged)
    for case, verdict in judged:
        if case.header in {"malformed", "wrong_user", "wrong"} and isinstance(verdict, Proven):
            without = verdicts[case._replace(header="none")]
            assert isinstance(without, Proven)
            assert without.profile == verdict.profile


def test_404_is_only_for_the_right_token_of_a_tenant_that_allows_profile_0(judged: Judged) -> None:
    told = [case for case, verdict in judged if isinstance(verdict, Denied) and verdict.reason.status == 404]
    assert told
    for case in told:
        assert not case.registered
        assert not case.auto_register
        assert case.tenant_floor == 0
        assert case.token not in {"none", "bound_to_another"}
        assert not case.token.endswith("retired") or case.certificate_is_bound


def test_a_denied_request_that_has_not_proved_itself_gets_one_and_the_same_401(judged: Judged) -> None:
    answers = set()
    for case, verdict in judged:
        shows_the_token = case.token not in {"none", "bound_to_another"} and case.tenant_floor == 0
        if isinstance(verdict, Denied) and not (shows_the_token or case.is_proved_by_more_than_the_token):
            answers.add((verdict.reason.status, verdict.reason.text))
    assert len(answers) == 1
    assert {status for status, _ in answers} == {401}


def test_403_is_only_for_a_charge_point_that_has_proved_itself_with_a_lower_profile(judged: Judged) -> None:
    told = [case for case, verdict in judged if isinstance(verdict, Denied) and verdict.reason.status == 403]
    assert told
    for case in told:
        assert case.registered
        assert case.is_proved_by_more_than_the_token
        assert case.profile < case.lowest


def test_nobody_learns_that_a_charge_point_is_registered_without_proof_where_profile_0_is_not_allowed(
    judged: Judged,
) -> None:
    """Only the certificate of the charge point itself proves something about an unknown charge point."""
    verdicts = dict(judged)
    for case, verdict in judged:
        if case.tenant_floor and isinstance(verdict, Denied) and not case.is_proved_by_more_than_the_token:
            unknown = verdicts.get(
                case._replace(
                    registered=False, has_password=False, floor=0, header="none", certificate="none"
                )
            )
            assert isinstance(unknown, Denied)
            assert (unknown.reason.status, unknown.reason.text) == (
                verdict.reason.status,
                verdict.reason.text,
            )


def test_an_unknown_charge_point_is_registered_only_where_profile_0_is_allowed(judged: Judged) -> None:
    new = [case for case, verdict in judged if isinstance(verdict, Proven) and not case.registered]
    assert new
    assert all(case.auto_register and case.tenant_floor == 0 for case in new)


def test_only_the_credential_that_gave_the_profile_is_settled(judged: Judged) -> None:
    for case, verdict in judged:
        if isinstance(verdict, Proven):
            assert (verdict.digest is not None) == (verdict.profile in {1, 2})
            assert (verdict.serial_number is not None) == (verdict.profile == 3)
            assert ("certificate_ignored" in verdict.ignored) == (
                case.certificate != "none" and verdict.profile < 3
            )


def test_each_certificate_that_is_not_right_is_refused_at_profile_3_with_its_own_reason(
    judged: Judged,
) -> None:
    reasons = {
        case.certificate: verdict.reason
        for case, verdict in judged
        if case.floor == 3 and case.token == "right" and case.header == "none" and case.encrypted
        if isinstance(verdict, Denied) and case.registered
    }
    assert reasons == {
        "none": Reason.NO_CERTIFICATE,
        "name_of_another": Reason.CERTIFICATE_OF_ANOTHER,
        "other_organisation": Reason.CERTIFICATE_ORGANISATION,
        "issued_to_another": Reason.CERTIFICATE_OF_ANOTHER,
        "replaced": Reason.CERTIFICATE_REPLACED,
        "rejected": Reason.CERTIFICATE_REPLACED,
        "revoked": Reason.CERTIFICATE_REVOKED,
        "expired": Reason.CERTIFICATE_EXPIRED,
        "unreadable": Reason.CERTIFICATE_UNREADABLE,
    }


def test_a_request_for_an_unknown_tenant_gets_the_401_of_a_wrong_token() -> None:
    case = next(cases())
    verdict = judge(evidence_of(case)._replace(shown=Shown(tenant=None, token=None)))
    assert verdict == Denied(Reason.UNKNOWN_TENANT)
    assert (Reason.UNKNOWN_TENANT.status, Reason.UNKNOWN_TENANT.text) == (
        Reason.WRONG_TOKEN.status,
        Reason.WRONG_TOKEN.text,
    )


def test_a_certificate_of_csms_that_was_removed_from_the_full_list_is_not_right_any_more() -> None:
    case = Case(0, 3, False, True, "right", "none", False, True, "not_listed")
    evidence = evidence_of(case)
    full = tuple(
        IssuedCertificate(serial_number=f"b{number}", issuer="CN=ca", issued_ms=1, not_after_ms=2)
        for number in range(CERTIFICATES)
    )
    assert isinstance(judge(evidence), Proven)
    replaced = evidence._replace(security=Security(floor=3, certificates=full))
    assert judge(replaced) == Denied(Reason.CERTIFICATE_REPLACED)


def with_names(*names: str) -> Evidence:
    """Return the evidence of a charge point with a certificate of another authority with these names."""
    evidence = evidence_of(Case(0, 3, False, True, "right", "none", False, True, "own_name"))
    assert evidence.certificate is not None
    return evidence._replace(certificate=structs.replace(evidence.certificate, common_names=names))


@pytest.mark.parametrize(
    "names",
    [
        *[("CP", "CP-2"), ("CP-2", "CP"), ("CP", "CP"), ("CP", ""), ()],
        *[("CP\0",), ("CP ",), ("cp",), ("*",), ("CP@x",)],
    ],
)
def test_a_certificate_opens_a_charge_point_only_if_its_one_common_name_is_exactly_that(
    names: tuple[str, ...],
) -> None:
    assert isinstance(judge(with_names("CP")), Proven)
    assert judge(with_names(*names)) == Denied(Reason.CERTIFICATE_OF_ANOTHER)


@pytest.mark.parametrize("binding", ["serial_number", "common_name"])
def test_a_name_that_was_not_set_matches_no_certificate(binding: str) -> None:
    check = NameCheck(binding="serial_number" if binding == "serial_number" else "common_name")
    verdict = judge(with_names("")._replace(security=Security(floor=3, name_check=check)))
    assert verdict == Denied(Reason.CERTIFICATE_OF_ANOTHER)


def test_the_certificate_of_another_tenants_charge_point_with_the_same_id_is_not_bound() -> None:
    case = Case(0, 3, False, True, "right", "none", False, True, "issued")
    evidence = evidence_of(case)
    assert isinstance(judge(evidence), Proven)
    tenant = evidence.shown.tenant
    assert tenant is not None
    other = Tenant(id="other", name="", auto_register=False, created_ms=1)
    verdict = judge(evidence._replace(shown=Shown(tenant=other, token=evidence.shown.token)))
    assert verdict == Denied(Reason.CERTIFICATE_OF_ANOTHER)
