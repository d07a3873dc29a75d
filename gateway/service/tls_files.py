"""Checks the configured certificate and key files before anything listens."""

import ssl
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509

from gateway.service.config import ConfigError


def read_server_names(
    files: Sequence[tuple[str | Path, str | Path]], now: datetime | None = None
) -> tuple[str, ...]:
    """Check that each pair of chain and key is readable, matches and is valid now.

    Return the DNS names in the certificates. Raises ConfigError with one line that names the file.
    """
    found = [_read_names(Path(chain), Path(key), now or datetime.now(UTC)) for chain, key in files]
    return tuple(dict.fromkeys(name for names in found for name in names))


def read_end(chain_file: Path) -> float:
    """Return when the certificate of a chain that was checked before expires, in Unix seconds."""
    return x509.load_pem_x509_certificates(_read(chain_file))[0].not_valid_after_utc.timestamp()


def _read_names(chain_file: Path, key_file: Path, now: datetime) -> list[str]:
    try:
        first = x509.load_pem_x509_certificates(_read(chain_file))[0]
    except ValueError:
        raise ConfigError(
            f"tls: {chain_file} does not hold certificates in PEM; it must hold the server certificate, then "
            "the intermediate certificates"
        ) from None
    _read(key_file)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(chain_file, key_file, password=_no_password)
    except ConfigError:
        raise ConfigError(
            f"tls: {key_file} is encrypted with a passphrase; give the key without one"
        ) from None
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            why = f"is not the key of {chain_file}; give the private key of its first certificate"
        else:
            why = (
                f"cannot be used with {chain_file} ({error.reason}); "
                "give the private key of its first certificate in PEM"
            )
        raise ConfigError(f"tls: {key_file} {why}") from None
    if not first.not_valid_before_utc <= now <= first.not_valid_after_utc:
        raise ConfigError(
            f"tls: {chain_file} is valid from {first.not_valid_before_utc:%Y-%m-%d} to "
            f"{first.not_valid_after_utc:%Y-%m-%d}, but today is {now:%Y-%m-%d}; renew the certificate, or "
            "correct the clock"
        )
    try:
        names = first.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return names.get_values_for_type(x509.DNSName)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"tls: cannot read {path}: {error.strerror}") from None


def _no_password() -> str:
    raise ConfigError("encrypted")
