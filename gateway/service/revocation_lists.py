"""Reads certificate revocation lists (RFC 5280, section 5) from files.

csms looks up certificates itself, after the TLS handshake. OpenSSL would refuse every certificate as soon as
one list is overdue, and would check no session that is already open.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

from gateway.service.config import ConfigError

FILE_BYTES_MAX = 64 << 20
_PEM = re.compile(rb"-----BEGIN X509 CRL-----.+?-----END X509 CRL-----", re.DOTALL)
_HOW = "give revocation lists in PEM or DER"


class RevocationList(NamedTuple):
    """The list of one authority. `issuer` is the name of the authority as a text by RFC 4514.

    `next_update_ms` is the time by which the authority replaces the list, or None.
    """

    file: Path
    issuer: str
    serial_numbers: frozenset[int]
    next_update_ms: int | None


def read_authorities(file: Path) -> list[x509.Certificate]:
    """Read the certificates of authorities from a PEM file. Raises ConfigError."""
    try:
        return x509.load_pem_x509_certificates(_read(file))
    except ValueError:
        raise ConfigError(
            f"tls: {file} does not hold certificates in PEM; it must hold the certificates of the "
            "authorities that may sign client certificates"
        ) from None


def read_lists(file: Path, authorities: Sequence[x509.Certificate]) -> list[RevocationList]:
    """Read all lists in a file. One of the `authorities` must have signed each list. Raises ConfigError.

    A list of 64 MiB takes seconds, so call this in a thread.
    """
    content = _read(file)
    try:
        if content.lstrip().startswith(b"-----"):
            found = [x509.load_pem_x509_crl(pem) for pem in _PEM.findall(content)]
        else:
            found = [x509.load_der_x509_crl(content)]
        if not found:
            raise ConfigError(f"tls: {file} holds no revocation list; {_HOW}")
        return [_judge(file, one, authorities) for one in found]
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.DuplicateExtension) as error:
        raise ConfigError(f"tls: {file} cannot be read ({type(error).__name__}); {_HOW}") from None


def _judge(
    file: Path, found: x509.CertificateRevocationList, authorities: Sequence[x509.Certificate]
) -> RevocationList:
    issuer = found.issuer.rfc4514_string()
    if not any(_has_signed(one, found) for one in authorities):
        raise ConfigError(
            f"tls: no authority in tls.client_authorities_file signed the revocation list of {issuer} in "
            f"{file}; add the certificate of its issuer to that file"
        )
    for extension in found.extensions:
        point = extension.value
        plain_point = isinstance(point, x509.IssuingDistributionPoint) and not (
            point.indirect_crl or point.only_some_reasons
        )
        if isinstance(point, x509.DeltaCRLIndicator) or (extension.critical and not plain_point):
            raise ConfigError(
                f"tls: the revocation list of {issuer} in {file} is not a complete list of its issuer "
                f"({extension.oid.dotted_string}); give the complete list"
            )
    update = found.next_update_utc
    return RevocationList(
        file,
        issuer,
        frozenset(one.serial_number for one in found),
        None if update is None else round(update.timestamp() * 1000),
    )


def _has_signed(authority: x509.Certificate, found: x509.CertificateRevocationList) -> bool:
    if authority.subject != found.issuer:
        return False
    try:
        return found.is_signature_valid(authority.public_key())  # type: ignore[arg-type]
    except (InvalidSignature, TypeError, UnsupportedAlgorithm):
        return False


def _read(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            content = opened.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise ConfigError(f"tls: cannot read {file}: {error.strerror}") from None
    if len(content) > FILE_BYTES_MAX:
        raise ConfigError(f"tls: {file} is too long; at most {FILE_BYTES_MAX >> 20} MiB are allowed")
    return content
