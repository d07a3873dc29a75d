"""A private certificate authority with an RSA hierarchy and an EC hierarchy.

Each hierarchy has a root and an issuing authority. The issuing authority signs certificates and revocation
lists, so the key of the root can be kept offline. A charge point with an RSA key gets a certificate of the
RSA hierarchy, and one with an EC key a certificate of the EC hierarchy, so that it needs only one family of
algorithms.

RSA signatures are PKCS#1 v1.5 with SHA-256, because charge points and the certification tool refuse RSA-PSS.
All certificates pass VERIFY_X509_STRICT, which Python 3.13 turns on.
"""

import os
import stat
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, Literal, get_args

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from admin.config import IssuerFiles, PkiConfig
from gateway.service.config import ConfigError

type Family = Literal["rsa", "ec"]
type PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
type PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey

FAMILIES: Final[tuple[Family, ...]] = get_args(Family.__value__)
ROOT_DAYS: Final = 7300
ISSUING_DAYS: Final = 3650
SERVER_DAYS: Final = 365
ISSUING_FILES: Final[Mapping[Family, tuple[str, str]]] = {
    family: (f"{family}-issuing.pem", f"{family}-issuing.key") for family in FAMILIES
}
"""Names of the files of the issuing authorities in a directory: the chain and the key."""

_NAMES: Final[Mapping[Family, str]] = {"rsa": "RSA", "ec": "EC"}
_ROOT_RSA_BITS, _RSA_BITS = 3072, 2048
_EARLIER: Final = timedelta(hours=1)
"""How long before its issue a certificate begins to be valid, because clocks of charge points are wrong."""


class Pair(msgspec.Struct, frozen=True):
    """A certificate with its private key."""

    certificate: x509.Certificate
    key: PrivateKey

    def __repr__(self) -> str:
        """Leave out the key."""
        return f"<certificate of {self.certificate.subject.rfc4514_string()}>"


class Issuer(msgspec.Struct, frozen=True):
    """An authority that signs certificates. `chain` begins with its certificate and has no root."""

    pair: Pair
    chain: tuple[x509.Certificate, ...]

    @property
    def certificate(self) -> x509.Certificate:
        return self.pair.certificate

    @property
    def name(self) -> str:
        return self.certificate.subject.rfc4514_string()


class Hierarchy(msgspec.Struct, frozen=True):
    root: Pair
    issuing: Pair

    @property
    def issuer(self) -> Issuer:
        return Issuer(self.issuing, (self.issuing.certificate,))


class Authority(msgspec.Struct, frozen=True):
    """The issuing authorities, by the family of their keys."""

    issuers: Mapping[Family, Issuer]


def family_of(key: PrivateKey | PublicKey) -> Family:
    return "rsa" if isinstance(key, (rsa.RSAPrivateKey, rsa.RSAPublicKey)) else "ec"


def create(family: Family, organisation: str, now: datetime) -> Hierarchy:
    """Make a root and an issuing authority with new keys.

    The names are new too. A client that trusts an earlier root with another key would otherwise report a
    wrong signature instead of an unknown authority.
    """
    mark = f"{x509.random_serial_number():x}"[:8]
    root_name = write_name(organisation, f"csms {_NAMES[family]} root {mark}")
    root_key = create_key(family, _ROOT_RSA_BITS)
    root = _authority_certificate(root_name, root_key, None, now, ROOT_DAYS)
    key = create_key(family)
    name = write_name(organisation, f"csms {_NAMES[family]} issuing authority {mark}")
    return Hierarchy(
        Pair(root, root_key), Pair(_authority_certificate(name, key, Pair(root, root_key), now), key)
    )


def create_key(family: Family, rsa_bits: int = _RSA_BITS) -> PrivateKey:
    if family == "rsa":
        return rsa.generate_private_key(public_exponent=65537, key_size=rsa_bits)
    return ec.generate_private_key(ec.SECP256R1())


