"""The server's TLS settings: two key types, TLS 1.2 and 1.3, explicit cipher suites, server names (SNI)."""

import ssl
from collections.abc import Iterable, Sequence
from pathlib import Path

from cryptography import x509
from cryptography.x509.oid import NameOID

from gateway.websocket.tls_stream import NamedSSLObject

# The whitepaper (A00.FR.312 ff.) demands ECDSA suites and static RSA suites. Python leaves out static RSA.
_EPHEMERAL = (
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
    "ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-GCM-SHA384"
)
_STATIC_RSA = "AES128-GCM-SHA256:AES256-GCM-SHA384"


def server_context(
    certificates: Sequence[tuple[Path, Path]],
    *,
    require_sni: bool = True,
    server_names: Iterable[str] = (),
    static_rsa: bool = True,
    client_authorities: Path | None = None,
) -> ssl.SSLContext:
    """Make the TLS context of a server. Raises OSError, ValueError, ssl.SSLError.

    `certificates` are pairs of PEM files (chain, key), one pair for each kind of key (ECDSA, RSA). With
    `require_sni`, a client that does not ask for one of `server_names` is refused with the alert
    unrecognized_name. By default, `server_names` are the names in the certificates. `static_rsa` allows the
    whitepaper's suites without forward secrecy. With `client_authorities`, clients are asked for a
    certificate that these authorities signed. The caller decides whether a client without a certificate is
    served. To renew certificates, call `load_cert_chain` on the context in use.
    """
    if not certificates:
        raise ValueError("TLS has no certificate; give at least one pair of chain file and key file")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(f"{_EPHEMERAL}:{_STATIC_RSA}" if static_rsa else _EPHEMERAL)
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION | ssl.OP_CIPHER_SERVER_PREFERENCE
    # Session tickets would rarely be of use, because processes do not share tickets and a restart loses them.
    context.num_tickets = 0
    for chain, key in certificates:
        context.load_cert_chain(chain, key)
    if client_authorities is not None:
        context.load_verify_locations(client_authorities)
        context.verify_mode = ssl.CERT_OPTIONAL
    context.sslobject_class = NamedSSLObject
    names: set[str] | None = None
    if require_sni:
        names = {name.lower().rstrip(".") for name in server_names}
        names = names or {name for chain, _ in certificates for name in read_names(chain)}
    context.set_servername_callback(lambda tls, name, _: _check_name(tls, name, names))
    return context


def _check_name(tls: ssl.SSLSocket | ssl.SSLObject, name: str | None, names: set[str] | None) -> int | None:
    """Return the TLS alert for a wrong server name, or None if the name is right."""
    if isinstance(tls, NamedSSLObject):
        tls.asked_name = name
    if names is None or (name is not None and _matches(name.lower().rstrip("."), names)):
        return None
    return ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME


def _matches(name: str, names: set[str]) -> bool:
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
