"""Signs the certificate request of a charge point (security whitepaper A02 and A03)."""

from datetime import UTC, datetime

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key
from cryptography.x509.oid import ExtendedKeyUsageOID

from admin.pki.authority import Authority, family_of, sign_leaf, write_name, write_pem
from gateway.service import certificate_requests
from gateway.service.certificate_requests import CertificateRequest
from gateway.service.client_certificates import owner_uri
from state.features.signing_requests import Issued
from state.tenants.tenants import Tenant

CHAIN_MAX = 10_000
"""Greatest length of the chain in a CertificateSigned. A charge point may allow less."""
_NAME_MAX = 64
"""Greatest length of a name in a certificate (X.520)."""


class CannotIssue(Exception):  # noqa: N818  A sentence for an operator.
    """No certificate can be issued for the request; the text says why."""


class Owner(msgspec.Struct, frozen=True):
    """The charge point that gets the certificate. `chain_max` is its CertificateSignedMaxChainSize."""

    tenant: Tenant
    charge_point: str
    chain_max: int | None = None


def issue(authority: Authority, csr: str, owner: Owner, now_ms: int, days: int) -> Issued:
    """Issue a certificate for the key in the request, by the issuer of the same family.

    The subject has the common name of the request, and an organisation that csms chooses. A URI names the
    charge point, so that the certificate opens no other one. Raises CannotIssue.
    """
    try:
        request = certificate_requests.read(csr)
    except certificate_requests.RequestRefused as error:
        raise CannotIssue(str(error)) from None
    key = load_der_public_key(request.public_key)
    names = request.common_names
    if not isinstance(key, (rsa.RSAPublicKey, ec.EllipticCurvePublicKey)) or list(map(_is_name, names)) != [
        True
    ]:
        raise CannotIssue(
            f"The request must have an RSA or EC key, and one common name of 1 to {_NAME_MAX} characters."
        )
    family = family_of(key)
    issuer = authority.issuers.get(family)
    if issuer is None:
        raise CannotIssue(
            f"The key of the request is {request.key}, and csms has no issuing authority for this kind of "
            f"key; set pki.{family}."
        )
    now = datetime.fromtimestamp(now_ms / 1000, UTC).replace(microsecond=0)
    begins, ends = issuer.certificate.not_valid_before_utc, issuer.certificate.not_valid_after_utc
    if not begins <= now < ends:
        raise CannotIssue(
            f"The issuing authority {issuer.name} is valid only from {begins:%Y-%m-%d} to {ends:%Y-%m-%d}; "
            "make a new one."
        )
    certificate = sign_leaf(
        issuer,
        key,
        write_name(_organisation(owner.tenant, request), names[0]),
        x509.SubjectAlternativeName(
            [x509.UniformResourceIdentifier(owner_uri(owner.tenant.id, owner.charge_point))]
        ),
        use=ExtendedKeyUsageOID.CLIENT_AUTH,
        now=now,
        days=days,
    )
    chain = write_pem((certificate, *issuer.chain)).decode("ascii")
    most = min(CHAIN_MAX, owner.chain_max or CHAIN_MAX)
    if len(chain) > most:
        raise CannotIssue(
            f"The certificate chain has {len(chain)} characters, and the charge point takes at most {most} "
            "(CertificateSignedMaxChainSize)."
        )
    return Issued(
        serial_number=f"{certificate.serial_number:x}",
        issuer=issuer.name,
        not_after_ms=round(certificate.not_valid_after_utc.timestamp() * 1000),
        chain=chain,
    )


def _organisation(tenant: Tenant, request: CertificateRequest) -> str:
    """Return the organisation that the tenant demands, else that of the request, else the tenant's name."""
    demanded = next(iter(tenant.certificate_organisations), None)
    found = demanded or next(filter(_is_name, request.organisations), None)
    return found or (tenant.name or tenant.id)[:_NAME_MAX]


def _is_name(text: str) -> bool:
    return text.isprintable() and 0 < len(text) <= _NAME_MAX
