"""Credentials of the charge points in a load, read from files, so that no command line shows them."""

import re
import ssl
from base64 import b64encode
from pathlib import Path

import msgspec

_HEX = re.compile(r"(?:[0-9A-Fa-f]{2}){16,20}")


class BadFile(Exception):  # noqa: N818  it says what happened
    """A file cannot be used; the text is one line that says what was wrong and what would be right."""


class Credentials(msgspec.Struct, frozen=True):
    """Passwords by charge point id, and the directory of client certificates (`<id>.pem` and `<id>.key`).

    A password is the bytes of the AuthorizationKey.
    """

    passwords: dict[str, bytes]
    certificates: Path | None = None
    ca_file: Path | None = None

    def __repr__(self) -> str:
        return f"<credentials with {len(self.passwords)} passwords>"

    def headers(self, id_: str) -> list[tuple[str, str]]:
        """Return the Authorization header of a charge point, if it has a password (OCPP-J 6.2)."""
        password = self.passwords.get(id_)
        if password is None:
            return []
        return [("Authorization", "Basic " + b64encode(id_.encode() + b":" + password).decode())]

    def tls(self, id_: str) -> ssl.SSLContext | None:
        """Return a context with the client certificate of a charge point. Raises OSError and ssl.SSLError."""
        if self.certificates is None:
            return None
        context = ssl.create_default_context(cafile=self.ca_file)
        context.load_cert_chain(self.certificates / f"{id_}.pem", self.certificates / f"{id_}.key")
        return context


NOTHING = Credentials({})


def read_token(path: Path) -> str:
    """Return the token in a file. Raises BadFile."""
    token = _read(path).strip()
    if not token or any(letter.isspace() for letter in token):
        raise BadFile(f"--token-file {path}: the file must hold one token, without spaces")
    return token


def read_passwords(path: Path) -> dict[str, bytes]:
    """Read a file whose lines have a charge point id, a space and an AuthorizationKey. Raises BadFile."""
    passwords = {}
    for number, line in enumerate(_read(path).splitlines(), 1):
        if not line.strip():
            continue
        id_, _, key = line.strip().partition(" ")
        if not key.strip():
            raise BadFile(
                f"--passwords-file {path}, line {number}: give a charge point id, a space and its key, as in "
                "`LT00000 5f3a...`"
            )
        key = key.strip()
        passwords[id_] = bytes.fromhex(key) if _HEX.fullmatch(key) else key.encode()
    return passwords


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except OSError as error:
        raise BadFile(f"{path}: {error.strerror}; give a file that can be read") from None
    except UnicodeDecodeError:
        raise BadFile(f"{path} is not text in UTF-8; give a text file") from None
