"""Makes certificates and certificate requests for tests."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
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


def write(folder: Path, stem: str, made: Made, *chain: Made) -> tuple[Path, Path]:
    """Write the certificate, with its chain, and the key. Return both files."""
    pem, key = folder / f"{stem}.pem", folder / f"{stem}.key"
    pem.write_text("".join(one.pem for one in (made, *chain)))
    encoding, form = Encoding.PEM, serialization.PrivateFormat.PKCS8
    key.write_bytes(made.key.private_bytes(encoding, form, serialization.NoEncryption()))
    return pem, key


def revocation_list(
    issuer: Made,
    *serials: int,
    next_update: datetime = NOW + DAY,
    extensions: Sequence[tuple[x509.ExtensionType, bool]] = (),
) -> x509.CertificateRevocationList:
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.certificate.subject)
        .last_update(NOW - 3 * DAY)
        .next_update(next_update)
    )
    for serial in serials:
        one = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(NOW - DAY).build()
        builder = builder.add_revoked_certificate(one)
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return builder.sign(issuer.key, hashes.SHA256())
