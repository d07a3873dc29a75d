"""The server's TLS settings: two key types, TLS 1.2 and 1.3, explicit cipher suites, server names (SNI)."""

import ssl
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

from cryptography import x509
from cryptography.x509.oid import NameOID

from gateway.websocket.tls_stream import NamedSSLObject

# The whitepaper (A00.FR.312 ff.) demands ECDSA suites and static RSA suites. Python leaves out static RSA.
_EPHEMERAL = (
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
    "ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-GCM-SHA384"
)
_STATIC_RSA = "AES128-GCM-SHA256:AES256-GCM-SHA384"

type ClientCertificates = Literal["ignored", "optional", "required"]
_VERIFY_MODES = {
    "ignored": ssl.CERT_NONE,
    "optional": ssl.CERT_OPTIONAL,
    "required": ssl.CERT_REQUIRED,
}


class ServerContext(ssl.SSLContext):
    """A server's context. `names` are the server names that clients may ask for. None means any or none."""

    names: frozenset[str] | None = None

    def check_name(self, tls: ssl.SSLSocket | ssl.SSLObject, name: str | None) -> int | None:
        """Return the TLS alert for a wrong server name, or None if the name is right."""
        named = tls if isinstance(tls, NamedSSLObject) else None
        if named is not None:
            named.asked_name = name
        if self.names is None or (name is not None and _matches(name.lower().rstrip("."), self.names)):
            return None
        if named is not None:
            named.name_refused = True
        return ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME


def server_context(
    certificates: Sequence[tuple[Path, Path]],
    *,
    require_sni: bool = True,
    server_names: Iterable[str] = (),
    static_rsa: bool = True,
    client_authorities: Path | None = None,
    client_certificates: ClientCertificates | None = None,
    strict: bool = False,
) -> ServerContext:
    """Make the TLS context of a server. Raises OSError, ValueError, ssl.SSLError.

    `certificates` are pairs of PEM files (chain, key), one pair for each kind of key (ECDSA, RSA). With
    `require_sni`, a client that does not ask for one of `server_names` is refused with the alert
    unrecognized_name. By default, `server_names` are the names in the certificates. `static_rsa` allows the
    whitepaper's suites without forward secrecy.

    With `client_authorities`, clients are asked for a certificate that one of these authorities signed. An
    issuing authority is trusted even without its root. By default, a client without a certificate is served.
    `strict` makes OpenSSL check client certificates by the letter of RFC 5280 (VERIFY_X509_STRICT).
    """
    if not certificates:
        raise ValueError("TLS has no certificate; give at least one pair of chain file and key file")
    context = ServerContext(ssl.PROTOCOL_TLS_SERVER)
    _refuse_old_and_resumed(context)
    context.set_ciphers(f"{_EPHEMERAL}:{_STATIC_RSA}" if static_rsa else _EPHEMERAL)
    for chain, key in certificates:
        context.load_cert_chain(chain, key)
    if client_authorities is not None:
        context.load_verify_locations(client_authorities)
        context.verify_mode = _VERIFY_MODES[client_certificates or "optional"]
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        if strict:
            context.verify_flags |= ssl.VERIFY_X509_STRICT
    if require_sni:
        names = {name.lower().rstrip(".") for name in server_names}
        names = names or {name for chain, _ in certificates for name in read_names(chain)}
        context.names = frozenset(names)
    context.set_servername_callback(lambda tls, name, _: context.check_name(tls, name))
    return context


def without_sessions(context: ServerContext) -> ServerContext:
    """Return a context for one connection that acts like `context`, but knows no earlier session.

    The new context costs a quarter of a millisecond and 13 KB. It has no certificates of its own, because the
    connection takes them from `context` when the client's server name is known.
    """
    fresh = ServerContext(ssl.PROTOCOL_TLS_SERVER)
    _refuse_old_and_resumed(fresh)
    fresh.verify_mode = context.verify_mode
    fresh.verify_flags = context.verify_flags

    def take_over(tls: ssl.SSLSocket | ssl.SSLObject, name: str | None, _: object) -> int | None:
        tls.context = context
        return context.check_name(tls, name)

    fresh.set_servername_callback(take_over)
    return fresh


def _refuse_old_and_resumed(context: ServerContext) -> None:
    context.sslobject_class = NamedSSLObject
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION | ssl.OP_CIPHER_SERVER_PREFERENCE
    # Session tickets would rarely be of use, because processes do not share tickets and a restart loses them.
    # OP_NO_TICKET turns off the tickets of TLS 1.2, and `num_tickets` turns off those of TLS 1.3.
    context.options |= ssl.OP_NO_TICKET
    context.num_tickets = 0


def _matches(name: str, names: frozenset[str]) -> bool:
    return name in names or "*." + name.partition(".")[2] in names


def read_names(chain: Path) -> set[str]:
    """Return the DNS names and the common name of the first certificate of a PEM chain, in lower case."""
    certificate = x509.load_pem_x509_certificates(chain.read_bytes())[0]
    names = {str(each.value) for each in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)}
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        pass
    else:
        names.update(extension.value.get_values_for_type(x509.DNSName))
    return {name.lower() for name in names}
