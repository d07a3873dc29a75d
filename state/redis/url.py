"""The address of a store, read from one URL. The password is never printed."""

import ssl
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
from redis.connection import parse_url

from state.errors import StoreRefused

_TLS_OPTIONS = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_check_hostname", "ssl_cert_reqs")
_KNOWN = {"db", *_TLS_OPTIONS}


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """The address of a store: `path` of a unix socket, or host and port. `tls` is true for rediss:// URLs."""

    path: str | None = None
    host: str = "localhost"
    port: int = 6379
    db: int = 0
    username: str | None = None
    password: str | None = None
    tls: bool = False
    ca_certs: str | None = None
    certfile: str | None = None
    keyfile: str | None = None
    check_hostname: bool = True
    verify: bool = True

    def __str__(self) -> str:
        if self.path is not None:
            return f"unix://{self.path}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'rediss' if self.tls else 'redis'}://{host}:{self.port}/{self.db}"

    __repr__ = __str__  # The generated __repr__ would show the password.

    def tls_context(self) -> ssl.SSLContext:
        """Make the TLS context. Raises StoreRefused if a file is missing or not a certificate."""
        try:
            context = ssl.create_default_context(cafile=self.ca_certs)
            if self.certfile is not None:
                context.load_cert_chain(self.certfile, self.keyfile)
        except (OSError, ssl.SSLError) as error:
            files = ", ".join(f for f in (self.ca_certs, self.certfile, self.keyfile) if f)
            raise StoreRefused(
                f"the certificate files of {self} cannot be read ({files}): {error}; they must be PEM files"
            ) from error
        if not (self.check_hostname and self.verify):
            context.check_hostname = False
        if not self.verify:
            context.verify_mode = ssl.CERT_NONE
        return context


def parse(url: str) -> Address:
    """Read a redis://, rediss:// or unix:// URL with its login, database and ssl_ options.

    Raises StoreRefused.
    """
    scheme = url.partition("://")[0]
    if "+" in scheme or scheme in {"sentinel", "cluster"}:
        raise StoreRefused(f"a store at {scheme}:// is not supported yet; use redis://, rediss:// or unix://")
    if scheme not in {"redis", "rediss", "unix"}:
        # The given text may be a password, so do not repeat it.
        raise StoreRefused(
            "the store's URL has no known scheme; it must begin with redis://, rediss:// or unix://"
        )
    try:
        path = urlsplit(url).path
        found = dict(parse_url(url))  # type: ignore[no-untyped-call] # redis-py has no types here.
    except ValueError as error:
        raise StoreRefused(f"the store's {scheme}:// URL cannot be read: {_reason(error)}") from None
    found.pop("connection_class", None)
    if scheme != "unix" and path.strip("/") and "db" not in found:
        raise StoreRefused(
            f"the path of the store's {scheme}:// URL is not a database; it must be a number, such as /0"
        )
    if scheme == "unix" and not found.get("path"):
        raise StoreRefused(
            "the store's unix:// URL has no path; it must name a socket: unix:///run/valkey.sock"
        )
    unknown = sorted(set(found) - _KNOWN - {"host", "port", "path", "username", "password"})
    if unknown:
        raise StoreRefused(
            f"unknown option {unknown[0]!r} in the store's URL; known options are {sorted(_KNOWN)}"
        )
    if scheme != "rediss" and any(option in found for option in _TLS_OPTIONS):
        raise StoreRefused(
            "the store's URL has ssl_ options without TLS; it must begin with rediss:// to use them"
        )
    return _address(scheme, found)


def _address(scheme: str, found: dict[str, object]) -> Address:
    renamed = {option: option.removeprefix("ssl_") for option in _TLS_OPTIONS}
    fields = {renamed.get(name, name): value for name, value in found.items()}
    reqs = str(fields.pop("cert_reqs", "required"))
    if reqs not in {"required", "none"}:
        raise StoreRefused(f"ssl_cert_reqs in the store's URL is {reqs!r}; it must be required or none")
    for name in ("ca_certs", "certfile", "keyfile"):
        file = fields.get(name)
        if file is not None and not Path(str(file)).is_file():
            raise StoreRefused(
                f"ssl_{name} in the store's URL names a missing file: {file}; it must name a PEM file"
            )
    try:
        return msgspec.convert({**fields, "tls": scheme == "rediss", "verify": reqs == "required"}, Address)
    except msgspec.ValidationError as error:
        raise StoreRefused(f"the store's {scheme}:// URL cannot be read: {error}") from None


def _reason(error: ValueError) -> str:
    # The errors of urllib quote the text that they cannot read, which may be a password. The errors about
    # ports and options may be shown.
    text = str(error)
    return (
        text
        if text.startswith(("Port", "Invalid value for"))
        else "it is malformed; a right one is like redis://user:password@host:6379/0"
    )
