"""A charge point as the API shows it: settings, last messages and connection."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from admin.http import convert, times
from admin.http.times import Time
from admin.routes.members import ConnectorId, ReceivedAt
from admin.routes.trouble_answer import TroubleAnswer, answers_of
from gateway.ocpp16.messages.core import RegistrationStatus
from state.charge_points import ChargePointRecord
from state.charge_points.connectors import Connector
from state.nodes.leases import Holding
from state.troubles import Trouble

Registration = Annotated[
    RegistrationStatus,
    Meta(
        description="Answer to the next BootNotification. With Pending or Rejected, csms refuses all calls "
        "of the charge point except BootNotification, until csms answers a BootNotification with Accepted. A "
        "charge point whose last BootNotification was answered Accepted stays accepted until its next "
        "BootNotification."
    ),
]


class BootAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The last BootNotification of the charge point."""

    at: Annotated[Time, Meta(description="When the BootNotification was recorded.")]
    status: Annotated[
        str | None,
        Meta(
            description="Status in the answer of csms: Accepted, Pending or Rejected. null means that no "
            "answer is recorded.",
            examples=["Accepted"],
        ),
    ]
    data: Annotated[
        Any,
        Meta(
            description="Payload of the BootNotification, with the member names of OCPP 1.6.",
            extra_json_schema={"type": "object"},
            examples=[{"chargePointVendor": "Acme", "chargePointModel": "Bolt 22"}],
        ),
    ]


class ConnectorAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The last StatusNotification of one connector."""

    connector_id: ConnectorId
    status: Annotated[
        str,
        Meta(
            description="ChargePointStatus of OCPP 1.6: Available, Preparing (a user is present, but no "
            "transaction has begun), Charging, SuspendedEV (the vehicle takes no energy), SuspendedEVSE "
            "(the charge point offers no energy), Finishing (the transaction has ended, but the connector "
            "is not free yet), Reserved, Unavailable or Faulted.",
            examples=["Charging"],
        ),
    ]
    error_code: Annotated[
        str,
        Meta(
            description="ChargePointErrorCode of OCPP 1.6. NoError means that the charge point reports no "
            "error.",
            examples=["NoError"],
        ),
    ]
    info: Annotated[
        str | None,
        Meta(
            description="What the charge point says about the error. null means that the charge point says "
            "nothing about the error."
        ),
    ]
    vendor_id: Annotated[
        str | None,
        Meta(
            description="The vendor that defines `vendor_error_code`. null means that the charge point sent "
            "no vendor."
        ),
    ]
    vendor_error_code: Annotated[
        str | None,
        Meta(
            description="Error code of the vendor. null means that the charge point sent no error code of "
            "the vendor."
        ),
    ]
    timestamp: Annotated[
        Time | None,
        Meta(
            description="When the status began, by the clock of the charge point. null means that the charge "
            "point sent no time. If the time cannot be read, the time in `received_at` is used."
        ),
    ]
    received_at: ReceivedAt


class ConnectionAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """How the charge point is connected, or how it was last connected.

    For a charge point that has never connected, every member except `online` is null.
    """

    online: Annotated[bool, Meta(description="Whether the charge point is connected now.")]
    since: Annotated[
        Time | None,
        Meta(
            description="When the present connection began, or, if the charge point is offline, when its "
            "last connection began. null means that the charge point has never connected."
        ),
    ]
    until: Annotated[
        Time | None,
        Meta(
            description="When the last connection ended. null means that the connection is open, that the "
            "time of its end is unknown, or that the charge point has never connected."
        ),
    ]
    node: Annotated[
        str | None,
        Meta(
            description="The gateway process that has the connection, or that had the last connection. null "
            "means that the charge point has never connected."
        ),
    ]
    node_host: Annotated[
        str | None,
        Meta(
            description="Name of the machine or pod on which the process `node` runs. null means that the "
            "charge point has never connected, or that the process ended more than 10 minutes ago.",
            examples=["csms-gateway-0"],
        ),
    ]
    address: Annotated[
        str | None,
        Meta(
            description="Network address from which the charge point connects. null means that the "
            "charge point has never connected.",
            examples=["192.0.2.7"],
        ),
    ]
    tls: Annotated[
        str | None,
        Meta(
            description="TLS version and cipher. null means that the connection is not encrypted.",
            examples=["TLSv1.3"],
        ),
    ]
    security_profile: Annotated[
        int | None,
        Meta(
            description="Security profile with which the charge point proved itself: 0 by the token in its "
            "URL alone, 1 by its password, 2 by its password over TLS, 3 by its client certificate. null "
            "means that the charge point has never connected.",
            examples=[2],
        ),
    ]
    certificate: Annotated[
        str | None,
        Meta(
            description="Serial number of the client certificate in hexadecimal digits. null means that the "
            "charge point showed none, or has never connected."
        ),
    ]
    token_id: Annotated[
        str | None,
        Meta(
            description="Id of the token in the URL to which the charge point connected. null means that the "
            "charge point has never connected.",
            examples=["2f8d41c0"],
        ),
    ]
    last_seen: Annotated[
        Time | None,
        Meta(
            description="When a gateway last received an OCPP message from the charge point. While the "
            "charge point is online, the true time may be 5 minutes later. null means that the charge point "
            "has never connected."
        ),
    ]


class ChargePointItem(msgspec.Struct, frozen=True, kw_only=True):
    """A charge point, without its connectors."""

    id: Annotated[str, Meta(description="Identity of the charge point in its tenant.", examples=["CP-1"])]
    description: Annotated[
        str, Meta(description="Note for operators. The text is empty if the charge point has no note.")
    ]
    strict: Annotated[
        bool,
        Meta(
            description="Whether csms refuses messages that are not exactly OCPP 1.6, instead of repairing "
            "them."
        ),
    ]
    registration: Registration
    registration_interval_s: Annotated[
        int,
        Meta(
            description="Seconds after which the charge point shall send BootNotification again, if the "
            "answer was Pending or Rejected."
        ),
    ]
    heartbeat_interval_s: Annotated[
        int | None,
        Meta(
            description="Seconds between heartbeats. The charge point gets this value when its "
            "BootNotification is answered Accepted. null means that the configuration of the gateways "
            "decides."
        ),
    ]
    awaiting_release: Annotated[
        bool,
        Meta(
            description="Whether the charge point waits for an operator. `true` means that the last "
            "BootNotification, if any, was not answered Accepted, and that the next BootNotification will "
            "not be answered Accepted until an operator sets `registration` to Accepted."
        ),
    ]
    registered_at: Annotated[Time, Meta(description="When the charge point was registered.")]
    auto_registered: Annotated[
        bool,
        Meta(
            description="true means that the charge point was registered by its first connection, and false "
            "means that an operator registered it."
        ),
    ]
    boot: Annotated[
        BootAnswer | None,
        Meta(
            description="The last BootNotification of the charge point. null means that csms has received no "
            "BootNotification."
        ),
    ]
    connection: Annotated[
        ConnectionAnswer,
        Meta(description="The connection of the charge point, or its last connection if it is offline."),
    ]
    troubles: Annotated[
        tuple[TroubleAnswer, ...] | None,
        Meta(
            description="What troubles the charge point now, the most urgent first. docs/troubles.md has all "
            "kinds of troubles. null means that the answer is an item of a list without the parameter "
            "`trouble`."
        ),
    ]


class ChargePointAnswer(ChargePointItem, frozen=True, kw_only=True):
    """A charge point with its connectors."""

    connectors: Annotated[
        tuple[ConnectorAnswer, ...],
        Meta(
            description="Last status of each connector that reported a status, sorted by connector number; "
            "256 connectors at most."
        ),
    ]


def answer_of(
    found: ChargePointRecord,
    holding: Holding | None,
    hosts: Mapping[str, str],
    of_connectors: Iterable[Connector],
    troubles: Iterable[Trouble],
) -> ChargePointAnswer:
    """Make the answer. `hosts` has the host of each known node."""
    return convert(
        found,
        ChargePointAnswer,
        boot=_boot(found),
        connection=_connection(holding, hosts),
        connectors=tuple(map(_connector, of_connectors)),
        troubles=answers_of(troubles),
    )


def item_of(
    found: ChargePointRecord,
    holding: Holding | None,
    hosts: Mapping[str, str],
    troubles: Iterable[Trouble] | None,
) -> ChargePointItem:
    return convert(
        found,
        ChargePointItem,
        boot=_boot(found),
        connection=_connection(holding, hosts),
        troubles=None if troubles is None else answers_of(troubles),
    )


def _connector(connector: Connector) -> ConnectorAnswer:
    sent = connector.timestamp
    timestamp = None if sent is None else times.sent_or(sent, connector.received_ms)
    return convert(connector, ConnectorAnswer, timestamp=timestamp)


def _boot(found: ChargePointRecord) -> BootAnswer | None:
    if found.boot is None:
        return None
    return BootAnswer(at=times.text(found.booted_ms or 0), status=found.boot_status, data=found.boot)


def _connection(holding: Holding | None, hosts: Mapping[str, str]) -> ConnectionAnswer:
    if holding is None:
        return ConnectionAnswer(
            online=False,
            since=None,
            until=None,
            node=None,
            node_host=None,
            address=None,
            tls=None,
            security_profile=None,
            certificate=None,
            token_id=None,
            last_seen=None,
        )
    return convert(
        holding.attachment,
        ConnectionAnswer,
        online=holding.online,
        node_host=hosts.get(holding.attachment.node),
        until=None if holding.online else times.maybe_text(holding.until_ms),
        last_seen=times.text(max(holding.last_seen_ms or 0, holding.attachment.since_ms)),
    )
