"""Makes certificate requests that no library makes: with another version, or from raw bytes."""

import base64

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from tests.support.certificates import Key, request


def pem(der: bytes) -> str:
    body = base64.encodebytes(der).decode()
    return f"-----BEGIN CERTIFICATE REQUEST-----\n{body}-----END CERTIFICATE REQUEST-----\n"


def of_version(version: int, key: Key, *, sign_again: bool = True) -> str:
    """Make a request with another version, signed with its own key (unless `sign_again` is false)."""
    original = x509.load_pem_x509_csr(request(key).encode())
    signed, der = original.tbs_certrequest_bytes, original.public_bytes(Encoding.DER)
    at = signed.index(b"\x02\x01\x00") + 2
    changed = signed[:at] + bytes([version]) + signed[at + 1 :]
    if not sign_again:
        return pem(der.replace(signed, changed))
    if isinstance(key, rsa.RSAPrivateKey):
        signature = key.sign(changed, padding.PKCS1v15(), hashes.SHA256())
    else:
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        signature = key.sign(changed, ec.ECDSA(hashes.SHA256()))
    algorithm = der[der.index(signed) + len(signed) :]
    algorithm = algorithm[: 2 + algorithm[1]]
    bits = b"\x03" + _length(len(signature) + 1) + b"\0" + signature
    body = changed + algorithm + bits
    return pem(b"\x30" + _length(len(body)) + body)


def _length(number: int) -> bytes:
    if number < 128:
        return bytes([number])
    octets = number.to_bytes((number.bit_length() + 7) // 8)
    return bytes([0x80 | len(octets)]) + octets
