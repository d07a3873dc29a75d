"""Writes the files of the certificate authority into a directory that only its owner can read."""

from datetime import datetime
from pathlib import Path
from typing import Final

from cryptography import x509

from admin.pki.authority import (
    FAMILIES,
    ISSUING_FILES,
    Family,
    Hierarchy,
    PrivateKey,
    create,
    write_key,
    write_pem,
)
from state.durable import write_private

ROOTS_FILE: Final = "roots.pem"
"""The roots of both families, which charge points trust."""
CLIENT_AUTHORITIES_FILE: Final = "client-authorities.pem"
"""The roots and the issuing authorities, which gateways trust in client certificates."""

SERVER_NAMES: Final[dict[Family, str]] = {"ec": "ecdsa", "rsa": "rsa"}
"""Beginning of the names of the files with a server certificate and its key."""


def create_directory(directory: Path, organisation: str, now: datetime) -> dict[Family, Hierarchy]:
    """Make both hierarchies, and replace those that the directory has. Raises OSError."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    made: dict[Family, Hierarchy] = {family: create(family, organisation, now) for family in FAMILIES}
    for family, hierarchy in made.items():
        write_private(directory / f"{family}-root.key", write_key(hierarchy.root.key))
        write_private(directory / f"{family}-root.pem", write_pem([hierarchy.root.certificate]))
        chain_file, key_file = ISSUING_FILES[family]
        save_pair(
            directory / chain_file,
            directory / key_file,
            [hierarchy.issuing.certificate],
            hierarchy.issuing.key,
        )
    roots = [hierarchy.root.certificate for hierarchy in made.values()]
    issuing = [hierarchy.issuing.certificate for hierarchy in made.values()]
    write_private(directory / ROOTS_FILE, write_pem(roots))
    write_private(directory / CLIENT_AUTHORITIES_FILE, write_pem([*roots, *issuing]))
    return made


def save_pair(chain_file: Path, key_file: Path, chain: list[x509.Certificate], key: PrivateKey) -> None:
    """Write a certificate chain and its key. Raises OSError.

    The key is written first. A crash between the two writes leaves a key and a certificate that do not match,
    which every reader notices.
    """
    write_private(key_file, write_key(key))
    write_private(chain_file, write_pem(chain))
