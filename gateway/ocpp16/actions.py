"""THE table of actions: who may send what, and which types carry it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, Literal

import msgspec

from gateway.ocpp16 import core, lenient, reading
from gateway.ocpp16.errors import PayloadInvalid
from gateway.ocpp16.types import Message

type Profile = Literal["core"]


class Sender(Enum):
    CHARGE_POINT = "charge point"
    CENTRAL_SYSTEM = "central system"
    BOTH = "both"


@dataclass(frozen=True, slots=True)
class Action:
    """One action; `read_request` and `read_result` are its fast decoders."""

    name: str
    request: type[Message]
    result: type[Message]
    sender: Sender
    profile: Profile
    read_request: Callable[[msgspec.Raw | bytes], Message] = field(init=False, repr=False, compare=False)
    read_result: Callable[[msgspec.Raw | bytes], Message] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "read_request", msgspec.json.Decoder(self.request).decode)
        object.__setattr__(self, "read_result", msgspec.json.Decoder(self.result).decode)


_CHARGE_POINT, _CENTRAL_SYSTEM, _BOTH = Sender.CHARGE_POINT, Sender.CENTRAL_SYSTEM, Sender.BOTH

# fmt: off
_TABLE: Final[tuple[tuple[type[Message], type[Message], Sender, Profile], ...]] = (
    (core.Authorize,              core.AuthorizeResult,              _CHARGE_POINT,   "core"),
    (core.BootNotification,       core.BootNotificationResult,       _CHARGE_POINT,   "core"),
    (core.Heartbeat,              core.HeartbeatResult,              _CHARGE_POINT,   "core"),
    (core.MeterValues,            core.MeterValuesResult,            _CHARGE_POINT,   "core"),
    (core.StartTransaction,       core.StartTransactionResult,       _CHARGE_POINT,   "core"),
    (core.StatusNotification,     core.StatusNotificationResult,     _CHARGE_POINT,   "core"),
    (core.StopTransaction,        core.StopTransactionResult,        _CHARGE_POINT,   "core"),
    (core.DataTransfer,           core.DataTransferResult,           _BOTH,           "core"),
    (core.ChangeAvailability,     core.ChangeAvailabilityResult,     _CENTRAL_SYSTEM, "core"),
    (core.ChangeConfiguration,    core.ChangeConfigurationResult,    _CENTRAL_SYSTEM, "core"),
    (core.ClearCache,             core.ClearCacheResult,             _CENTRAL_SYSTEM, "core"),
    (core.GetConfiguration,       core.GetConfigurationResult,       _CENTRAL_SYSTEM, "core"),
    (core.RemoteStartTransaction, core.RemoteStartTransactionResult, _CENTRAL_SYSTEM, "core"),
    (core.RemoteStopTransaction,  core.RemoteStopTransactionResult,  _CENTRAL_SYSTEM, "core"),
    (core.Reset,                  core.ResetResult,                  _CENTRAL_SYSTEM, "core"),
    (core.UnlockConnector,        core.UnlockConnectorResult,        _CENTRAL_SYSTEM, "core"),
)
# fmt: on

ACTIONS: Final[dict[str, Action]] = {
    request.__name__: Action(request.__name__, request, result, sender, profile)
    for request, result, sender, profile in _TABLE
}

OF_REQUEST: Final[dict[type[Message], Action]] = {action.request: action for action in ACTIONS.values()}

KNOWN_ELSEWHERE: Final = frozenset(
    {
        "CancelReservation",
        "CertificateSigned",
        "ClearChargingProfile",
        "DeleteCertificate",
        "DiagnosticsStatusNotification",
        "ExtendedTriggerMessage",
        "FirmwareStatusNotification",
        "GetCompositeSchedule",
        "GetDiagnostics",
        "GetInstalledCertificateIds",
        "GetLocalListVersion",
        "GetLog",
        "InstallCertificate",
        "LogStatusNotification",
        "ReserveNow",
        "SecurityEventNotification",
        "SendLocalList",
        "SetChargingProfile",
        "SignCertificate",
        "SignedFirmwareStatusNotification",
        "SignedUpdateFirmware",
        "TriggerMessage",
        "UpdateFirmware",
    }
)
"""Actions of OCPP 1.6 whose profiles are not in the table yet: NotSupported; others are NotImplemented."""


def sent_by(sender: Sender) -> dict[str, Action]:
    """Select what a charge point, or a central system, may send."""
    return {name: action for name, action in ACTIONS.items() if action.sender in {sender, Sender.BOTH}}


def action_named(name: str) -> Action:
    """Look a name up; PayloadInvalid NotImplemented if unknown, NotSupported if its profile is absent."""
    action = ACTIONS.get(name)
    if action is not None:
        return action
    if name in KNOWN_ELSEWHERE:
        raise PayloadInvalid("NotSupported", f"{name} belongs to a profile that is not supported")
    raise PayloadInvalid("NotImplemented", reading.not_one_of(name, tuple(ACTIONS), "no such action"))


def decode_request(action: str, payload: bytes) -> Message:
    """Read a request strictly, formats included; for bodies that our own side wrote.

    Raises PayloadInvalid, with the field's path.
    """
    return lenient.read_strictly(action_named(action).request, payload)


def encode(message: Message) -> bytes:
    """Write the payload of a request or a result; absent fields are left out, never null."""
    return _encode(message)


_encode = msgspec.json.Encoder().encode
