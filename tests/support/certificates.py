"""Makes certificates and certificate requests for tests."""

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

type Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

NOW = datetime.now(UTC).replace(microsecond=0)
DAY = timedelta(days=1)


class Made(NamedTuple):
    certificate: x509.Certificate
    key: Key

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(Encoding.PEM).decode()


def ec_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def certificate(
    common_name: str = "root",
    *,
    issuer: Made | None = None,
    key: Key | None = None,
    begins: datetime = NOW - DAY,
    ends: datetime = NOW + DAY,
    serial: int = 0xABC,
) -> Made:
    """Make a certificate. Without an issuer the certificate is self-signed."""
    key = key or ec_key()
    made = (
        x509.CertificateBuilder()
        .subject_name(name(common_name))
        .issuer_name(issuer.certificate.subject if issuer else name(common_name))
        .public_key(key.public_key())
        .serial_number(serial)
        .not_valid_before(begins)
        .not_valid_after(ends)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(issuer.key if issuer else key, hashes.SHA256())
    )
    return Made(made, key)


def request(key: Key | None = None, common_name: str = "CP-1") -> str:
    builder = x509.CertificateSigningRequestBuilder().subject_name(name(common_name))
    return builder.sign(key or ec_key(), hashes.SHA256()).public_bytes(Encoding.PEM).decode()
