"""Which events there are, and what each kind says, for who follows the feed."""

from typing import Final, get_args

from state.commands.table import Status

KINDS: Final = {
    "charge_point.registered": "An operator named it, or it came by itself: `auto_registered`.",
    "charge_point.connected": "By `address`, with `tls`.",
    "charge_point.booted": "It sent a BootNotification and was answered `status`.",
    "charge_point.disconnected": "For `reason`.",
    "charge_point.deleted": "With all that was kept of it.",
    "connector.status": "A StatusNotification that says something else than the one before.",
    "transaction.started": "`transaction_id` is the public one, which GET takes.",
    "transaction.stopped": "With `meter_stop` and `reason`.",
    "transaction.orphan_stop": "A stop of a transaction that is not known here.",
    "meter_values": "Values came; read them with their transaction.",
    **{f"command.{status}": f"The `command` is now {status}." for status in get_args(Status)},
    "command.transaction": "A RemoteStartTransaction has become `transaction_id`.",
    "reservation.made": "The charge point accepted it.",
    "reservation.used": "By the transaction that `data` tells, as transaction.started does.",
    "reservation.cancelled": "The charge point accepted its end.",
    "local_list.accepted": "The charge point took `update_type` with `list_version`.",
    "local_list.stale": "What it has is in doubt.",
    "charging_profile.installed": "In place of those in `replaced`.",
    "charging_profile.cleared": "The charge point cleared `charging_profile_ids`.",
    "charging_profile.doubted": "Whether it still has `charging_profile_ids` is in doubt.",
    "job.status": "Of an update or an upload; `job` null: a status that fits none.",
    "security_event": "A SecurityEventNotification.",
    "certificates.read": "It told what it has of `certificate_type`.",
    "certificates.installed": "It took a root certificate.",
    "certificates.deleted": "It deleted one that it had reported.",
    "certificate_request.received": "It wants a certificate signed.",
    "certificate_request.refused": "What it wants signed was answered Rejected: `why`.",
    "data_transfer.received": "A DataTransfer of a known vendor.",
    "trace.started": "Frames are recorded.",
    "trace.ended": "An operator stopped it, or it was full; that its time is over has no event.",
}


DESCRIPTION: Final = "\n".join(
    ("More may come.", "", *(f"- `{kind}`: {what}" for kind, what in KINDS.items()))
)
"""Markdown, for the OpenAPI document."""
