"""Kinds of events in the feed, with what each one says."""

from typing import Final, get_args

from state.commands.table import Status

KINDS: Final = {
    "charge_point.registered": "An operator registered it, or its first connection did (`auto_registered`).",
    "charge_point.connected": "It connected from `address`, encrypted by `tls`, at `since`.",
    "charge_point.booted": "It sent a BootNotification, and our answer was `status`.",
    "charge_point.disconnected": "Its connection ended because of `reason`.",
    "charge_point.deleted": "An operator deleted it, with all its data.",
    "connector.status": "A StatusNotification that differs from the one before.",
    "transaction.started": "A transaction began. `transaction_id` is its public id, which GET takes.",
    "transaction.stopped": "A transaction ended, with `meter_stop` in Wh and `reason`.",
    "transaction.orphan_stop": "A StopTransaction of a transaction that is not known here.",
    "meter_values": "Meter values arrived. Read them with their transaction.",
    **{f"command.{status}": f"The `command` is now {status}." for status in get_args(Status)},
    "command.transaction": "A RemoteStartTransaction has become `transaction_id`.",
    "reservation.made": "The charge point accepted a reservation.",
    "reservation.used": "A transaction began with a reservation. `data` is that of transaction.started.",
    "reservation.cancelled": "The charge point accepted that a reservation is cancelled.",
    "local_list.accepted": "The charge point accepted a local list of `update_type` and `list_version`.",
    "local_list.stale": "The charge point may have other entries in its local list than we know.",
    "charging_profile.installed": "The charge point accepted a profile. Those in `replaced` are gone.",
    "charging_profile.cleared": "The charge point cleared `charging_profile_ids`.",
    "charging_profile.doubted": "The charge point may no longer have the profiles of `charging_profile_ids`.",
    "job.status": "A firmware update or an upload reported `status`. `job` null means that no job matches.",
    "security_event": "A SecurityEventNotification.",
    "certificates.read": "The charge point reported its certificates of `certificate_type`.",
    "certificates.installed": "The charge point accepted a root certificate.",
    "certificates.deleted": "The charge point deleted a certificate.",
    "certificate_request.received": "The charge point sent a certificate signing request.",
    "certificate_request.refused": "Its certificate signing request was answered Rejected because of `why`.",
    "data_transfer.received": "A DataTransfer of a known vendor arrived.",
    "trace.started": "Recording of frames began.",
    "trace.ended": "An operator stopped the trace, or it was full. The end of its time has no event.",
}


DESCRIPTION: Final = "\n".join(
    (
        "Kind of the event. Later versions may add kinds.",
        "",
        *(f"- `{kind}`: {what}" for kind, what in KINDS.items()),
    )
)
"""Markdown, for the OpenAPI document."""
