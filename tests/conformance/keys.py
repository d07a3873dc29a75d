"""Keys, certificates and passwords of the test tool."""

import ssl
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import NameOID

from tests.conformance.station import Json

type Family = Literal["ECDSA", "RSA"]
type PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

HASHES: dict[str, hashes.HashAlgorithm] = {
    "SHA256": hashes.SHA256(),
    "SHA384": hashes.SHA384(),
    "SHA512": hashes.SHA512(),
}


@cache
def private_key(family: Family, purpose: str) -> PrivateKey:
    """Return the key of this kind and purpose. Each key is made once for the whole run."""
    assert purpose
    if family == "RSA":
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return ec.generate_private_key(ec.SECP256R1())


@cache
def root(name: str) -> x509.Certificate:
    """Make a self-signed certificate."""
    key = private_key("ECDSA", name)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=365))
        .add_extension(x509.BasicConstraints(ca=True, path_length=1), critical=True)
        .sign(key, hashes.SHA256())
    )


def pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def hash_data(certificate: x509.Certificate, algorithm: str) -> Json:
    """Return the CertificateHashData of a self-signed certificate, as a charge point reports it."""
    public = certificate.public_key()
    assert isinstance(public, ec.EllipticCurvePublicKey)
    bits = public.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
    return {
        "hashAlgorithm": algorithm,
        "issuerNameHash": _digest(algorithm, certificate.issuer.public_bytes()),
        "issuerKeyHash": _digest(algorithm, bits),
        "serialNumber": f"{certificate.serial_number:x}",
    }


def signature(text: bytes) -> str:
    """Sign the firmware as the white paper requires, with RSA-PSS over SHA-256, and return base64."""
    key = private_key("RSA", "firmware")
    assert isinstance(key, rsa.RSAPrivateKey)
    pss = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.DIGEST_LENGTH)
    return b64encode(key.sign(text, pss, hashes.SHA256())).decode()


def signing_request(family: Family, purpose: str, serial: str) -> str:
    """Make a PKCS#10 request in PEM. Only the common name is set, to the charge point's serial number."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, serial)])
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    request = builder.sign(private_key(family, purpose), hashes.SHA256())
    return request.public_bytes(serialization.Encoding.PEM).decode()


def basic(identity: str, key: str) -> dict[str, str]:
    """Return the Authorization header; the bytes of the hexadecimal `key` are the password."""
    secret = identity.encode() + b":" + bytes.fromhex(key)
    return {"Authorization": f"Basic {b64encode(secret).decode()}"}


def client_tls(ca_file: str, chain: str, key: PrivateKey, directory: Path) -> ssl.SSLContext:
    """Make a TLS context for a client that presents this certificate."""
    text = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file = directory / "client.pem"
    file.write_bytes(chain.encode() + text)
    context = ssl.create_default_context(cafile=ca_file)
    context.load_cert_chain(file)
    return context


def _digest(algorithm: str, content: bytes) -> str:
    digest = hashes.Hash(HASHES[algorithm])
    digest.update(content)
    return digest.finalize().hex()
