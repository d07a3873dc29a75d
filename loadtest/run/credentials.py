"""Credentials of the charge points of a run, read from files, so that no command line shows them.

They reach the processes of the fleet over pipes. They are not part of the scenario, so results cannot have
them.
"""

import csv
import re
import ssl
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

from msgspec import Struct
from msgspec.structs import replace

from loadtest.scenario.model import Scenario, Target

_HEX = re.compile(r"(?:[0-9A-Fa-f]{2}){16,20}")
_COLUMNS = ("id", "password", "token", "id_tag", "certificate", "key")
_BYTES_MAX = 256 << 20
_HIDDEN = "***"
_ID_TAG_MAX = 20


class BadFile(Exception):  # noqa: N818  it says what happened
    """A file cannot be used; the text is one line that says what was wrong and what would be right."""


class Row(Struct, frozen=True, array_like=True):
    """One charge point of a credentials file. `certificate` and `key` are paths of files."""

    id: str
    password: bytes | None = None
    token: str | None = None
    id_tag: str | None = None
    certificate: str | None = None
    key: str | None = None

    def __repr__(self) -> str:
        return f"<credentials of {self.id}>"


class Secrets(Struct, frozen=True, kw_only=True):
    """What the charge points and the operators of a run need to get in.

    `url` still has `{id}` and `{token}`. `rows` are the charge points from number `first` on, if there is a
    credentials file. `certificates` is a directory with `<id>.pem` (the chain) and `<id>.key`.
    """

    url: str
    token: str | None = None
    passwords: dict[str, bytes] = {}
    first: int = 0
    rows: tuple[Row, ...] = ()
    certificates: str | None = None
    ca_file: str | None = None
    admin_url: str | None = None
    tenant: str = ""
    api_key: str | None = None

    def __repr__(self) -> str:
        return f"<secrets of {len(self.rows) or len(self.passwords)} charge points>"

    def row(self, index: int) -> Row | None:
        """Return the row of a charge point, or None if there is no credentials file."""
        return self.rows[index - self.first] if self.rows else None

    def make_url(self, index: int, id_: str) -> str:
        row = self.row(index)
        token = self.token if row is None or row.token is None else row.token
        return self.url.replace("{id}", quote(id_, safe="")).replace("{token}", quote(token or "", safe=""))

    def password(self, index: int, id_: str) -> bytes | None:
        row = self.row(index)
        return self.passwords.get(id_) if row is None or row.password is None else row.password

    def certificate(self, index: int, id_: str) -> tuple[str, str] | None:
        """Return the files of the client certificate and of its key."""
        row = self.row(index)
        if row is not None and row.certificate is not None:
            return row.certificate, row.key or row.certificate
        if self.certificates is None:
            return None
        base = Path(self.certificates, id_)
        return f"{base}.pem", f"{base}.key"

    def of_fleet(self, first: int, end: int) -> "Secrets":
        """Return what the charge points from `first` to before `end` need. They need no API key."""
        rows = self.rows[first - self.first : end - self.first]
        return replace(self, first=first, rows=rows, admin_url=None, api_key=None)

    def of_operators(self) -> "Secrets":
        return replace(self, token=None, passwords={}, rows=tuple(Row(row.id) for row in self.rows))


def read_secrets(target: Target, charge_points: int) -> Secrets:
    """Read all files of a target. Raises BadFile."""
    url = target.url or ""
    rows = () if target.credentials_file is None else tuple(read_rows(Path(target.credentials_file)))
    if target.credentials_file is not None and len(rows) < charge_points:
        raise BadFile(
            f"target.credentials_file {target.credentials_file} has {len(rows):,} charge points, but the "
            f"fleet has {charge_points:,}; give more rows, or a smaller fleet with --scale"
        )
    rows = rows[:charge_points]
    token = None if target.token_file is None else read_token(Path(target.token_file), "target.token_file")
    has_token = token is not None or (bool(rows) and all(row.token is not None for row in rows))
    if "{token}" in url and not has_token:
        raise BadFile(
            "target.url has {token}, but there is no token; give target.token_file (--token-file), or a "
            "token in each row of target.credentials_file"
        )
    if has_token and "{token}" not in url:
        raise BadFile("there is a token, but target.url has no {token}; put {token} where the token belongs")
    if target.ca_file is not None:
        _check_ca_file(Path(target.ca_file))
    certificates = target.certificates
    if certificates is not None and not Path(certificates).is_dir():
        raise BadFile(
            f"target.certificates {certificates} is not a directory; give one with <id>.pem and <id>.key"
        )
    passwords = {} if target.passwords_file is None else read_passwords(Path(target.passwords_file))
    key = target.api_key_file
    return Secrets(
        url=url,
        token=token,
        passwords=passwords,
        rows=rows,
        certificates=certificates,
        ca_file=target.ca_file,
        admin_url=target.admin_url,
        tenant=_tenant(url),
        api_key=None if key is None else read_token(Path(key), "target.api_key_file"),
    )


def read_token(path: Path, name: str) -> str:
    """Return the token or the API key in a file. Raises BadFile."""
    token = _read(path, name).strip()
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise BadFile(f"{name} {path}: the file must hold one token of ASCII characters, without spaces")
    return token


