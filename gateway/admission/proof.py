"""What a charge point has proved with an upgrade request, and whether that is enough.

This module is pure: the caller reads the store and verifies hashes and certificates. What a connection is
(whitepaper A00): with a client certificate of the charge point it has security profile 3, with the right
password over TLS profile 2, with the right password without TLS profile 1, and otherwise profile 0.
"""

from typing import NamedTuple

from gateway.admission.reasons import Reason
from gateway.ocpp16.faults.table import FaultName
from gateway.service.client_certificates import ClientCertificate, owner_uri
from state.charge_points.security import Security
from state.tenants.tenants import SecurityProfile, Tenant
from state.tenants.tokens import Shown


class Evidence(NamedTuple):
    """What a request shows, and what the store knows.

    `header` is None if the request has no Authorization header, and otherwise the reason for which the header
    proves nothing. `digest` is the stored hash that the password matched. `certificate_fault` is the reason
    for which the certificate is not valid.
    """

    identity: str
    shown: Shown
    registered: bool
    security: Security
    encrypted: bool
    header: Reason | None = None
    digest: bytes | None = None
    certificate: ClientCertificate | None = None
    certificate_fault: Reason | None = None


class Proven(NamedTuple):
    """The request may become a session. `ignored` are faults of credentials that were not needed."""

    profile: SecurityProfile
    tenant: Tenant
    token_id: str
    digest: bytes | None = None
    serial_number: str | None = None
    ignored: tuple[FaultName, ...] = ()


class Denied(NamedTuple):
    """The request is refused. `values` fill the text of the reason."""

    reason: Reason
    values: tuple[int, ...] = ()


def judge(evidence: Evidence) -> Proven | Denied:
    tenant, token = evidence.shown.tenant, evidence.shown.token
    if tenant is None or token is None:
        return Denied(Reason.UNKNOWN_TENANT if tenant is None else Reason.WRONG_TOKEN)
    unbound = _find_unbound(evidence, tenant)
    profile = _profile_of(evidence, unbound)
    floor = max(tenant.security_profile, evidence.security.floor)
    wrong = None
    if token.charge_point not in {None, evidence.identity}:
        wrong = Reason.FOREIGN_TOKEN
    wrong = wrong or evidence.certificate_fault or _find_wrong(evidence, profile, floor, unbound)
    if wrong is None and token.retired_ms is not None and profile == 0:
        wrong = Reason.RETIRED_TOKEN
    if wrong is None and not evidence.registered and not tenant.auto_register:
        wrong = Reason.UNKNOWN_CHARGE_POINT
    if wrong is not None:
        return Denied(wrong)
    if profile < floor:
        return Denied(Reason.PROFILE_TOO_LOW, (floor, profile))
    return Proven(
        profile,
        tenant,
        token.id,
        digest=evidence.digest if profile in {1, 2} else None,
        serial_number=evidence.certificate.serial_number if evidence.certificate and profile == 3 else None,
        ignored=_find_ignored(evidence, profile),
    )


def _profile_of(evidence: Evidence, unbound: Reason | None) -> SecurityProfile:
    if evidence.certificate is not None and unbound is None:
        return 3
    if evidence.digest is not None:
        return 2 if evidence.encrypted else 1
    return 0


def _find_wrong(
    evidence: Evidence, profile: SecurityProfile, floor: int, unbound: Reason | None
) -> Reason | None:
    """Return the reason for which the charge point has not proved itself."""
    has_password = bool(evidence.security.digests)
    wrong = None
    if floor > 0 and not evidence.registered:
        wrong = Reason.UNPROVEN_UNKNOWN
    elif floor == 3 and unbound is not None:
        wrong = unbound
    elif profile == 0 and evidence.header is not None and has_password:
        wrong = evidence.header
    elif profile == 0 and floor == 3:
        wrong = Reason.NO_CERTIFICATE
    elif profile == 0 and floor > 0:
        wrong = Reason.NO_PASSWORD if has_password else Reason.NO_PASSWORD_SET
    return wrong


def _find_unbound(evidence: Evidence, tenant: Tenant) -> Reason | None:
    """Return the reason for which the certificate does not belong to this charge point."""
    certificate = evidence.certificate
    if certificate is None:
        return None
    if certificate.owner is None:
        return _check_names(certificate, evidence, tenant)
    if certificate.owner != owner_uri(tenant.id, evidence.identity):
        return Reason.CERTIFICATE_OF_ANOTHER
    issued = evidence.security.find_certificate(certificate.serial_number)
    if issued is None:
        # A certificate that is no longer listed was replaced long ago. A charge point that was deleted and
        # registered again may still have a certificate of its former registration.
        return Reason.CERTIFICATE_REPLACED if evidence.security.has_removed_certificates else None
    if issued.is_right:
        return None
    return Reason.CERTIFICATE_REVOKED if issued.status == "revoked" else Reason.CERTIFICATE_REPLACED


def _check_names(certificate: ClientCertificate, evidence: Evidence, tenant: Tenant) -> Reason | None:
    """Compare the names in a certificate that csms did not issue (A00.FR.404, A00.FR.405).

    A certificate with several common names would be that of several charge points. An authority that checks
    only one of them would then let its owner pose as another charge point.
    """
    check = evidence.security.name_check
    expected = check.expected_name(evidence.identity)
    if not expected or certificate.common_names != (expected,):
        return Reason.CERTIFICATE_OF_ANOTHER
    allowed = tenant.certificate_organisations
    if check.organisation and allowed and not set(allowed).intersection(certificate.organisations):
        return Reason.CERTIFICATE_ORGANISATION
    return None


def _find_ignored(evidence: Evidence, profile: SecurityProfile) -> tuple[FaultName, ...]:
    ignored: list[FaultName] = []
    if evidence.header is not None and profile in {0, 3}:
        ignored.append("authorization_ignored")
    if evidence.certificate is not None and profile < 3:
        ignored.append("certificate_ignored")
    return tuple(ignored)
