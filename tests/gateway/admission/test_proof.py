"""The rules of issue "Security profiles", checked for every combination of what a request may show.

The rules are written here anew, as properties of the verdict. They do not repeat the code.
"""

import pytest
from msgspec import structs

from gateway.admission.proof import Denied, Evidence, Proven, judge
from gateway.admission.reasons import Reason
from state.charge_points.security import (
    CERTIFICATES,
    IssuedCertificate,
    NameCheck,
    Security,
)
from state.tenants.tenants import Tenant
from state.tenants.tokens import Shown
from tests.gateway.admission.proof_cases import Case, cases, evidence_of


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
