"""What each charge point connects with: its URL, its password, its certificate and its source address."""

import ssl
from base64 import b64encode
from pathlib import Path

from loadtest.charge_point.connecting import Access
from loadtest.run.credentials import Secrets


class Accesses:
    """`of` makes the access of a charge point. Those without a certificate share a TLS context."""

    def __init__(self, secrets: Secrets, source_addresses: int) -> None:
        """Raises OSError or ssl.SSLError if the file of the trusted certificates cannot be used."""
        self._secrets = secrets
        self._source_addresses = source_addresses
        self._tls = secrets.url.lower().startswith("wss:")
        self._shared = make_context(secrets.ca_file) if self._tls or secrets.ca_file is not None else None

    def check_certificate(self, index: int, id_: str) -> None:
        """Raise OSError if the client certificate of a charge point, or its key, cannot be read."""
        for file in (self._secrets.certificate(index, id_) if self._tls else None) or ():
            Path(file).open("rb").close()

    def of(self, index: int, id_: str) -> Access:
        """Return the access of a charge point. Raises OSError or ssl.SSLError."""
        secrets, context = self._secrets, self._shared
        certificate = secrets.certificate(index, id_) if self._tls else None
        if certificate is not None:
            context = make_context(secrets.ca_file)
            context.load_cert_chain(*certificate)
        return Access(
            secrets.make_url(index, id_),
            context,
            _authorize(id_, secrets.password(index, id_)),
            f"127.0.0.{2 + index % self._source_addresses}" if self._source_addresses else None,
        )


def make_context(ca_file: str | None) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=ca_file)


def _authorize(id_: str, password: bytes | None) -> tuple[tuple[str, str], ...]:
    """Return the Authorization header of a charge point, if it has a password (OCPP-J 6.2)."""
    if password is None:
        return ()
    return (("Authorization", "Basic " + b64encode(id_.encode() + b":" + password).decode()),)
