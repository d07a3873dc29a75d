"""Reads and judges certificate requests (PKCS#10 in PEM) from charge points that may be hostile.

Each request is cheap to judge. A request that would take long to verify (measured: up to 5 ms with an
exponent as long as the key) is refused before its signature is checked. The slowest allowed request takes
1 ms.
"""

import base64
import re
import warnings
from collections.abc import Collection

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from gateway.service.certificates import spell_name

CHARACTERS_MAX = 6_000
"""Longest request that is read. SignCertificate allows 5,500 characters, but repaired texts may be longer."""
# The headers of the request and of its signed part, and the version.
_VERSION = re.compile(
    rb"\x30(?:[\x00-\x7f]|\x81.|\x82..)\x30(?:[\x00-\x7f]|\x81.|\x82..)\x02\x01[\x01-\x7f]", re.DOTALL
)
RSA_BITS = range(2048, 8192 + 1)
EC_BITS_MIN = 224
_EXPONENT_BITS_MAX = 32
_QUOTED_MAX, _QUOTED_LENGTH = 3, 64
"""Greatest number of names that a sentence quotes, and greatest length of each."""


class RequestRefused(ValueError):  # noqa: N818  A sentence for an operator.
    """The request is answered Rejected; the text says why."""


class CertificateRequest(msgspec.Struct, frozen=True):
    """A request that was read. `key` is a text like `RSA 2048` or `EC secp256r1`, and `public_key` is DER.

    `common_names` and `organisations` are the values of these attributes of the subject. `other_version`
    means that the request does not have the version of PKCS#10 (RFC 2986 section 4.1).
    """

    subject: str
    key: str
    public_key: bytes
    other_version: bool = False
    common_names: tuple[str, ...] = ()
    organisations: tuple[str, ...] = ()


def read(csr: str) -> CertificateRequest:
    """Judge a request by form, key and self-signature, but not by its names. Raises RequestRefused."""
    if len(csr) > CHARACTERS_MAX:
        raise RequestRefused(f"The request has {len(csr)} characters; at most 5500 are legal.")
    try:
        request, other_version = _load(csr.encode())
        public = request.public_key()
        key = _judge_key(public)
        with warnings.catch_warnings(action="ignore"):  # The library warns if a name is unusual.
            subject = spell_name(request.subject)
            common_names = _values(request.subject, NameOID.COMMON_NAME)
            organisations = _values(request.subject, NameOID.ORGANIZATION_NAME)
        own = _has_own_signature(request, other_version)
        der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except RequestRefused:
        raise
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion):
        raise RequestRefused("The request cannot be read; it must be PKCS#10 in PEM.") from None
    if not own:
        raise RequestRefused(
            "The request is not signed with its own key; sign it with the key that it contains."
        )
    return CertificateRequest(subject, key, der, other_version is not None, common_names, organisations)


def find_foreign_name(request: CertificateRequest, names: Collection[str]) -> str | None:
    """Return a sentence if the request is not for one of these names of the charge point, or None.

    `names` are the charge point's id and its serial numbers. Empty names count for nothing.
    """
    known = dict.fromkeys(filter(None, names))
    if len(request.common_names) == 1 and request.common_names[0] in known:
        return None
    expected = " or ".join(_quote(one) for one in known)
    if not request.common_names:
        return f"The request has no common name; {expected} was expected."
    found = " and ".join(map(_quote, request.common_names[:_QUOTED_MAX]))
    return f"The request is for {found}; exactly one common name was expected, {expected}."


def _quote(name: str) -> str:
    return f"{name[:_QUOTED_LENGTH]!r}"


def _values(name: x509.Name, oid: x509.ObjectIdentifier) -> tuple[str, ...]:
    return tuple(str(one.value) for one in name.get_attributes_for_oid(oid))


def _load(csr: bytes) -> tuple[x509.CertificateSigningRequest, bytes | None]:
    """Return the request, and its signed bytes if it has another version.

    Raises ValueError or InvalidVersion.
    """
    try:
        return x509.load_pem_x509_csr(csr), None
    except x509.InvalidVersion:
        der = base64.b64decode(
            b"".join(csr.partition(b"-----BEGIN")[2].splitlines()[1:]).partition(b"-----")[0]
        )
        found = _VERSION.match(der)
        if found is None:
            raise
        at = found.end() - 1
        request = x509.load_der_x509_csr(der[:at] + b"\x00" + der[at + 1 :])
        signed = request.tbs_certrequest_bytes
        inside = at - der.index(signed[:2], 1)
        return request, signed[:inside] + der[at : at + 1] + signed[inside + 1 :]


def _has_own_signature(request: x509.CertificateSigningRequest, signed: bytes | None) -> bool:
    """Return whether the request is signed with its own key. `signed` are the bytes as they were sent."""
    if signed is None:
        return request.is_signature_valid
    public, algorithm = request.public_key(), request.signature_hash_algorithm
    try:
        match public, request.signature_algorithm_parameters:
            case rsa.RSAPublicKey(), (padding.PKCS1v15() | padding.PSS()) as how if algorithm is not None:
                public.verify(request.signature, signed, how, algorithm)
            case ec.EllipticCurvePublicKey(), ec.ECDSA() as how:
                public.verify(request.signature, signed, how)
            case _:
                return False
    except InvalidSignature:
        return False
    return True


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
