"""A charge point as the API shows it: what an operator decided, what it said, how it is connected."""

from collections.abc import Iterable
from typing import Annotated, Any

import msgspec

from admin.http import convert, convert_all, times
from gateway.ocpp16.messages.core import RegistrationStatus
from state.charge_points import ChargePointRecord
from state.charge_points.connectors import Connector
from state.nodes.leases import Holding

Registration = Annotated[
    RegistrationStatus,
    msgspec.Meta(
        description="Policy: what the next BootNotification is answered. Pending or Rejected holds the "
        "charge point back: until it has booted again under Accepted, every other call of it is refused. One "
        "whose last BootNotification was answered Accepted stays so until its next."
    ),
]


class BootAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The last BootNotification."""

    at: str
    status: Annotated[str | None, msgspec.Meta(description="What it was answered.", examples=["Accepted"])]
    data: Annotated[
        Any,
        msgspec.Meta(
            description="Its payload, as OCPP names it.",
            extra_json_schema={"type": "object"},
            examples=[{"chargePointVendor": "Acme", "chargePointModel": "Bolt 22"}],
        ),
    ]


class ConnectorAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The last StatusNotification of a connector; 0 is the charge point as a whole."""

    connector_id: int
    status: Annotated[str, msgspec.Meta(examples=["Charging"])]
    error_code: Annotated[str, msgspec.Meta(examples=["NoError"])]
    info: str | None
    vendor_id: str | None
    vendor_error_code: str | None
    timestamp: Annotated[str | None, msgspec.Meta(description="As the charge point sent it.")]
    received_at: str


class ConnectionAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Whether and how the charge point is connected. While it is offline: its last connection, if any."""

    online: bool
    since: Annotated[
        str | None, msgspec.Meta(description="When this connection was made; null while offline.")
    ]
    until: Annotated[
        str | None, msgspec.Meta(description="When it ended, if that is known; null while online.")
    ]
    node: Annotated[str | None, msgspec.Meta(description="The gateway process that holds or held it.")]
    address: Annotated[
        str | None, msgspec.Meta(description="From where it connects.", examples=["192.0.2.7:49152"])
    ]
    tls: Annotated[str | None, msgspec.Meta(description="null: not encrypted.", examples=["TLSv1.3"])]
    last_seen: Annotated[str | None, msgspec.Meta(description="When it was heard last, to about 10 s.")]


class ChargePointItem(msgspec.Struct, frozen=True, kw_only=True):
    """A charge point, without its connectors."""

    id: Annotated[str, msgspec.Meta(examples=["CP-1"])]
    description: str
    strict: bool
    origin_allowed: bool
    registration: Registration
    registration_interval_s: int
    heartbeat_interval_s: int | None
    awaiting_release: Annotated[
        bool,
        msgspec.Meta(
            description="Held back: its last BootNotification, if any, was not answered Accepted, and the "
            "next will not be either, until somebody sets `registration`."
        ),
    ]
    registered_at: Annotated[str, msgspec.Meta(examples=["2026-01-01T12:00:00.000Z"])]
    auto_registered: bool
    boot: BootAnswer | None
    connection: ConnectionAnswer


class ChargePointAnswer(ChargePointItem, frozen=True, kw_only=True):
    """A charge point."""

    connectors: tuple[ConnectorAnswer, ...]


def answer_of(
    found: ChargePointRecord, holding: Holding | None, of_connectors: Iterable[Connector]
) -> ChargePointAnswer:
    return convert(
        found,
        ChargePointAnswer,
        boot=_boot(found),
        connection=_connection(holding),
        connectors=convert_all(of_connectors, ConnectorAnswer),
    )


def item_of(found: ChargePointRecord, holding: Holding | None) -> ChargePointItem:
    return convert(found, ChargePointItem, boot=_boot(found), connection=_connection(holding))


def _boot(found: ChargePointRecord) -> BootAnswer | None:
    if found.boot is None:
        return None
    return BootAnswer(at=times.text(found.booted_ms or 0), status=found.boot_status, data=found.boot)


def _connection(holding: Holding | None) -> ConnectionAnswer:
    if holding is None:
        return ConnectionAnswer(
            online=False, since=None, until=None, node=None, address=None, tls=None, last_seen=None
        )
    return convert(
        holding.attachment,
        ConnectionAnswer,
        online=holding.online,
        until=None if holding.online else times.maybe_text(holding.until_ms),
        last_seen=times.text(max(holding.last_seen_ms or 0, holding.attachment.since_ms)),
    )
