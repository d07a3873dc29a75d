"""What is wrong with the signature and the signing certificate of firmware, and what csms cannot verify.

csms does not have the firmware. If the operator gives the SHA-256 of the firmware, csms verifies the
signature with it. Otherwise csms only compares the form of the signature with the key. Everything is a
warning, because a tester sends wrong signatures on purpose (A00.FR.706, TC_081).
"""

import base64
import hashlib
from collections.abc import Sequence
from itertools import pairwise

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils

from admin.http import convert
from gateway.service.certificate_requests import EC_BITS_MIN, RSA_BITS
from gateway.service.certificates import HashData, is_base64, read_all, spell_name
from state.features.certificates import CertificateHash

type Key = rsa.RSAPublicKey | ec.EllipticCurvePublicKey

_SHA256 = utils.Prehashed(hashes.SHA256())
_ALGORITHMS = {"SHA256": hashlib.sha256, "SHA384": hashlib.sha384, "SHA512": hashlib.sha512}
_EXPONENT_BITS_MAX = 32
_UNVERIFIED = (
    "csms did not verify the signature, because it does not have the firmware; give `firmware_sha256` to "
    "have it verified."
)


def check_signature(chain: str, signature: str, sha256: bytes | None) -> list[str]:
    """Compare the signature (base64) with the first certificate of the chain, which can be read."""
    if not is_base64(signature):
        return ["The signature is not base64."]
    key, strength = _key_of(x509.load_pem_x509_certificates(chain.encode())[0])
    if key is None:
        return strength
    signed = base64.b64decode("".join(signature.split()))
    wrong = _check_form(key, signed)
    if wrong is not None:
        return [*strength, wrong, *([_UNVERIFIED] if sha256 is None else [])]
    return [*strength, *([_UNVERIFIED] if sha256 is None else _verify(key, signed, sha256))]


def check_chain(chain: str, roots: Sequence[CertificateHash] | None) -> list[str]:
    """Follow the chain up to a manufacturer root that the charge point reported.

    `roots` is None if the charge point never reported its manufacturer roots.
    """
    certificates, top = x509.load_pem_x509_certificates(chain.encode()), read_all(chain)[-1]
    found = _check_usage(certificates[0])
    for one, above in pairwise(certificates):
        if not _is_issued_by(one, above):
            text = f"The certificate of {spell_name(one.subject)} was not issued by the next one in the text."
            return [*found, text]
    issuer = certificates[-1].issuer
    if roots is None:
        text = (
            "csms did not look for the manufacturer root of the signing certificate, because the charge "
            "point has not reported its manufacturer roots; refresh its certificates."
        )
    elif not any(_has_name(root, issuer) for root in roots):
        text = (
            f"The charge point has reported no manufacturer root with the name {spell_name(issuer)}, so it "
            "will most likely not trust the signing certificate."
        )
    elif top.self_signed and any(_is_same(root, one) for root in roots for one in top.hash_data):
        return found
    elif top.self_signed:
        text = "The charge point has reported a manufacturer root of the same name, but not this one."
    else:
        text = (
            f"The charge point has reported a manufacturer root with the name {spell_name(issuer)}. csms did "
            "not verify that this root issued the certificate, because csms does not have the root."
        )
    return [*found, text]


def _key_of(certificate: x509.Certificate) -> tuple[Key | None, list[str]]:
    """Return the key if signatures can be verified with it in a short time, and what is wrong with it."""
    try:
        key = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):
        key = None
    match key:
        case rsa.RSAPublicKey():
            if key.key_size > RSA_BITS[-1] or key.public_numbers().e.bit_length() > _EXPONENT_BITS_MAX:
                return None, ["The key of the signing certificate is too large, so csms verified nothing."]
            weak = key.key_size < RSA_BITS[0]
            return key, [f"The RSA key of {key.key_size} bits is too weak; 2048 are needed."] if weak else []
        case ec.EllipticCurvePublicKey():
            weak = key.key_size < EC_BITS_MIN
            return key, [f"The EC key of {key.key_size} bits is too weak; 224 are needed."] if weak else []
        case _:
            return None, ["The key of the signing certificate is neither RSA nor EC; csms verified nothing."]


def _check_form(key: Key, signature: bytes) -> str | None:
    if isinstance(key, rsa.RSAPublicKey):
        wanted = (key.key_size + 7) // 8
        if len(signature) != wanted:
            return f"The signature has {len(signature)} bytes, but a signature by the RSA key has {wanted}."
        return None
    try:
        utils.decode_dss_signature(signature)
    except ValueError:
        if len(signature) == 2 * ((key.key_size + 7) // 8):
            return "The signature may be ECSchnorr, which csms cannot verify; ECDSA would be in DER."
        return "The signature is not an ECDSA signature in DER."
    return None


def _verify(key: Key, signature: bytes, sha256: bytes) -> list[str]:
    wrong = ["The signature is wrong: it does not belong to the key and the given `firmware_sha256`."]
    if isinstance(key, ec.EllipticCurvePublicKey):
        try:
            key.verify(signature, sha256, ec.ECDSA(_SHA256))
        except InvalidSignature:
            return wrong
        return []
    pss = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.AUTO)
    ways: tuple[tuple[padding.AsymmetricPadding, list[str]], ...] = (
        (pss, []),
        (padding.PKCS1v15(), ["The signature is right, but it is PKCS#1 v1.5 instead of RSA-PSS."]),
    )
    for way, warnings in ways:
        try:
            key.verify(signature, sha256, way, _SHA256)
        except InvalidSignature:
            continue
        return warnings
    return wrong


def _check_usage(certificate: x509.Certificate) -> list[str]:
    try:
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except (x509.ExtensionNotFound, ValueError):
        return []
    return [] if usage.digital_signature else ["The signing certificate may not sign (no digitalSignature)."]


def _is_issued_by(one: x509.Certificate, above: x509.Certificate) -> bool:
    try:
        one.verify_directly_issued_by(above)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _has_name(root: CertificateHash, issuer: x509.Name) -> bool:
    """Return whether the root has the name of the issuer. A root is its own issuer."""
    digest = _ALGORITHMS[root.hash_algorithm](issuer.public_bytes()).hexdigest()
    return digest == root.issuer_name_hash.lower()


def _is_same(root: CertificateHash, other: HashData) -> bool:
    return root.is_same(convert(other, CertificateHash))
