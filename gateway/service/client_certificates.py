"""The fields of a charge point's client certificate that csms checks after the TLS handshake.

OpenSSL has verified the chain and the dates before csms sees a certificate. A certificate that csms issued
names its charge point in a URI of the subject alternative name, so that the certificate opens no charge point
of another tenant that has the same id.
"""

import functools
import hashlib
from collections.abc import Iterable
from typing import NamedTuple
from urllib.parse import quote

import msgspec
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.x509.oid import NameOID

_SCHEME = "urn:csms:"
_ERRORS = (
    *(ValueError, TypeError, OverflowError, UnsupportedAlgorithm),
    *(x509.InvalidVersion, x509.DuplicateExtension, x509.UnsupportedGeneralNameType),
)
"""What `cryptography` raises for a certificate that it cannot read. Several have no common base class."""


class Unreadable(ValueError):  # noqa: N818  A sentence for an operator.
    """The certificate cannot be read."""


class Authority(NamedTuple):
    """The certificate of an authority, by the names under which it may be revoked."""

    issuer: str
    serial_number: str
    fingerprint: str


class ClientCertificate(msgspec.Struct, frozen=True, kw_only=True):
    """A verified client certificate. `serial_number` is hexadecimal in lower case, without leading zeros.

    `issuer` and `subject` are texts by RFC 4514. `owner` is the charge point for which csms issued the
    certificate (`owner_uri`), or None. `authorities` are those of its verified chain.
    """

    subject: str
    common_names: tuple[str, ...]
    organisations: tuple[str, ...]
    serial_number: str
    issuer: str
    fingerprint: str
    owner: str | None
    not_before_ms: int
    not_after_ms: int
    authorities: tuple[Authority, ...] = ()


def owner_uri(tenant: str, charge_point: str) -> str:
    """Return the URI by which a certificate of csms names its charge point."""
    return f"{_SCHEME}{quote(tenant, safe='')}:{quote(charge_point, safe='')}"


def read(der: bytes, authorities: Iterable[bytes] = ()) -> ClientCertificate:
    """Read a certificate, and the `authorities` of its verified chain. Raises Unreadable."""
    try:
        found = x509.load_der_x509_certificate(der)
        return ClientCertificate(
            subject=found.subject.rfc4514_string(),
            common_names=_values(found.subject, NameOID.COMMON_NAME),
            organisations=_values(found.subject, NameOID.ORGANIZATION_NAME),
            serial_number=f"{found.serial_number:x}",
            issuer=found.issuer.rfc4514_string(),
            fingerprint=hashlib.sha256(der).hexdigest(),
            owner=_owner(found),
            not_before_ms=round(found.not_valid_before_utc.timestamp() * 1000),
            not_after_ms=round(found.not_valid_after_utc.timestamp() * 1000),
            authorities=tuple(map(_read_authority, authorities)),
        )
    except _ERRORS as error:
        raise Unreadable(f"The client certificate cannot be read ({type(error).__name__}).") from None


@functools.lru_cache(64)
def _read_authority(der: bytes) -> Authority:
    found = x509.load_der_x509_certificate(der)
    return Authority(
        found.issuer.rfc4514_string(), f"{found.serial_number:x}", hashlib.sha256(der).hexdigest()
    )


def _values(name: x509.Name, oid: x509.ObjectIdentifier) -> tuple[str, ...]:
    return tuple(str(one.value) for one in name.get_attributes_for_oid(oid))


def _owner(certificate: x509.Certificate) -> str | None:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return None
    uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    return next((uri for uri in uris if uri.startswith(_SCHEME)), None)
