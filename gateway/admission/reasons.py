"""Every reason for which csms refuses an upgrade request, and what the charge point is told.

A charge point that has not proved itself gets the same answer for each reason, so that nobody learns which
tenants and charge points exist. The operator sees the true reason.
"""

from enum import Enum
from typing import NamedTuple

RETRY_AFTER_S = 10
_AGAIN = f"Try again in {RETRY_AFTER_S} s."
_UNPROVEN = (
    "The URL or the credentials are wrong. Use the URL, and the password or the certificate, that the "
    "operator issued."
)


class _Row(NamedTuple):
    status: int
    text: str
    meaning: str


class Reason(_Row, Enum):
    """The HTTP status, the text for the charge point, and the meaning for the operator.

    The texts may have `{}`, which `Refusal` fills.
    """

    BAD_PATH = 400, "{}", "The path of the request cannot be read."
    UNAVAILABLE = (
        503,
        f"This gateway cannot take a new connection now. {_AGAIN}",
        "The gateway process was full or draining, or had no store.",
    )
    MEMORY_FULL = (
        503,
        f"This gateway has no memory left for a new connection. {_AGAIN}",
        "The gateway process used 85 % of its memory (`limits.memory_bytes`).",
    )
    BUSY = (
        503,
        "Too many charge points connect now. Try again in {} s.",
        "More connect than `limits.handshakes_per_second` serves in 5 s, or `limits.handshakes_at_once`.",
    )
    STORE_AWAY = 503, f"The store does not answer. {_AGAIN}", "The store did not answer."
    STORE_SCARCE = (
        503,
        f"The store has no room for a charge point that is not registered yet. {_AGAIN}",
        "The store is nearly full, so csms registers no charge point by itself.",
    )
    TENANT_FULL = (
        503,
        "The tenant has too many charge points to register another one by itself. Ask the operator.",
        "The tenant has about 500,000 charge points, so csms registers no further one by itself.",
    )
    LATE_CLAIM = (
        503,
        f"The store answered too late. {_AGAIN}",
        "The store took more than 5 s for the lease.",
    )
    TOO_MANY_FAILURES = (
        429,
        "Too many connections from this address failed to authenticate. Try again in {} s.",
        "Too many requests from the address, or from it with this charge point id, failed within a minute.",
    )
    FLAPPING = (
        429,
        "Connections of this charge point replaced each other too often. The open one stays. Retry in {} s.",
        "Several connections of the charge point replaced each other more than five times in a minute.",
    )
    # The charge point has not proved itself.
    UNKNOWN_TENANT = 401, _UNPROVEN, "The tenant in the path does not exist."
    WRONG_TOKEN = 401, _UNPROVEN, "The token in the path is not one of the tenant's."
    FOREIGN_TOKEN = (
        401,
        _UNPROVEN,
        "The token in the path is bound to another charge point.",
    )
    RETIRED_TOKEN = (
        401,
        _UNPROVEN,
        "The token in the path is retired, and the charge point proved itself by nothing else.",
    )
    UNPROVEN_UNKNOWN = (
        401,
        _UNPROVEN,
        "The charge point is not registered, and its tenant does not allow security profile 0.",
    )
    NO_PASSWORD = (
        401,
        _UNPROVEN,
        "The charge point must send a password, but the request has no Authorization header.",
    )
    NO_PASSWORD_SET = (
        401,
        _UNPROVEN,
        "The charge point must send a password, but none is set for it. Set its AuthorizationKey.",
    )
    MALFORMED_AUTHORIZATION = (
        401,
        _UNPROVEN,
        "The Authorization header of the request cannot be read.",
    )
    WRONG_USER = (
        401,
        _UNPROVEN,
        "The user name in the Authorization header is not the id of the charge point in the path.",
    )
    WRONG_PASSWORD = 401, _UNPROVEN, "The password is not that of the charge point."
    NO_CERTIFICATE = (
        401,
        _UNPROVEN,
        "The charge point must show a client certificate, but showed none.",
    )
    CERTIFICATE_OF_ANOTHER = (
        401,
        _UNPROVEN,
        "The name in the client certificate is not the one that the charge point must have.",
    )
    CERTIFICATE_ORGANISATION = (
        401,
        _UNPROVEN,
        "The client certificate names none of the tenant's organisations.",
    )
    CERTIFICATE_REPLACED = (
        401,
        _UNPROVEN,
        "The charge point has already used a newer certificate, or rejected this one.",
    )
    CERTIFICATE_REVOKED = 401, _UNPROVEN, "The client certificate is revoked."
    CERTIFICATE_EXPIRED = (
        401,
        _UNPROVEN,
        "The client certificate has expired, or is not valid yet.",
    )
    CERTIFICATE_UNREADABLE = (
        401,
        _UNPROVEN,
        "The client certificate cannot be read.",
    )
    REVOCATION_UNKNOWN = (
        401,
        _UNPROVEN,
        "The revocation list for the client certificate is overdue, and csms is set to refuse then.",
    )
    # The charge point has proved itself, or has shown a token that opens its tenant.
    PROFILE_TOO_LOW = (
        403,
        "This charge point must connect with security profile {} or higher, and this connection has only {}.",
        "The charge point connected with a lower security profile than it must.",
    )
    UNKNOWN_CHARGE_POINT = (
        404,
        "This charge point is not registered. Ask the operator to register it.",
        "The charge point is not registered.",
    )
    DELETED = (
        404,
        "This charge point was deleted while it connected.",
        "The charge point was deleted while it connected.",
    )
    ORIGIN = (
        403,
        "The request has an Origin header, which only browsers send. This charge point must leave it out.",
        "The charge point is strict, and the request has an Origin header.",
    )
    NEEDS_REPAIR = (
        400,
        "This charge point is strict, so its request is not repaired. {}",
        "The charge point is strict, and the request would have to be repaired.",
    )
    NO_SUBPROTOCOL = (
        400,
        "The request does not offer ocpp1.6. Send the header Sec-WebSocket-Protocol: ocpp1.6.",
        "The request does not offer the subprotocol ocpp1.6.",
    )

    @property
    def word(self) -> str:
        """The name by which logs, metrics and the admin API call the reason."""
        return self.name.lower()

    @property
    def is_failed_authentication(self) -> bool:
        return self.status == 401
