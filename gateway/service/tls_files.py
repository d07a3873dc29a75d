"""The certificate and key files a process is told to serve with, checked before anything listens."""

import ssl
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from gateway.service.config import ConfigError


class ServerCertificate(msgspec.Struct, frozen=True, kw_only=True):
    """A chain and its key, as files. `names` are the DNS names the first certificate is for."""

    chain_file: Path
    key_file: Path
    algorithm: str
    names: tuple[str, ...]
    not_after: datetime


def read_certificates(
    files: Sequence[tuple[str | Path, str | Path]], now: datetime | None = None
) -> tuple[ServerCertificate, ...]:
    """Check pairs of (chain, key): readable, belonging together, valid now.

    Raises ConfigError, in one line that names the file.
    """
    return tuple(_read(Path(chain), Path(key), now or datetime.now(UTC)) for chain, key in files)


def _read(chain_file: Path, key_file: Path, now: datetime) -> ServerCertificate:
    try:
        first = x509.load_pem_x509_certificates(_content(chain_file))[0]
    except ValueError:
        raise ConfigError(f"tls: {chain_file} is not a chain of certificates in PEM") from None
    _content(key_file)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(chain_file, key_file, password=_no_password)
    except ConfigError:
        raise ConfigError(f"tls: {key_file} is encrypted; give the key without a passphrase") from None
    except ssl.SSLError as error:
        what = "is not the key of" if error.reason == "KEY_VALUES_MISMATCH" else "cannot be used with"
        raise ConfigError(f"tls: {key_file} {what} {chain_file}") from None
    if not first.not_valid_before_utc <= now <= first.not_valid_after_utc:
        raise ConfigError(
            f"tls: {chain_file} is valid from {first.not_valid_before_utc:%Y-%m-%d} to "
            f"{first.not_valid_after_utc:%Y-%m-%d}, not now"
        )
    return ServerCertificate(
        chain_file=chain_file,
        key_file=key_file,
        algorithm=_algorithm(first),
        names=_names(first),
        not_after=first.not_valid_after_utc,
    )


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"tls: cannot read {path}: {error.strerror}") from None


def _no_password() -> str:
    raise ConfigError("encrypted")


def _algorithm(certificate: x509.Certificate) -> str:
    key = certificate.public_key()
    if isinstance(key, rsa.RSAPublicKey):
        return f"RSA-{key.key_size}"
    if isinstance(key, ec.EllipticCurvePublicKey):
        return f"ECDSA-{key.curve.name}"
    return type(key).__name__


def _names(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    return tuple(names.get_values_for_type(x509.DNSName))
