"""The reasons for which the transport refuses a connection before it reads an upgrade request.

The module maps each of OpenSSL's many errors to one of a few reasons, so that a metric by reason stays small.
"""

import ssl
from collections.abc import Callable
from enum import StrEnum, auto
from typing import Literal


class Refused(StrEnum):
    """A reason. `gateway.service.refusal_words` says what each reason means for an operator."""

    CLIENT_CERTIFICATE_EXPIRED = auto()
    CLIENT_CERTIFICATE_NOT_YET_VALID = auto()
    CLIENT_CERTIFICATE_SELF_SIGNED = auto()
    CLIENT_CERTIFICATE_FOREIGN = auto()
    CLIENT_CERTIFICATE_INVALID = auto()
    CLIENT_CERTIFICATE_MISSING = auto()
    SERVER_NAME_WRONG = auto()
    SERVER_NAME_MISSING = auto()
    NO_SHARED_CIPHER = auto()
    TLS_TOO_OLD = auto()
    SERVER_CERTIFICATE_UNTRUSTED = auto()
    SERVER_CERTIFICATE_EXPIRED = auto()
    SERVER_CERTIFICATE_REFUSED = auto()
    NOT_TLS = auto()
    TLS_TOO_SLOW = auto()
    TLS_LEFT = auto()
    TLS_FAILED = auto()
    PROXY_HEADER_MISSING = auto()
    PROXY_HEADER_INVALID = auto()
    PROXY_HEADER_UNTRUSTED = auto()
    TOO_MANY_CONNECTIONS = auto()
    NOT_HTTP = auto()
    NOT_AN_UPGRADE = auto()
    HEAD_TOO_LONG = auto()
    REQUEST_TOO_SLOW = auto()

    @property
    def word(self) -> str:
        """The name by which metrics, refusal records and the admin API call the reason."""
        return self.value


Phase = Literal["tcp", "tls", "upgrade"]
_NOT_TLS: dict[str, Phase] = {
    Refused.PROXY_HEADER_MISSING: "tcp",
    Refused.PROXY_HEADER_INVALID: "tcp",
    Refused.PROXY_HEADER_UNTRUSTED: "tcp",
    Refused.TOO_MANY_CONNECTIONS: "tcp",
    Refused.NOT_HTTP: "upgrade",
    Refused.NOT_AN_UPGRADE: "upgrade",
    Refused.HEAD_TOO_LONG: "upgrade",
    Refused.REQUEST_TOO_SLOW: "upgrade",
    "left_before_request": "upgrade",
}


def phase_of(word: str) -> Phase:
    """Return in which phase of the handshake a connection ended for this reason."""
    return _NOT_TLS.get(word, "tls")


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
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": Refused.SERVER_CERTIFICATE_EXPIRED,
    "SSLV3_ALERT_CERTIFICATE_REVOKED": Refused.SERVER_CERTIFICATE_REFUSED,
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": Refused.SERVER_CERTIFICATE_REFUSED,
    "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE": Refused.SERVER_CERTIFICATE_REFUSED,
    "TLSV1_ALERT_UNKNOWN_CA": Refused.SERVER_CERTIFICATE_UNTRUSTED,
}


def explain(error: ssl.SSLError) -> tuple[Refused, str]:
    """Return the reason for an error of a TLS handshake, and OpenSSL's words for it."""
    if isinstance(error, ssl.SSLCertVerificationError):
        reason = _OF_CERTIFICATE.get(error.verify_code, Refused.CLIENT_CERTIFICATE_INVALID)
        return reason, f"{error.verify_message} ({error.verify_code})"
    return _OF_REASON.get(error.reason or "", Refused.TLS_FAILED), error.reason or ""
