"""`csms pki` makes and shows the certificate authority, server certificates and revocation lists."""

import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import trio
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cyclopts import App, Parameter
from cyclopts.validators import Number

from admin.cli.authority_files import (
    CLIENT_AUTHORITIES_FILE,
    ROOTS_FILE,
    SERVER_NAMES,
    create_directory,
    save_pair,
)
from admin.cli.failures import CommandRefused, report_failures
from admin.pki.authority import (
    FAMILIES,
    ISSUING_FILES,
    Authority,
    create_key,
    issue_server,
    load,
    load_directory,
    revocation_list,
)
from gateway.service.config import load as load_config
from state.durable import write_private
from state.features import issued_certificates
from state.store import StoreConfig, open_store

app = App(
    name="pki",
    help="""Make and show the certificate authority that signs certificates for charge points and servers.

The authority has an RSA and an EC hierarchy. Each hierarchy has a root and an issuing authority. Only the
admin processes need the keys of the issuing authorities.
""",
)

type Days = Annotated[int, Parameter(validator=Number(gte=1, lte=36_500))]


@app.command
def init(directory: Path, *, organisation: str = "csms") -> None:
    """Make a new authority in a directory, and say which file belongs where.

    Parameters
    ----------
    directory
        The directory for the files. The command makes it if it does not exist. It must not have an authority.
    organisation
        The organisation (O) in the names of the authorities.
    """
    with report_failures("csms pki init"):
        _check_name(organisation, "organisation")
        if any((directory / name).exists() for names in ISSUING_FILES.values() for name in names):
            raise CommandRefused(f"{directory} has an authority already; give another directory")
        create_directory(directory, organisation, datetime.now(UTC))
        directory.chmod(0o700)
        issuing = ", ".join(name for names in ISSUING_FILES.values() for name in names)
        _say(
            f"Made an RSA and an EC authority in {directory}.",
            f"  admin processes:  pki.directory = {directory}   (they read {issuing})",
            f"  gateways:         tls.client_authorities_file = {directory / CLIENT_AUTHORITIES_FILE}",
            f"  charge points:    trust the roots in {directory / ROOTS_FILE}",
            "  offline:          move rsa-root.key and ec-root.key to a safe place; no process needs them",
        )


@app.command(name="server-certificate")
def server_certificate(
    host: str, *, directory: Path, out: Path, organisation: str | None = None, days: Days = 365
) -> None:
    """Issue an ECDSA and an RSA certificate for the host name of the gateways.

    Parameters
    ----------
    host
        The full host name to which charge points connect. It becomes the common name and the alternative
        name.
    directory
        The directory of `csms pki init`.
    out
        The directory for the files ecdsa.pem, ecdsa.key, rsa.pem and rsa.key.
    organisation
        The organisation (O) in the certificates. The default is that of the issuing authority.
    days
        The number of days for which the certificates are valid.
    """
    with report_failures("csms pki server-certificate"):
        _check_host(host)
        authority, now = load_directory(directory), datetime.now(UTC)
        out.mkdir(mode=0o700, parents=True, exist_ok=True)
        for family, issuer in authority.issuers.items():
            word = SERVER_NAMES[family]
            named = organisation or _organisation(issuer.certificate)
            _check_name(named, "organisation")
            key = create_key(family)
            made = issue_server(issuer, key, host, organisation=named, now=now, days=days)
            save_pair(out / f"{word}.pem", out / f"{word}.key", [made, *issuer.chain], key)
            _say(f"{out / word}.pem  {_describe(made)}")


@app.command(name="revocation-list")
def revocation_lists(*, out: Path, config: Path | None = None, days: Days = 7) -> None:
    """Sign a revocation list for each issuing authority, of the certificates that operators revoked.

    The command reads the store and the authority that the configuration of `csms admin` names. Run the
    command again before `days` have passed.

    Parameters
    ----------
    out
        The directory for the files rsa.crl and ec.crl.
    config
        TOML file of csms admin. CSMS__SECTION__KEY variables override the file.
    days
        The number of days until the next list must be made.
    """
    from admin.config import AdminConfig  # noqa: PLC0415  as in csms.py

    with report_failures("csms pki revocation-list"):
        loaded = load_config(AdminConfig, config, os.environ)
        authority = load(loaded.pki)
        if authority is None:
            raise CommandRefused("the configuration has no authority; set pki.directory")
        out.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name, content, number in trio.run(_sign_lists, loaded.store, authority, days):
            write_private(out / name, content)
            _say(f"{out / name}  {number} revoked certificates, next list within {days} days")


@app.command
def show(directory: Path) -> None:
    """Show the certificates of an authority: names, serial numbers, expiry and fingerprints."""
    with report_failures("csms pki show"):
        for family in FAMILIES:
            for name in (f"{family}-root.pem", ISSUING_FILES[family][0]):
                try:
                    found = x509.load_pem_x509_certificates((directory / name).read_bytes())
                except ValueError:
                    raise CommandRefused(f"{directory / name} does not hold certificates in PEM") from None
                for one in found:
                    _say(f"{name}  {_describe(one)}")


async def _sign_lists(config: StoreConfig, authority: Authority, days: int) -> list[tuple[str, bytes, int]]:
    made, now = [], datetime.now(UTC)
    async with open_store(config) as store:
        for family, issuer in authority.issuers.items():
            revoked = await issued_certificates.list_revoked(store, issuer.name)
            made.append((f"{family}.crl", revocation_list(issuer, revoked, now, days), len(revoked)))
    return made


def _check_host(host: str) -> None:
    labels = host.split(".")
    letters = all(label.replace("-", "a").isalnum() and label.isascii() for label in labels)
    if not letters or not 0 < len(host) <= 64 or labels[-1].isdigit():
        raise CommandRefused(
            f"{host!r} is not a host name of at most 64 characters; give the name to which charge points "
            "connect"
        )


def _check_name(name: str, what: str) -> None:
    if not name.isprintable() or not 0 < len(name) <= 64:
        raise CommandRefused(f"the {what} must have 1 to 64 printable characters")


def _organisation(certificate: x509.Certificate) -> str:
    found = certificate.subject.get_attributes_for_oid(x509.NameOID.ORGANIZATION_NAME)
    if not found:
        raise CommandRefused("the issuing authority has no organisation; give --organisation")
    return str(found[0].value)


def _describe(certificate: x509.Certificate) -> str:
    fingerprint = certificate.fingerprint(hashes.SHA256()).hex()
    return (
        f"{certificate.subject.rfc4514_string()}  serial {certificate.serial_number:x}  "
        f"until {certificate.not_valid_after_utc:%Y-%m-%d}  SHA-256 {fingerprint}"
    )


def _say(*lines: str) -> None:
    for line in lines:
        sys.stdout.write(f"{line}\n")
