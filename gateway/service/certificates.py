"""Reads certificates in PEM: their names, their validity, and OCPP's hash data of them."""

import base64
import re
import warnings
from datetime import datetime
from typing import Literal

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import ocsp

type HashAlgorithm = Literal["SHA256", "SHA384", "SHA512"]

_ALGORITHMS: dict[HashAlgorithm, hashes.SHA256 | hashes.SHA384 | hashes.SHA512] = {
    "SHA256": hashes.SHA256(),
    "SHA384": hashes.SHA384(),
    "SHA512": hashes.SHA512(),
}
_ADVICE = re.compile(r"^Unable to load PEM file\. See https?://\S+ for more details\.\s*")
_NAME_MAX = 512
"""Longest subject, in characters. The rest is cut off, because a subject is only shown to people."""


class Unreadable(ValueError):  # noqa: N818  A sentence for the person who sent it.
    """A text is not a readable certificate; the message says why."""


class HashData(msgspec.Struct, frozen=True):
    """Fields of CertificateHashDataType in lower-case hexadecimal; the serial number has no leading zeros."""

    hash_algorithm: HashAlgorithm
    issuer_name_hash: str
    issuer_key_hash: str
    serial_number: str


class Certificate(msgspec.Struct, frozen=True):
    """A certificate. Times are Unix ms, and `public_key` is DER. Only a self-signed one has `hash_data`.

    `serial_number` is hexadecimal in lower case, without leading zeros.
    """

    subject: str
    serial_number: str
    not_before_ms: int
    not_after_ms: int
    self_signed: bool
    public_key: bytes
    hash_data: tuple[HashData, ...]


def read_all(pem: str) -> list[Certificate]:
    """Read a chain of at least one certificate. Raises Unreadable."""
    try:
        with warnings.catch_warnings(action="ignore"):  # The library warns if a name is unusual.
            return [_read(one) for one in x509.load_pem_x509_certificates(pem.encode())]
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion) as error:
        raise Unreadable(f"It is not a certificate in PEM ({_reason(error)}).") from None


def spell_name(name: x509.Name) -> str:
    return name.rfc4514_string()[:_NAME_MAX]


def _read(certificate: x509.Certificate) -> Certificate:
    self_signed = _is_self_signed(certificate)
    return Certificate(
        subject=spell_name(certificate.subject),
        serial_number=f"{certificate.serial_number:x}",
        not_before_ms=_ms(certificate.not_valid_before_utc),
        not_after_ms=_ms(certificate.not_valid_after_utc),
        self_signed=self_signed,
        public_key=certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        # Hash data need the key of the issuer, which is known only for a self-signed certificate.
        hash_data=_hash_data(certificate) if self_signed else (),
    )


def _is_self_signed(certificate: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(certificate)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _hash_data(root: x509.Certificate) -> tuple[HashData, ...]:
    """Return the hashes of OCSP's CertID (whitepaper, CertificateHashDataType); a root is its own issuer."""
    found = []
    for algorithm, made in _ALGORITHMS.items():
        asked = ocsp.OCSPRequestBuilder().add_certificate(root, root, made).build()
        found.append(
            HashData(
                hash_algorithm=algorithm,
                issuer_name_hash=asked.issuer_name_hash.hex(),
                issuer_key_hash=asked.issuer_key_hash.hex(),
                serial_number=f"{root.serial_number:x}",
            )
        )
    return tuple(found)


def is_base64(text: str) -> bool:
    try:
        return bool(base64.b64decode("".join(text.split()), validate=True))
    except ValueError:
        return False


def _ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def _reason(error: Exception) -> str:
    """Return the text of the library's error without its link to a documentation page."""
    said = _ADVICE.sub("", str(error)).partition("\n")[0][:100]
    if said in {"", "MalformedFraming"}:
        return "which begins with -----BEGIN CERTIFICATE----- and ends with -----END CERTIFICATE-----"
    return said