def issue_server(
    issuer: Issuer,
    key: PrivateKey,
    host: str,
    *,
    organisation: str,
    now: datetime,
    days: int = SERVER_DAYS,
) -> x509.Certificate:
    """Issue a server certificate by the rules of the security whitepaper (A00.FR.3xx, A00.FR.4xx).

    The organisation is set, and the common name is the name of the host. General TLS clients need the same
    name as subject alternative name.
    """
    return sign_leaf(
        issuer,
        key.public_key(),
        write_name(organisation, host),
        x509.SubjectAlternativeName([x509.DNSName(host)]),
        use=ExtendedKeyUsageOID.SERVER_AUTH,
        now=now,
        days=days,
    )


def sign_leaf(
    issuer: Issuer,
    key: PublicKey,
    subject: x509.Name,
    names: x509.SubjectAlternativeName,
    *,
    use: x509.ObjectIdentifier,
    now: datetime,
    days: int,
) -> x509.Certificate:
    """Issue a certificate that cannot sign others and does not outlive its issuer."""
    ends = min(now + timedelta(days=days), issuer.certificate.not_valid_after_utc)
    return (
        _builder(subject, key, issuer.certificate, now - _EARLIER, ends)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        # Cipher suites with static RSA need keyEncipherment (TC_086 of the certification test tool).
        .add_extension(_usage(enciphers_keys=family_of(key) == "rsa"), critical=True)
        .add_extension(x509.ExtendedKeyUsage([use]), critical=False)
        .add_extension(names, critical=False)
        .sign(issuer.pair.key, hashes.SHA256())
    )


def revocation_list(issuer: Issuer, revoked: Mapping[int, int], now: datetime, days: int) -> bytes:
    """Sign a list of revoked serial numbers, each with the time of its revocation in milliseconds."""
    key_id = issuer.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.certificate.subject)
        .last_update(now - _EARLIER)
        .next_update(now + timedelta(days=days))
        # Each list needs a greater number than the one before.
        .add_extension(x509.CRLNumber(round(now.timestamp() * 1000)), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(key_id), critical=False)
    )
    for serial_number, revoked_ms in sorted(revoked.items()):
        builder = builder.add_revoked_certificate(
            x509.RevokedCertificateBuilder()
            .serial_number(serial_number)
            .revocation_date(datetime.fromtimestamp(revoked_ms / 1000, UTC))
            .build()
        )
    return builder.sign(issuer.pair.key, hashes.SHA256()).public_bytes(Encoding.PEM)


def load(config: PkiConfig) -> Authority | None:
    """Load the issuing authorities. None means that none is set. Raises ConfigError."""
    given: dict[Family, IssuerFiles | None] = {"rsa": config.rsa, "ec": config.ec}
    files = {family: found for family, found in given.items() if found is not None}
    if config.directory is not None:
        if files:
            raise ConfigError("pki: directory and single files are set; set either directory, or rsa and ec")
        return load_directory(Path(config.directory))
    if not files:
        return None
    return Authority(
        {
            family: load_issuer(family, Path(found.chain_file), Path(found.key_file))
            for family, found in files.items()
        }
    )


def load_directory(directory: Path) -> Authority:
    """Load the issuing authorities from a directory of `csms pki init`. Raises ConfigError."""
    issuers = {
        family: load_issuer(family, directory / chain, directory / key)
        for family, (chain, key) in ISSUING_FILES.items()
    }
    return Authority(issuers)


def load_issuer(family: Family, chain_file: Path, key_file: Path) -> Issuer:
    """Load an issuing authority.

    The first certificate of the chain file is that of the authority. Intermediate certificates may follow,
    and a root at the end is left out. Raises ConfigError with one line that names the file.
    """
    try:
        chain = x509.load_pem_x509_certificates(_read(chain_file))
    except ValueError:
        raise ConfigError(
            f"pki: {chain_file} does not hold certificates in PEM; it must hold the certificate of the "
            "issuing authority, then the intermediate certificates"
        ) from None
    key = _load_key(key_file)
    if family_of(key) != family:
        raise ConfigError(f"pki: {key_file} is not an {_NAMES[family]} key; give the key of the right family")
    if chain[0].public_key() != key.public_key():
        raise ConfigError(
            f"pki: {key_file} is not the key of {chain_file}; give the key of its first certificate"
        )
    if not may_sign(chain[0]):
        raise ConfigError(
            f"pki: the first certificate in {chain_file} may not sign certificates; give the certificate of "
            "an authority"
        )
    return Issuer(Pair(chain[0], key), tuple(one for one in chain if one.issuer != one.subject))


