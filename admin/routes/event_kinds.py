"""Kinds of events in the event feed, with the meaning of each kind and the members of its `data`."""

from typing import Final, Literal, NamedTuple, get_args

from state.batches.items import OUTCOMES
from state.commands.table import Status

type MemberType = Literal[
    "list of texts",
    "list of whole numbers",
    "text or null",
    "text",
    "time or null",
    "time",
    "true or false",
    "whole number or null",
    "whole number",
]


class Member(NamedTuple):
    """A member of the `data` of an event. An optional member is missing in some events of its kind."""

    type: MemberType
    meaning: str
    optional: bool = False


KINDS: Final = {
    "charge_point.registered": "The charge point was registered, by an operator or by its first connection "
    "(`auto_registered`).",
    "charge_point.connected": "The charge point connected from `address` at `since`, with the encryption "
    "`tls`.",
    "charge_point.booted": "The charge point sent a BootNotification, and csms answered with the status "
    "`status`.",
    "charge_point.disconnected": "The connection of the charge point ended because of `reason`.",
    "charge_point.deleted": "An operator deleted the charge point. Its finished transactions stay, unless "
    "`purged` is true.",
    "charge_point.under_attack": "Many requests that named the charge point had wrong credentials. Either "
    "the charge point itself has wrong ones, or somebody tries to pose as the charge point. The event comes "
    "once, until nothing has failed for 10 minutes.",
    "charge_point.security_profile_changed": "The lowest security profile with which the charge point may "
    "connect changed.",
    "charge_point.password_changed": "The charge point has another password (AuthorizationKey) now.",
    "charge_point.password_removed": "An operator removed the password of the charge point.",
    "connector.status": "A connector reported another status or error than in its previous "
    "StatusNotification.",
    "transaction.started": "A transaction began. `transaction_id` is the public id of the transaction.",
    "transaction.stopped": "A transaction ended because of `reason`, with the meter reading `meter_stop` in "
    "Wh.",
    "transaction.ended": "An operator or a policy of the tenant ended a transaction whose StopTransaction "
    "did not come.",
    "transaction.superseded": "A transaction began on the connector of another one that was open. The "
    "StopTransaction of the other one was probably lost.",
    "transaction.stop_joined": "An operator joined an orphaned stop to its transaction, which has ended with "
    "the meter reading `meter_stop` in Wh.",
    "hold.released": "An operator released the place that a transaction took of an id tag with a limit.",
    "transaction.orphan_stop": "The charge point sent a StopTransaction for a transaction that csms does not "
    "know, or that has another stop.",
    "meter_values": "The charge point sent meter values, which can be read with their transaction.",
    **{f"command.{status}": f"The `command` is now {status}." for status in get_args(Status)},
    "command.transaction": "The transaction `transaction_id` began because of a RemoteStartTransaction.",
    "batch.started": "An operator began a batch of commands to `charge_points` charge points.",
    "batch.finished": "Each charge point of a batch has an outcome.",
    "batch.cancelled": "A batch that an operator cancelled has ended, and nothing of it is waiting any more.",
    "reservation.made": "The charge point accepted a reservation.",
    "reservation.used": "A transaction that uses a reservation began. `data` has the same members as in "
    "transaction.started.",
    "reservation.cancelled": "The charge point accepted CancelReservation, or its connector became Faulted "
    "or Unavailable.",
    "local_list.accepted": "The charge point accepted a local list of `update_type` and `list_version`.",
    "local_list.stale": "The charge point may have other entries in its local list than csms knows.",
    "charging_profile.installed": "The charge point accepted a charging profile, which replaced the profiles "
    "in `replaced`.",
    "charging_profile.cleared": "The charge point cleared the charging profiles in `charging_profile_ids`.",
    "charging_profile.doubted": "The charge point may no longer have the charging profiles in "
    "`charging_profile_ids`.",
    "job.status": "The charge point reported the status `status` of a firmware update or an upload. `job` is "
    "null if no known job matches.",
    "security_event": "The charge point sent a SecurityEventNotification.",
    "certificates.read": "The charge point reported its certificates of the type `certificate_type`.",
    "certificates.installed": "The charge point accepted a root certificate.",
    "certificates.deleted": "The charge point deleted a certificate.",
    "certificate.issued": "csms issued a client certificate to the charge point.",
    "certificate.changed": "A client certificate that csms issued to the charge point has another status.",
    "certificate_request.received": "The charge point sent a certificate signing request.",
    "certificate_request.refused": "csms refused a certificate signing request of the charge point. `why` is "
    "the reason.",
    "certificate_request.failed": "csms gave up the certificate signing request of the charge point. `why` "
    "is the reason.",
    "certificate_request.rejected": "An operator rejected the certificate signing request of the charge "
    "point.",
    "data_transfer.received": "The charge point sent a DataTransfer of an accepted vendor.",
    "trace.started": "A trace began to record frames.",
    "trace.ended": "An operator stopped a trace, or the trace reached its limit of frames or bytes. If a "
    "trace ends because its time has passed, there is no event.",
}


