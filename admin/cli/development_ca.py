"""The certificate authority of `csms up`, for this machine alone, and server certificates for `localhost`.

The authority is that of `csms pki init`. Its certificates are made in the data directory at run time and
never shipped. The next start uses the certificates again, and renews them before they expire. The server
certificates have the fields that the OCPP security whitepaper requires.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from admin.cli.authority_files import CLIENT_AUTHORITIES_FILE, SERVER_NAMES, create_directory, save_pair
from admin.pki.authority import (
    FAMILIES,
    SERVER_DAYS,
    Authority,
    Family,
    Issuer,
    create_key,
    issue_server,
    load_directory,
    write_pem,
)
from gateway.service.config import ConfigError
from state.durable import write_private

_ORGANISATION = "csms development"
_RENEW_DAYS = 30
_AUTHORITY_RENEW_DAYS = SERVER_DAYS + _RENEW_DAYS


class DevelopmentCa(msgspec.Struct, frozen=True, kw_only=True):
    """`ca_file` is the trust anchor for clients, and `client_authorities_file` that for gateways.

    `directory` has the authority. Each pair has the path of a server's certificate chain and the path of the
    server's key.
    """

    directory: Path
    ca_file: Path
    client_authorities_file: Path
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
    authority = _load(directory, now)
    roots = _read_roots(directory, authority)
    if authority is None or roots is None:
        made = create_directory(directory, _ORGANISATION, now)
        authority = Authority({family: hierarchy.issuer for family, hierarchy in made.items()})
        roots = [hierarchy.root.certificate for hierarchy in made.values()]
    ca_file, client_authorities_file = directory / "root.pem", directory / CLIENT_AUTHORITIES_FILE
    issuing = [authority.issuers[family].certificate for family in FAMILIES]
    for path, trusted in ((ca_file, roots), (client_authorities_file, [*roots, *issuing])):
        if not path.exists() or path.read_bytes() != write_pem(trusted):
            write_private(path, write_pem(trusted))
    pairs: dict[Family, tuple[Path, Path]] = {}
    for family, word in SERVER_NAMES.items():
        files = pairs[family] = directory / f"{word}.pem", directory / f"{word}.key"
        issuer = authority.issuers[family]
        if not _is_usable(files, issuer, name, now + timedelta(days=_RENEW_DAYS)):
            key = create_key(family)
            server = issue_server(issuer, key, name, organisation=_ORGANISATION, now=now)
            save_pair(*files, [server, *issuer.chain], key)
    return DevelopmentCa(
        directory=directory,
        ca_file=ca_file,
        client_authorities_file=client_authorities_file,
        ecdsa=pairs["ec"],
        rsa=pairs["rsa"],
    )


def _load(directory: Path, now: datetime) -> Authority | None:
    try:
        authority = load_directory(directory)
    except ConfigError:
        return None
    ends = min(issuer.certificate.not_valid_after_utc for issuer in authority.issuers.values())
    return authority if ends > now + timedelta(days=_AUTHORITY_RENEW_DAYS) else None


def _read_roots(directory: Path, authority: Authority | None) -> list[x509.Certificate] | None:
    """Return the roots, or None if a file is missing or damaged."""
    if authority is None:
        return None
    try:
        roots = [
            x509.load_pem_x509_certificate((directory / f"{family}-root.pem").read_bytes())
            for family in FAMILIES
        ]
        for family, root in zip(FAMILIES, roots, strict=True):
            authority.issuers[family].certificate.verify_directly_issued_by(root)
    except Exception:  # noqa: BLE001  an authority with any defect is replaced
        return None
    return roots


def _is_usable(files: tuple[Path, Path], issuer: Issuer, name: str, valid_until: datetime) -> bool:
    try:
        server = x509.load_pem_x509_certificates(files[0].read_bytes())[0]
        key = serialization.load_pem_private_key(files[1].read_bytes(), None)
        server.verify_directly_issued_by(issuer.certificate)
        names = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except Exception:  # noqa: BLE001  a certificate with any defect is replaced
        return False
    right = server.public_key() == key.public_key() and names.get_values_for_type(x509.DNSName) == [name]
    return right and server.not_valid_after_utc > valid_until
