"""Reads and judges certificate requests (PKCS#10 in PEM) from charge points that may be hostile.

Each request is cheap to judge. A request that would take long to verify (measured: up to 5 ms with an
exponent as long as the key) is refused before its signature is checked. The slowest allowed request takes
1 ms.
"""

import warnings

import msgspec
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateway.service.certificates import spell_name

CHARACTERS_MAX = 6_000
"""Longest request that is read. SignCertificate allows 5,500 characters, but repaired texts may be longer."""
RSA_BITS = range(2048, 8192 + 1)
EC_BITS_MIN = 224
_EXPONENT_BITS_MAX = 32


class RequestRefused(ValueError):  # noqa: N818  A sentence for an operator.
    """The request is answered Rejected; the text says why."""


class CertificateRequest(msgspec.Struct, frozen=True):
    """A request that was read. `key` is a text like `RSA 2048` or `EC secp256r1`, and `public_key` is DER."""

    subject: str
    key: str
    public_key: bytes


def read(csr: str) -> CertificateRequest:
    """Judge a request by form, key and self-signature, but not by its names. Raises RequestRefused."""
    if len(csr) > CHARACTERS_MAX:
        raise RequestRefused(f"The request has {len(csr)} characters; at most 5500 are legal.")
    try:
        request = x509.load_pem_x509_csr(csr.encode())
        public = request.public_key()
        key = _judge_key(public)
        with warnings.catch_warnings(action="ignore"):  # The library warns if a name is unusual.
            subject = spell_name(request.subject)
        own = request.is_signature_valid
        der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except RequestRefused:
        raise
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion):
        raise RequestRefused("The request cannot be read; it must be PKCS#10 in PEM.") from None
    if not own:
        raise RequestRefused(
            "The request is not signed with its own key; sign it with the key that it contains."
        )
    return CertificateRequest(subject, key, der)


def _judge_key(public: object) -> str:
    match public:
        case rsa.RSAPublicKey():
            if public.key_size not in RSA_BITS:
                raise RequestRefused(
                    f"An RSA key of {public.key_size} bits is not allowed; use 2048 to 8192 bits."
                )
            if public.public_numbers().e.bit_length() > _EXPONENT_BITS_MAX:
                raise RequestRefused("The RSA key's public exponent has more than 32 bits; use 65537.")
            return f"RSA {public.key_size}"
        case ec.EllipticCurvePublicKey():
            if public.key_size < EC_BITS_MIN:
                raise RequestRefused(
                    f"An EC key of {public.key_size} bits is too weak; at least 224 are needed."
                )
            return f"EC {public.curve.name}"
        case _:
            raise RequestRefused("The key is neither RSA nor EC; use an RSA or EC key.")