DESCRIPTION: Final = "\n".join(
    (
        "Kind of the event. Later versions of csms may add kinds.",
        "",
        *(f"- `{kind}`: {what}" for kind, what in KINDS.items()),
    )
)
"""The description of `kind` in the OpenAPI document, as Markdown."""

_COMMAND: Final = Member("text", "Id of the command.")
_CONNECTOR: Final = Member(
    "whole number or null", "Number of the connector. Null means that csms could not read it."
)
_TRANSACTION: Final = Member("text", "Public id of the transaction.")
_CERTIFICATE_TYPE: Final = Member("text", "Type of the certificates, as OCPP names it.")
_ENDED: Final = {
    "transaction_id": _TRANSACTION,
    "timestamp": Member("time", "When the transaction ended, by the clock of the charge point."),
    "meter_stop": Member(
        "whole number or null", "Reading of the meter at the end, in Wh. Null means unknown."
    ),
    "id_tag": Member("text or null", "Id tag that ended the transaction."),
    "reason": Member("text or null", "Reason that the charge point gave."),
}
_BEGUN: Final = {
    "transaction_id": _TRANSACTION,
    "connector_id": _CONNECTOR,
    "id_tag": Member("text", "Id tag that began the transaction."),
    "timestamp": Member("time", "When the transaction began, by the clock of the charge point."),
    "meter_start": Member(
        "whole number or null", "Reading of the meter at the beginning, in Wh. Null means unknown."
    ),
    "reservation_id": Member("whole number or null", "Id of the reservation that the charge point named."),
}
_CONNECTION: Final = {
    "address": Member("text", "Network address of the charge point."),
    "tls": Member(
        "text or null", "Version and cipher of TLS. Null means that the connection does not use TLS."
    ),
    "since": Member("time", "When the connection began."),
    "node": Member("text", "Id of the gateway process."),
    "token_id": Member("text", "Id of the token in the URL to which the charge point connected."),
    "security_profile": Member(
        "whole number", "Security profile with which the charge point proved itself, 0 to 3."
    ),
    "certificate": Member(
        "text or null",
        "Serial number of the client certificate. Null means that the charge point showed none.",
    ),
}
_PROFILES: Final = {"charging_profile_ids": Member("list of whole numbers", "Ids of the charging profiles.")}
_BATCH: Final = {
    "batch": Member("text", "Id of the batch."),
    "action": Member("text", "Action of the commands, such as Reset."),
    "charge_points": Member("whole number", "Number of charge points of the batch."),
    "api_key": Member("text", "Id of the API key that began the batch."),
}
_COUNTS: Final = {
    name: Member("whole number", f"Number of charge points with the outcome `{name}`.")
    for name in (*OUTCOMES, "to_do")
}
_TRACE: Final = Member("text", "Id of the trace.")

