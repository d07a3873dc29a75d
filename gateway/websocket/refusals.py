"""The reasons for which the transport refuses a connection before it reads an upgrade request.

The module maps each of OpenSSL's many errors to one of a few reasons, so that a metric by reason stays small.
"""

import ssl
from collections.abc import Callable
from enum import Enum


class Refused(Enum):
    """A reason. The value is its meaning for the operator."""

    CLIENT_CERTIFICATE_EXPIRED = "The client certificate, or one in its chain, has expired."
    CLIENT_CERTIFICATE_NOT_YET_VALID = "The client certificate, or one in its chain, is not valid yet."
    CLIENT_CERTIFICATE_SELF_SIGNED = "The client certificate is signed by itself, not by an authority."
    CLIENT_CERTIFICATE_FOREIGN = (
        "No authority in `tls.client_authorities_file` signed the client certificate."
    )
    CLIENT_CERTIFICATE_INVALID = "OpenSSL does not accept the client certificate for another reason."
    CLIENT_CERTIFICATE_MISSING = "The port demands a client certificate, but the client showed none."
    SERVER_NAME_WRONG = "The client asked for a server name that csms does not serve."
    SERVER_NAME_MISSING = "The client asked for no server name, but `tls.require_sni` is true."
    NO_SHARED_CIPHER = "The client and csms have no cipher suite in common."
    TLS_TOO_OLD = "The client supports no TLS version above 1.1."
    SERVER_CERTIFICATE_REFUSED = "The client does not accept the certificate of the server."
    NOT_TLS = (
        "The first bytes on the TLS port were not TLS, for example because of `ws://` instead of `wss://`."
    )
    TLS_TOO_SLOW = "The TLS handshake was not complete in time."
    TLS_FAILED = "The TLS handshake failed for another reason."
    PROXY_HEADER_MISSING = "A trusted proxy opened a connection without a PROXY header."
    PROXY_HEADER_INVALID = "A trusted proxy sent a PROXY header that cannot be read."
    PROXY_HEADER_UNTRUSTED = "An address outside of `listen.trusted_networks` sent a PROXY header."
    TOO_MANY_CONNECTIONS = "The address already has `limits.connections_per_address` connections."

    @property
    def word(self) -> str:
        """The name by which metrics, refusal records and the admin API call the reason."""
        return self.name.lower()


type OnRefused = Callable[[Refused, str, str], None]
"""Called with the reason, the address of the client, and a detail for the operator, which may be empty."""

_OF_CERTIFICATE = {
    9: Refused.CLIENT_CERTIFICATE_NOT_YET_VALID,  # X509_V_ERR_CERT_NOT_YET_VALID
    10: Refused.CLIENT_CERTIFICATE_EXPIRED,  # X509_V_ERR_CERT_HAS_EXPIRED
    18: Refused.CLIENT_CERTIFICATE_SELF_SIGNED,  # X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT
    2: Refused.CLIENT_CERTIFICATE_FOREIGN,  # X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT
    7: Refused.CLIENT_CERTIFICATE_FOREIGN,  # X509_V_ERR_CERT_SIGNATURE_FAILURE
    19: Refused.CLIENT_CERTIFICATE_FOREIGN,  # X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN
    20: Refused.CLIENT_CERTIFICATE_FOREIGN,  # X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY
    21: Refused.CLIENT_CERTIFICATE_FOREIGN,  # X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE
}
_OF_REASON = {
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": Refused.CLIENT_CERTIFICATE_MISSING,
    "NO_SHARED_CIPHER": Refused.NO_SHARED_CIPHER,
    "NO_CIPHERS_SPECIFIED": Refused.NO_SHARED_CIPHER,
    "UNSUPPORTED_PROTOCOL": Refused.TLS_TOO_OLD,
    "VERSION_TOO_LOW": Refused.TLS_TOO_OLD,
    "HTTP_REQUEST": Refused.NOT_TLS,
    "HTTPS_PROXY_REQUEST": Refused.NOT_TLS,
    "WRONG_VERSION_NUMBER": Refused.NOT_TLS,
    # These are alerts of the client.
    "SSLV3_ALERT_BAD_CERTIFICATE": Refused.SERVER_CERTIFICATE_REFUSED,
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": Refused.SERVER_CERTIFICATE_REFUSED,
    "SSLV3_ALERT_CERTIFICATE_REVOKED": Refused.SERVER_CERTIFICATE_REFUSED,
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": Refused.SERVER_CERTIFICATE_REFUSED,
    "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE": Refused.SERVER_CERTIFICATE_REFUSED,
    "TLSV1_ALERT_UNKNOWN_CA": Refused.SERVER_CERTIFICATE_REFUSED,
}


def explain(error: ssl.SSLError) -> tuple[Refused, str]:
    """Return the reason for an error of a TLS handshake, and OpenSSL's words for it."""
    if isinstance(error, ssl.SSLCertVerificationError):
        reason = _OF_CERTIFICATE.get(error.verify_code, Refused.CLIENT_CERTIFICATE_INVALID)
        return reason, f"{error.verify_message} ({error.verify_code})"
    return _OF_REASON.get(error.reason or "", Refused.TLS_FAILED), error.reason or ""