def ends_of(authority: Authority) -> dict[str, float]:
    """Return the Unix time at which each issuing authority expires, by family."""
    return {
        family: issuer.certificate.not_valid_after_utc.timestamp()
        for family, issuer in authority.issuers.items()
    }


def may_sign(certificate: x509.Certificate) -> bool:
    """Return whether a certificate is that of an authority, and has the extensions that csms needs."""
    extension = certificate.extensions.get_extension_for_class
    try:
        extension(x509.SubjectKeyIdentifier)
        return bool(
            extension(x509.BasicConstraints).value.ca and extension(x509.KeyUsage).value.key_cert_sign
        )
    except x509.ExtensionNotFound:
        return False


def is_exposed(mode: int, owner: int, user: int) -> bool:
    """Return whether other users than this one can read or write a key file.

    Kubernetes gives the files of a Secret to root, and lets the group of the pod read them. So the group may
    read a file of root.
    """
    allowed = 0o640 if owner == 0 and user != 0 else 0o600
    return bool(stat.S_IMODE(mode) & 0o077 & ~allowed)


def write_pem(certificates: Sequence[x509.Certificate]) -> bytes:
    """Write certificates in PEM. All line ends are LF, because some charge points refuse CRLF."""
    return b"".join(one.public_bytes(Encoding.PEM) for one in certificates)


def write_key(key: PrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def _authority_certificate(
    name: x509.Name, key: PrivateKey, root: Pair | None, now: datetime, days: int = ISSUING_DAYS
) -> x509.Certificate:
    """Issue the certificate of an authority, which is a root if `root` is None."""
    issuer = None if root is None else root.certificate
    return (
        _builder(name, key.public_key(), issuer, now - _EARLIER, now + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=True, path_length=1 if root is None else 0), critical=True)
        .add_extension(_usage(is_authority=True), critical=True)
        .sign(key if root is None else root.key, hashes.SHA256())
    )


def _builder(
    name: x509.Name, key: PublicKey, issuer: x509.Certificate | None, begins: datetime, ends: datetime
) -> x509.CertificateBuilder:
    own_id = x509.SubjectKeyIdentifier.from_public_key(key)
    of_issuer = own_id
    if issuer is not None:
        of_issuer = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name if issuer is None else issuer.subject)
        .public_key(key)
        # The number is positive and has at most 20 bytes.
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends)
        .add_extension(own_id, critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(of_issuer), critical=False
        )
    )


def write_name(organisation: str, common_name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def _usage(*, is_authority: bool = False, enciphers_keys: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not is_authority,
        content_commitment=False,
        key_encipherment=enciphers_keys,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=is_authority,
        crl_sign=is_authority,
        encipher_only=False,
        decipher_only=False,
    )


def _load_key(path: Path) -> PrivateKey:
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            content = file.read()
    except OSError as error:
        raise ConfigError(f"pki: cannot read {path}: {error.strerror}") from None
    if is_exposed(status.st_mode, status.st_uid, os.geteuid()):
        raise ConfigError(
            f"pki: {path} can be read or written by other users, so it may be known to them; give it the "
            "mode 0600, or make a new key"
        )
    try:
        key = serialization.load_pem_private_key(content, None)
    except TypeError:
        raise ConfigError(f"pki: {path} is encrypted with a passphrase; give the key without one") from None
    except ValueError:
        raise ConfigError(f"pki: {path} does not hold a private key in PEM") from None
    if not isinstance(key, (rsa.RSAPrivateKey, ec.EllipticCurvePrivateKey)):
        raise ConfigError(f"pki: {path} is neither an RSA nor an EC key")
    return key


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"pki: cannot read {path}: {error.strerror}") from None
