"""A certificate authority for this machine alone: a root and two server certificates for `localhost`.

The certificates are made in the data directory at run time and never shipped. The next start uses the
certificates again, and renews them before they expire. The server certificates have the fields that the OCPP
security whitepaper requires. All certificates pass VERIFY_X509_STRICT, which Python 3.13 turns on.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from admin.cli.private_files import write_private

type PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

_ORGANISATION = "csms development"
_ROOT_DAYS = 3650
_SERVER_DAYS = 365
_RENEW_DAYS = 30
_ROOT_RENEW_DAYS = _SERVER_DAYS + _RENEW_DAYS


class DevelopmentCa(msgspec.Struct, frozen=True, kw_only=True):
    """`ca_file` is the trust anchor for clients.

    Each pair has the path of a server's certificate chain and the path of the server's key.
    """

    ca_file: Path
    ecdsa: tuple[Path, Path]
    rsa: tuple[Path, Path]


def ensure_development_ca(
    directory: Path, now: datetime | None = None, name: str = "localhost"
) -> DevelopmentCa:
    """Return the files of the certificates in `directory`.

    A certificate that is missing is made. A certificate that is damaged, made for another name or close to
    its expiry is replaced. Raises OSError if the directory cannot be written.
    """
    now = now or datetime.now(UTC)
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    root_files = directory / "root.pem", directory / "root.key"
    root = _load(root_files, now + timedelta(days=_ROOT_RENEW_DAYS))
    if root is None:
        root_key = ec.generate_private_key(ec.SECP256R1())
        root = _issue_root(root_key, now), root_key
        _save(root_files, *root)
    pairs: dict[str, tuple[Path, Path]] = {}
    for kind in ("ecdsa", "rsa"):
        files = pairs[kind] = directory / f"{kind}.pem", directory / f"{kind}.key"
        server = _load(files, now + timedelta(days=_RENEW_DAYS))
        if server is None or not _is_from(root[0], server[0], name):
            key: PrivateKey = (
                ec.generate_private_key(ec.SECP256R1())
                if kind == "ecdsa"
                else rsa.generate_private_key(public_exponent=65537, key_size=2048)
            )
            _save(files, _issue_server(key, root, now, name), key)
    return DevelopmentCa(ca_file=root_files[0], ecdsa=pairs["ecdsa"], rsa=pairs["rsa"])


def _load(files: tuple[Path, Path], valid_until: datetime) -> tuple[x509.Certificate, PrivateKey] | None:
    try:
        certificate = x509.load_pem_x509_certificate(files[0].read_bytes())
        key = serialization.load_pem_private_key(files[1].read_bytes(), None)
    except (OSError, ValueError):
        return None
    if not isinstance(key, (rsa.RSAPrivateKey, ec.EllipticCurvePrivateKey)):
        return None
    matches = certificate.public_key() == key.public_key()
    return (certificate, key) if matches and certificate.not_valid_after_utc > valid_until else None


def _is_from(root: x509.Certificate, server: x509.Certificate, name: str) -> bool:
    try:
        server.verify_directly_issued_by(root)
        names = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except Exception:  # noqa: BLE001  a certificate with any defect is replaced
        return False
    return names.get_values_for_type(x509.DNSName) == [name]


def _save(files: tuple[Path, Path], certificate: x509.Certificate, key: PrivateKey) -> None:
    # The key is written first. A crash between the two writes leaves a key and a certificate that do not
    # match. The next start replaces such a pair.
    write_private(
        files[1],
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ),
    )
    write_private(files[0], certificate.public_bytes(serialization.Encoding.PEM))


def _issue_root(key: ec.EllipticCurvePrivateKey, now: datetime) -> x509.Certificate:
    # A new root gets a new name, so that a client that trusts the old root reports an unknown authority.
    number = x509.random_serial_number()
    name = _name(f"csms development root {number:x}"[:64])
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(number)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=_ROOT_DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )


def _issue_server(
    key: PrivateKey, root: tuple[x509.Certificate, PrivateKey], now: datetime, name: str
) -> x509.Certificate:
    authority = root[0].extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(root[0].subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=_SERVER_DAYS))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(enciphers_keys=isinstance(key, rsa.RSAPrivateKey)), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(authority), critical=False
        )
        .sign(root[1], hashes.SHA256())
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, _ORGANISATION),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def _usage(*, signs_certificates: bool = False, enciphers_keys: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        # Cipher suites with static RSA need keyEncipherment (TC_086 of the certification test tool).
        key_encipherment=enciphers_keys,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )
