"""The sixteen actions of the Core profile, as the specification names them (sections 4, 5 and 6).

For each action `X`, the struct `X` is the request (X.req), and `XResult` is the answer (X.conf).
"""

from typing import Literal

import msgspec

from gateway.ocpp16.messages.types import (
    AcceptedOrRejected,
    ChargingProfile,
    CiString20,
    CiString25,
    CiString50,
    CiString255,
    CiString500,
    DateTime,
    IdTagInfo,
    IdToken,
    Integer,
    Maybe,
    Message,
    MeterValue,
)

type RegistrationStatus = Literal["Accepted", "Pending", "Rejected"]

# --- From the charge point -------------------------------------------------------------------------


class BootNotification(Message):
    charge_point_vendor: CiString20
    charge_point_model: CiString20
    charge_point_serial_number: Maybe[CiString25] = None
    charge_box_serial_number: Maybe[CiString25] = None
    firmware_version: Maybe[CiString50] = None
    iccid: Maybe[CiString20] = None
    imsi: Maybe[CiString20] = None
    meter_type: Maybe[CiString25] = None
    meter_serial_number: Maybe[CiString25] = None


class BootNotificationResult(Message):
    """`interval` is in seconds.

    If the status is Accepted, `interval` is the heartbeat interval. Otherwise `interval` is the least time to
    wait before the next BootNotification.
    """

    status: RegistrationStatus
    current_time: DateTime
    interval: int


class Heartbeat(Message):
    pass


class HeartbeatResult(Message):
    current_time: DateTime


type ChargePointErrorCode = Literal[
    "ConnectorLockFailure",
    "EVCommunicationError",
    "GroundFailure",
    "HighTemperature",
    "InternalError",
    "LocalListConflict",
    "NoError",
    "OtherError",
    "OverCurrentFailure",
    "PowerMeterFailure",
    "PowerSwitchFailure",
    "ReaderFailure",
    "ResetFailure",
    "UnderVoltage",
    "OverVoltage",
    "WeakSignal",
]
type ChargePointStatus = Literal[
    "Available",
    "Preparing",
    "Charging",
    "SuspendedEVSE",
    "SuspendedEV",
    "Finishing",
    "Reserved",
    "Unavailable",
    "Faulted",
]


class StatusNotification(Message):
    """Connector 0 is the charge point as a whole."""

    connector_id: Integer
    error_code: ChargePointErrorCode
    status: ChargePointStatus
    info: Maybe[CiString50] = None
    timestamp: Maybe[DateTime] = None
    vendor_id: Maybe[CiString255] = None
    vendor_error_code: Maybe[CiString50] = None


class StatusNotificationResult(Message):
    pass


class Authorize(Message):
    id_tag: IdToken


class AuthorizeResult(Message):
    id_tag_info: IdTagInfo


class StartTransaction(Message):
    """`meter_start` is in Wh. A repaired message has None for a connector or a meter that was unreadable."""

    connector_id: Maybe[Integer]
    id_tag: IdToken
    meter_start: Maybe[Integer]
    timestamp: DateTime
    reservation_id: Maybe[Integer] = None


class StartTransactionResult(Message):
    id_tag_info: IdTagInfo
    transaction_id: int


class MeterValues(Message):
    """`meter_value` may be empty.

    The official schemas allow an empty list, and charge points send empty lists. A repaired message has None
    for a connector that was unreadable.
    """

    connector_id: Maybe[Integer]
    meter_value: tuple[MeterValue, ...]
    transaction_id: Maybe[Integer] = None


class MeterValuesResult(Message):
    pass


type Reason = Literal[
    "EmergencyStop",
    "EVDisconnected",
    "HardReset",
    "Local",
    "Other",
    "PowerLoss",
    "Reboot",
    "Remote",
    "SoftReset",
    "UnlockCommand",
    "DeAuthorized",
]


class StopTransaction(Message):
    """`meter_stop` is in Wh.

    An absent reason means Local. An absent id tag means that the transaction was stopped without an id tag. A
    repaired message has None for a transaction or a meter that was unreadable.
    """

    transaction_id: Maybe[Integer]
    meter_stop: Maybe[Integer]
    timestamp: DateTime
    id_tag: Maybe[IdToken] = None
    reason: Maybe[Reason] = None
    transaction_data: Maybe[tuple[MeterValue, ...]] = None


class StopTransactionResult(Message):
    id_tag_info: Maybe[IdTagInfo] = None


# --- Both ways -------------------------------------------------------------------------------------


class DataTransfer(Message):
    vendor_id: CiString255
    message_id: Maybe[CiString50] = None
    data: Maybe[str] = None


class DataTransferResult(Message):
    status: Literal["Accepted", "Rejected", "UnknownMessageId", "UnknownVendorId"]
    data: Maybe[str] = None


# --- To the charge point ---------------------------------------------------------------------------


class ChangeAvailability(Message):
    connector_id: Integer
    type: Literal["Inoperative", "Operative"]


class ChangeAvailabilityResult(Message):
    status: Literal["Accepted", "Rejected", "Scheduled"]


class ChangeConfiguration(Message):
    key: CiString50
    value: CiString500


class ChangeConfigurationResult(Message):
    status: Literal["Accepted", "Rejected", "RebootRequired", "NotSupported"]


class ClearCache(Message):
    pass


class ClearCacheResult(Message):
    status: AcceptedOrRejected


class GetConfiguration(Message):
    """An absent or empty list of keys requests all keys."""

    key: Maybe[tuple[CiString50, ...]] = None


class KeyValue(Message):
    key: CiString50
    readonly: bool
    value: Maybe[CiString500] = None


class GetConfigurationResult(Message):
    configuration_key: Maybe[tuple[KeyValue, ...]] = None
    unknown_key: Maybe[tuple[CiString50, ...]] = None


class RemoteStartTransaction(Message, kw_only=True):
    connector_id: Maybe[Integer] = None
    id_tag: IdToken
    charging_profile: Maybe[ChargingProfile] = None


class RemoteStartTransactionResult(Message):
    status: AcceptedOrRejected


class RemoteStopTransaction(Message):
    transaction_id: Integer


class RemoteStopTransactionResult(Message):
    status: AcceptedOrRejected


class Reset(Message):
    type: Literal["Hard", "Soft"]


class ResetResult(Message):
    status: AcceptedOrRejected


class UnlockConnector(Message):
    connector_id: Integer


class UnlockConnectorResult(Message):
    status: Literal["Unlocked", "UnlockFailed", "NotSupported"]


# --- Raw parts -------------------------------------------------------------------------------------


class _RawMeterValue(msgspec.Struct, gc=False):
    meterValue: msgspec.Raw = msgspec.Raw(b"[]")  # noqa: N815  the wire's name; renaming would cost time


class _RawTransactionData(msgspec.Struct, gc=False):
    transactionData: msgspec.Raw = msgspec.Raw(b"null")  # noqa: N815  as above


_raw_meter_value = msgspec.json.Decoder(_RawMeterValue).decode
_raw_transaction_data = msgspec.json.Decoder(_RawTransactionData).decode


def raw_meter_value(payload: bytes) -> bytes:
    """Return the JSON of `meterValue` from the payload of a MeterValues request that was already read."""
    return bytes(_raw_meter_value(payload).meterValue)


def raw_transaction_data(payload: bytes) -> bytes | None:
    """Return the JSON of `transactionData` from the payload of a StopTransaction, or None if it is absent."""
    raw = bytes(_raw_transaction_data(payload).transactionData)
    return None if raw == b"null" else raw
