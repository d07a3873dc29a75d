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
    word: str
    status: int
    text: str


class Reason(_Row, Enum):
    """The name by which logs, metrics and the admin API call the reason, the status and text of the answer.

    The texts may have `{}`, which `Refusal` fills. `gateway.service.refusal_words` says what each reason
    means for an operator.
    """

    BAD_PATH = "bad_path", 400, "{}"
    UNAVAILABLE = (
        "unavailable",
        503,
        f"This gateway cannot take a new connection now. {_AGAIN}",
    )
    MEMORY_FULL = (
        "memory_full",
        503,
        f"This gateway has no memory left for a new connection. {_AGAIN}",
    )
    BUSY = (
        "busy",
        503,
        "Too many charge points connect now. Try again in {} s.",
    )
    STORE_AWAY = "store_away", 503, f"The store does not answer. {_AGAIN}"
    STORE_SCARCE = (
        "store_scarce",
        503,
        f"The store has no room for a charge point that is not registered yet. {_AGAIN}",
    )
    TENANT_FULL = (
        "tenant_full",
        503,
        "The tenant has too many charge points to register another one by itself. Ask the operator.",
    )
    LATE_CLAIM = (
        "late_claim",
        503,
        f"The store answered too late. {_AGAIN}",
    )
    TOO_MANY_FAILURES = (
        "too_many_failures",
        429,
        "Too many connections with this charge point id failed to authenticate from here. Try again in {} s.",
    )
    FLAPPING = (
        "flapping",
        429,
        "Connections of this charge point replaced each other too often. The open one stays. Retry in {} s.",
    )
    # The charge point has not proved itself.
    UNKNOWN_TENANT = "unknown_tenant", 401, _UNPROVEN
    WRONG_TOKEN = "wrong_token", 401, _UNPROVEN
    FOREIGN_TOKEN = "foreign_token", 401, _UNPROVEN
    RETIRED_TOKEN = "retired_token", 401, _UNPROVEN
    UNPROVEN_UNKNOWN = "unproven_unknown", 401, _UNPROVEN
    NO_PASSWORD = "no_password", 401, _UNPROVEN
    NO_PASSWORD_SET = "no_password_set", 401, _UNPROVEN
    MALFORMED_AUTHORIZATION = "malformed_authorization", 401, _UNPROVEN
    WRONG_USER = "wrong_user", 401, _UNPROVEN
    WRONG_PASSWORD = "wrong_password", 401, _UNPROVEN
    NO_CERTIFICATE = "no_certificate", 401, _UNPROVEN
    CERTIFICATE_OF_ANOTHER = "certificate_of_another", 401, _UNPROVEN
    CERTIFICATE_ORGANISATION = "certificate_organisation", 401, _UNPROVEN
    CERTIFICATE_REPLACED = "certificate_replaced", 401, _UNPROVEN
    CERTIFICATE_REVOKED = "certificate_revoked", 401, _UNPROVEN
    CERTIFICATE_EXPIRED = "certificate_expired", 401, _UNPROVEN
    CERTIFICATE_UNREADABLE = "certificate_unreadable", 401, _UNPROVEN
    REVOCATION_UNKNOWN = "revocation_unknown", 401, _UNPROVEN
    # The charge point has proved itself, or has shown a token that opens its tenant.
    PROFILE_TOO_LOW = (
        "profile_too_low",
        403,
        "This charge point must connect with security profile {} or higher, and this connection has only {}.",
    )
    UNKNOWN_CHARGE_POINT = (
        "unknown_charge_point",
        404,
        "This charge point is not registered. Ask the operator to register it.",
    )
    DELETED = (
        "deleted",
        404,
        "This charge point was deleted while it connected.",
    )
    ORIGIN = (
        "origin",
        403,
        "The request has an Origin header, which only browsers send. This charge point must leave it out.",
    )
    NEEDS_REPAIR = (
        "needs_repair",
        400,
        "This charge point is strict, so its request is not repaired. {}",
    )
    NO_SUBPROTOCOL = (
        "no_subprotocol",
        400,
        "The request does not offer ocpp1.6. Send the header Sec-WebSocket-Protocol: ocpp1.6.",
    )

    @property
    def is_failed_authentication(self) -> bool:
        return self.status == 401

    @property
    def counts_as_failure(self) -> bool:
        """Whether the refusal is a failed authentication, or follows from earlier ones."""
        return self.is_failed_authentication or self is Reason.TOO_MANY_FAILURES