MEMBERS: Final[dict[str, dict[str, Member]]] = {
    "charge_point.registered": {
        "auto_registered": Member(
            "true or false", "Whether the first connection of the charge point registered the charge point."
        )
    },
    "charge_point.connected": _CONNECTION,
    "charge_point.booted": {
        "status": Member("text", "Status in the answer of csms: Accepted, Pending or Rejected."),
    },
    "charge_point.disconnected": {
        "reason": Member(
            "text",
            "Close code and the reason that goes with it, or the reason why csms gave the connection up.",
        ),
        **_CONNECTION,
    },
    "charge_point.deleted": {
        "purged": Member(
            "true or false", "Whether the finished transactions are destroyed too.", optional=True
        ),
        "api_key": Member("text", "Id of the operator's API key.", optional=True),
    },
    "charge_point.under_attack": {
        "failures": Member("whole number", "Number of failed requests since `since`."),
        "since": Member("time", "When the failures began."),
        "address": Member("text", "Network address of the last of these requests."),
        "reason": Member("text", "Reason for which csms refused the last of these requests."),
        "online": Member(
            "true or false",
            "Whether the charge point is connected. If it is, the requests come from somebody else.",
        ),
    },
    "charge_point.security_profile_changed": {
        "before": Member("whole number", "Lowest security profile before the change."),
        "security_profile": Member("whole number", "Lowest security profile after the change."),
        "by": Member(
            "text",
            "`charge_point` means that the charge point connected with the higher profile. `operator` means "
            "that an operator set the profile.",
        ),
    },
    "charge_point.password_changed": {
        "by": Member(
            "text",
            "`charge_point` means that the charge point accepted or used the password. `operator` means that "
            "an operator set it in csms alone.",
        )
    },
    "charge_point.password_removed": {},
    "connector.status": {
        "connector_id": Member("whole number", "Number of the connector. 0 is the whole charge point."),
        "status": Member("text", "Status as OCPP names it, such as Available or Charging."),
        "error_code": Member("text", "Error code as OCPP names it, or NoError."),
        "info": Member("text or null", "Text that the charge point added to the status."),
        "vendor_id": Member("text or null", "Vendor that defines `vendor_error_code`."),
        "vendor_error_code": Member("text or null", "Error code of the vendor."),
        "timestamp": Member("time or null", "When the status began, by the clock of the charge point."),
        "received_at": Member("time", "When csms received the status."),
    },
    "transaction.started": _BEGUN,
    "transaction.stopped": _ENDED,
    "transaction.ended": {
        "transaction_id": _TRANSACTION,
        "at": Member("time", "When the transaction ended. `at_source` says where this time is from."),
        "at_source": Member(
            "text",
            "`given` means that the operator gave the time, `meter_values` that it is the time of the last "
            "meter values, and `start` that it is the time of the start.",
        ),
        "meter": Member(
            "whole number or null", "Reading of the meter at the end, in Wh. Null means unknown."
        ),
        "meter_source": Member(
            "text or null",
            "`given` means that the operator gave the reading, and `meter_values` that it is the last "
            "reading in the meter values. Null means that the reading is unknown.",
        ),
        "api_key": Member("text or null", "Id of the operator's API key. Null means that a policy ended it."),
        "policy": Member(
            "text or null",
            "`superseded` or `age`: the setting of the tenant because of which csms ended it by itself. Null "
            "means that an operator ended it.",
            optional=True,
        ),
    },
    "transaction.superseded": {
        "transaction_id": _TRANSACTION,
        "superseded_by": Member("text", "Public id of the transaction that began."),
        "connector_id": _CONNECTOR,
    },
    "transaction.stop_joined": _ENDED
    | {
        "orphaned_stop": Member("text", "Id of the orphaned stop."),
        "api_key": Member("text", "Id of the operator's API key."),
    },
    "hold.released": {
        "id_tag": Member("text", "Id tag, as the operator spelt it."),
        "transaction_id": Member(
            "text or null", "Public id of the transaction. Null means that csms does not know it."
        ),
        "api_key": Member("text", "Id of the operator's API key."),
    },
    "transaction.orphan_stop": _ENDED
    | {
        "transaction_id": Member(
            "text or null",
            "Charge point, a dot and the id that the charge point sent. Null means that csms could not read "
            "the id.",
        )
    },
    "meter_values": {
        "connector_id": _CONNECTOR,
        "transaction_id": Member(
            "text or null",
            "Public id of the transaction. Null means that the charge point named no transaction.",
        ),
        "energy_wh": Member(
            "whole number or null",
            "The energy register of the last value that has it, in Wh. Null means that no value has it.",
        ),
        "power_w": Member(
            "whole number or null",
            "The imported power of the last value that has it, in W. Null means that no value has it.",
        ),
    },
    **{
        f"command.{status}": {
            "command": _COMMAND,
            "action": Member("text", "Action of the command, such as Reset."),
            "status": Member("text", "Status of the command, as in `kind`."),
        }
        for status in get_args(Status)
    },
    "command.transaction": {"command": _COMMAND, "transaction_id": _TRANSACTION},
    "batch.started": _BATCH,
    "batch.finished": _BATCH | _COUNTS,
    "batch.cancelled": _BATCH
    | _COUNTS
    | {"cancelled_by": Member("text", "Id of the API key that cancelled the batch.")},
    "reservation.made": {
        "reservation_id": Member("whole number", "Id of the reservation."),
        "connector_id": Member("whole number", "Number of the connector. 0 means any connector."),
        "id_tag": Member("text", "Id tag for which the connector is reserved."),
        "expiry_date": Member("time", "When the reservation expires."),
        "command": _COMMAND,
    },
    "reservation.used": _BEGUN,
    "reservation.cancelled": {
        "reservation_id": Member("whole number", "Id of the reservation."),
        "command": Member(
            "text or null",
            "Id of the command. Null means that the connector became Faulted or Unavailable.",
        ),
    },
    "local_list.accepted": {
        "command": _COMMAND,
        "update_type": Member("text", "Type of the update: Full or Differential."),
        "list_version": Member("whole number", "Version of the list after the update."),
        "entries": Member("whole number", "Number of entries in the list after the update."),
    },
    "local_list.stale": {
        "list_version": Member("whole number", "Version of the list that the charge point accepted last."),
        "answer": Member(
            "text", "Status in the answer with which the charge point refused an update.", optional=True
        ),
        "reported_version": Member(
            "whole number", "Version of the local list, as the charge point reported it.", optional=True
        ),
        "command": Member(
            "text", "Id of the command that sent an update and got no usable answer.", optional=True
        ),
        "status": Member(
            "text", "Status of the command in `command`: error, timeout or unknown.", optional=True
        ),
    },
    "charging_profile.installed": {
        "charging_profile_id": Member("whole number", "Id of the charging profile."),
        "connector_id": Member("whole number", "Number of the connector. 0 is the whole charge point."),
        "replaced": Member(
            "list of whole numbers", "Ids of the charging profiles that the new charging profile replaced."
        ),
    },
    "charging_profile.cleared": _PROFILES,
    "charging_profile.doubted": _PROFILES,
    "job.status": {
        "job": Member("text or null", "Id of the job, which is the id of the command that began the job."),
        "kind": Member(
            "text",
            "Action that began the job. An event without a job does not have this member.",
            optional=True,
        ),
        "request_id": Member(
            "whole number or null",
            "Request id of the job, or, without a job, the request id that the charge point sent.",
        ),
        "status": Member(
            "text",
            "Status that the charge point reported, or the status Canceled or Superseded, which csms sets.",
        ),
        "running": Member(
            "true or false",
            "Whether the job still runs. An event without a job does not have this member.",
            optional=True,
        ),
        "message": Member(
            "text",
            "Message that reported the status. An event with a job does not have this member.",
            optional=True,
        ),
    },
    "security_event": {
        "security_event": Member("text", "Id of the security event."),
        "type": Member("text", "Type of the security event, such as TamperDetectionActivated."),
        "critical": Member("true or false", "Whether OCPP calls events of this type critical."),
    },
    "certificates.read": {
        "certificate_type": _CERTIFICATE_TYPE,
        "count": Member("whole number", "Number of certificates that the charge point reported."),
    },
    "certificates.installed": {"certificate_type": _CERTIFICATE_TYPE, "command": _COMMAND},
    "certificates.deleted": {
        "certificate": Member("text", "Id of the certificate."),
        "certificate_types": Member("list of texts", "Types under which the certificate was listed."),
    },
    "certificate.issued": {
        "serial_number": Member("text", "Serial number of the certificate in hexadecimal digits."),
        "not_after": Member("time", "When the certificate expires."),
    },
    "certificate.changed": {
        "serial_number": Member("text", "Serial number of the certificate in hexadecimal digits."),
        "status": Member("text", "Status of the certificate, such as accepted or revoked."),
    },
    "certificate_request.received": {
        "subject": Member("text", "Subject of the certificate signing request."),
        "key": Member("text", "Kind of key, such as RSA 2048."),
    },
    "certificate_request.refused": {
        "why": Member("text", "Reason why csms refused the certificate signing request.")
    },
    "certificate_request.failed": {
        "why": Member("text", "Reason why csms issued or sent no certificate."),
    },
    "certificate_request.rejected": {},
    "data_transfer.received": {
        "transfer": Member("text", "Id of the transfer."),
        "vendor_id": Member("text", "Vendor id that the charge point sent."),
        "message_id": Member("text or null", "Message id that the charge point sent."),
        "status": Member("text", "Status in the answer of csms, such as Accepted."),
    },
    "trace.started": {"trace": _TRACE},
    "trace.ended": {
        "trace": _TRACE,
        "why": Member(
            "text",
            "`stopped` means that an operator stopped the trace. `size` means that the trace reached its "
            "limit of frames or bytes.",
        ),
    },
}