def read_passwords(path: Path) -> dict[str, bytes]:
    """Read a file whose lines have a charge point id, a space and an AuthorizationKey. Raises BadFile."""
    passwords = {}
    for number, line in enumerate(_read(path, "target.passwords_file").splitlines(), 1):
        if not line.strip():
            continue
        id_, _, key = line.strip().partition(" ")
        if not key.strip():
            raise BadFile(
                f"target.passwords_file {path}, line {number}: give a charge point id, a space and its key, "
                "as in `LT000000 5f3a...`"
            )
        if id_ in passwords:
            raise BadFile(
                f"target.passwords_file {path}, line {number}: has an id of an earlier line; give each "
                "charge point one key"
            )
        passwords[id_] = _password(key.strip())
    return passwords


def read_rows(path: Path) -> Iterator[Row]:
    """Read a CSV file with a header. Files in it are relative to its directory. Raises BadFile."""
    name = f"target.credentials_file {path}"
    lines = csv.reader(StringIO(_read(path, "target.credentials_file"), newline=""))
    try:
        header = [column.strip() for column in next(lines, [])]
        _check_header(name, header)
        seen = set[str]()
        for number, values in enumerate(lines, 2):
            if not any(values):
                continue
            if len(values) != len(header):
                raise BadFile(
                    f"{name}, line {number}: has {len(values)} values, but the header has "
                    f"{len(header)} columns"
                )
            row = dict(zip(header, (value.strip() for value in values), strict=True))
            id_ = row["id"]
            if not id_ or id_ in seen:
                raise BadFile(
                    f"{name}, line {number}: {'has no id' if not id_ else 'has an id of an earlier line'}; "
                    "give each charge point its own id"
                )
            seen.add(id_)
            _check_values(f"{name}, line {number}", row)
            yield Row(
                id_,
                _password(row["password"]) if row.get("password") else None,
                row.get("token") or None,
                row.get("id_tag") or None,
                _beside(path, row.get("certificate")),
                _beside(path, row.get("key")),
            )
    except csv.Error as error:
        raise BadFile(f"{name}, line {lines.line_num}: {error}; quote values that have commas") from None


def hide_secrets(scenario: Scenario) -> Scenario:
    """Return a scenario that may be shown, because a URL may have a token or a password in plain text."""
    target = scenario.target
    shown = replace(target, url=_hide(target.url), admin_url=_hide(target.admin_url))
    return replace(scenario, target=shown)


def _hide(url: str | None) -> str | None:
    if url is None:
        return None
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")
    netloc = f"{_HIDDEN}@{host[2]}" if host[1] else parts.netloc
    match parts.path.split("/"):
        case ["", "OCPP16", tenant, token, id_] if token != "{token}":  # noqa: S105  the placeholder
            path = f"/OCPP16/{tenant}/{_HIDDEN}/{id_}"
        case _:
            path = parts.path
    return urlunsplit((parts.scheme, netloc, path, _HIDDEN if parts.query else "", ""))


def _tenant(url: str) -> str:
    """Return the tenant in a URL of csms, or an empty text for another central system."""
    match urlsplit(url).path.split("/"):
        case ["", "OCPP16", tenant, _, _]:
            return tenant
        case _:
            return ""


def _check_header(name: str, header: list[str]) -> None:
    unknown = [column for column in header if column not in _COLUMNS]
    if unknown or "id" not in header or len(set(header)) < len(header):
        wrong = f"the column {unknown[0]!r} is unknown" if unknown else "no column id, or a column is twice"
        raise BadFile(f"{name}: {wrong}; the first line names the columns, of {', '.join(_COLUMNS)}")


def _check_ca_file(path: Path) -> None:
    _read(path, "target.ca_file")
    try:
        ssl.create_default_context(cafile=path)
    except ssl.SSLError:
        raise BadFile(f"target.ca_file {path} has no certificate; give a PEM file of certificates") from None


def _check_values(place: str, row: dict[str, str]) -> None:
    for column, value in row.items():
        if not value.isprintable():
            raise BadFile(f"{place}: the {column} has a character that cannot be printed; leave it out")
    if len(row.get("id_tag", "")) > _ID_TAG_MAX:
        raise BadFile(f"{place}: the id_tag is too long; OCPP allows {_ID_TAG_MAX} characters")


def _password(text: str) -> bytes:
    """Return the bytes of an AuthorizationKey. 32 to 40 hexadecimal digits stand for bytes."""
    return bytes.fromhex(text) if _HEX.fullmatch(text) else text.encode()


def _beside(path: Path, file: str | None) -> str | None:
    return str(path.parent / file) if file else None


def _read(path: Path, name: str) -> str:
    try:
        if path.stat().st_size > _BYTES_MAX:
            raise BadFile(f"{name} {path} is larger than {_BYTES_MAX >> 20} MiB; give a smaller file")
        return path.read_text("utf-8-sig")
    except OSError as error:
        raise BadFile(f"{name} {path}: {error.strerror}; give a file that can be read") from None
    except UnicodeDecodeError:
        raise BadFile(f"{name} {path} is not text in UTF-8; give a text file") from None
