"""THE table of troubles: what csms reports about a charge point that needs attention.

A trouble is computed from what the store knows about the charge point, each time somebody asks. So a trouble
ends by itself as soon as its cause has ended, and nobody has to reset it. The API, the overview and
docs/troubles.md use these names.
"""

from typing import Final, Literal, NamedTuple

import msgspec

type TroubleKind = Literal[
    "refused",
    "deaf",
    "flapping",
    "offline",
    "certificate_expiring",
    "transaction_without_stop",
    "held_back",
    "clock_wrong",
    "reboot_required",
    "sloppy",
]

OFFLINE_MS = 300_000
"""A charge point that was away for less time may only have rebooted, or changed its gateway."""
UNANSWERED = 2
"""Number of commands in a row without an answer, from which on a charge point counts as deaf."""
TRANSACTION_MS = 3 * 86_400_000
CERTIFICATE_MS = 30 * 86_400_000


class Trouble(msgspec.Struct, frozen=True, kw_only=True):
    """Something that troubles a charge point.

    `since_ms` is the time since which it lasts, as far as csms knows. `detail` says what csms saw.
    """

    kind: TroubleKind
    since_ms: int
    detail: str


class Row(NamedTuple):
    """`begins` and `ends` say when a charge point has the trouble, and `do` what an operator does."""

    begins: str
    ends: str
    do: str


KINDS: Final[dict[TroubleKind, Row]] = {
    "refused": Row(
        "csms has refused the charge point since its last successful handshake. The last refusal was within "
        "24 hours, or within 15 minutes if the charge point is online.",
        "When the charge point connects and is not refused again, or when these times are over.",
        "GET .../charge-points/{id}/refusals says what was wrong and what would be right. Correct the charge "
        "point or its settings.",
    ),
    "deaf": Row(
        "The charge point is online, but has not answered the last two or more commands in time.",
        "When the charge point answers a command, or connects again.",
        "Close its connection with POST .../charge-points/{id}/disconnect, and restart the charge point on "
        "site if it stays deaf.",
    ),
    "flapping": Row(
        "The charge point connected five times in quick succession, or more than twelve times an hour for "
        "a while.",
        "Within 20 minutes after the last of these connections.",
        "Make sure that no second device uses its name, and check its network and the timeouts of the "
        "routers and proxies on the way.",
    ),
    "offline": Row(
        "The charge point was connected before, and has been offline for more than 5 minutes.",
        "When the charge point connects.",
        "Check its power and its network, and look for refused handshakes, also in GET /v1/refusals, because "
        "a charge point whose TLS fails does not say its id.",
    ),
    "certificate_expiring": Row(
        "The last client certificate that csms issued to the charge point expires within 30 days, or has "
        "expired.",
        "When the charge point has a newer certificate.",
        "Send an ExtendedTriggerMessage for SignChargePointCertificate, so that the charge point asks for a "
        "new certificate.",
    ),
    "transaction_without_stop": Row(
        "A transaction is open although its connector began another one or became Available, or it has been "
        "open for more than 3 days.",
        "When the stop of the transaction comes, or an operator ends the transaction.",
        "Find out whether the vehicle still charges, and if not, end the transaction with POST "
        ".../transactions/{id}/end. Its id is that of the charge point, a dot, and the OCPP id.",
    ),
    "held_back": Row(
        "csms answered the last BootNotification with Pending or Rejected, and will do so again.",
        "When an operator accepts the charge point.",
        "Accept the charge point with POST .../charge-points/{id}/accept, if it is yours.",
    ),
    "clock_wrong": Row(
        "A time from the charge point was before 2015 or more than 5 minutes ahead, within the last 24 "
        "hours.",
        "When a later status of a connector has a right time, or after 24 hours without a wrong time.",
        "Set the clock of the charge point, and make it send its times in UTC.",
    ),
    "reboot_required": Row(
        "The charge point accepted a changed configuration key that takes effect at its next boot.",
        "When the charge point boots.",
        "Send a Reset when nobody charges.",
    ),
    "sloppy": Row(
        "The charge point makes more than a hundred faults a day. Faults that another trouble shows do not "
        "count here.",
        "Within a day after the last fault, or when an operator deletes the faults.",
        "Read its faults with GET .../charge-points/{id}/faults, and report them to the manufacturer or "
        "update the firmware.",
    ),
}
"""The kinds of troubles, in the order of their urgency."""

URGENCY: Final[dict[TroubleKind, int]] = {kind: place for place, kind in enumerate(KINDS)}
