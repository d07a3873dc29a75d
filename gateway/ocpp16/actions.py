"""THE table of actions: their request and result types, and which side may send the request.

Each feature profile of OCPP is a module of `messages`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Final

import msgspec

from gateway.ocpp16.errors import PayloadInvalid
from gateway.ocpp16.faults import reading, repairs
from gateway.ocpp16.messages import (
    core,
    firmware,
    local_auth,
    remote_trigger,
    reservation,
    security,
    smart_charging,
)
from gateway.ocpp16.messages.types import Message


class Sender(Enum):
    CHARGE_POINT = "charge point"
    CENTRAL_SYSTEM = "central system"
    BOTH = "both"


@dataclass(frozen=True, slots=True)
class Action:
    """One action of OCPP 1.6. `read_request` and `read_result` are the fast decoders of the action."""

    name: str
    request: type[Message]
    result: type[Message]
    sender: Sender
    read_request: Callable[[msgspec.Raw | bytes], Message]
    read_result: Callable[[msgspec.Raw | bytes], Message]


_POINT, _SYSTEM, _BOTH = Sender.CHARGE_POINT, Sender.CENTRAL_SYSTEM, Sender.BOTH

# fmt: off
_TABLE: Final[tuple[tuple[type[Message], type[Message], Sender], ...]] = (
    (core.Authorize,                            core.AuthorizeResult,                            _POINT),
    (core.BootNotification,                     core.BootNotificationResult,                     _POINT),
    (core.Heartbeat,                            core.HeartbeatResult,                            _POINT),
    (core.MeterValues,                          core.MeterValuesResult,                          _POINT),
    (core.StartTransaction,                     core.StartTransactionResult,                     _POINT),
    (core.StatusNotification,                   core.StatusNotificationResult,                   _POINT),
    (core.StopTransaction,                      core.StopTransactionResult,                      _POINT),
    (core.DataTransfer,                         core.DataTransferResult,                         _BOTH),
    (core.ChangeAvailability,                   core.ChangeAvailabilityResult,                   _SYSTEM),
    (core.ChangeConfiguration,                  core.ChangeConfigurationResult,                  _SYSTEM),
    (core.ClearCache,                           core.ClearCacheResult,                           _SYSTEM),
    (core.GetConfiguration,                     core.GetConfigurationResult,                     _SYSTEM),
    (core.RemoteStartTransaction,               core.RemoteStartTransactionResult,               _SYSTEM),
    (core.RemoteStopTransaction,                core.RemoteStopTransactionResult,                _SYSTEM),
    (core.Reset,                                core.ResetResult,                                _SYSTEM),
    (core.UnlockConnector,                      core.UnlockConnectorResult,                      _SYSTEM),
    (firmware.DiagnosticsStatusNotification,    firmware.DiagnosticsStatusNotificationResult,    _POINT),
    (firmware.FirmwareStatusNotification,       firmware.FirmwareStatusNotificationResult,       _POINT),
    (firmware.GetDiagnostics,                   firmware.GetDiagnosticsResult,                   _SYSTEM),
    (firmware.UpdateFirmware,                   firmware.UpdateFirmwareResult,                   _SYSTEM),
    (local_auth.GetLocalListVersion,            local_auth.GetLocalListVersionResult,            _SYSTEM),
    (local_auth.SendLocalList,                  local_auth.SendLocalListResult,                  _SYSTEM),
    (remote_trigger.TriggerMessage,             remote_trigger.TriggerMessageResult,             _SYSTEM),
    (reservation.CancelReservation,             reservation.CancelReservationResult,             _SYSTEM),
    (reservation.ReserveNow,                    reservation.ReserveNowResult,                    _SYSTEM),
    (smart_charging.ClearChargingProfile,       smart_charging.ClearChargingProfileResult,       _SYSTEM),
    (smart_charging.GetCompositeSchedule,       smart_charging.GetCompositeScheduleResult,       _SYSTEM),
    (smart_charging.SetChargingProfile,         smart_charging.SetChargingProfileResult,         _SYSTEM),
    (security.LogStatusNotification,            security.LogStatusNotificationResult,            _POINT),
    (security.SecurityEventNotification,        security.SecurityEventNotificationResult,        _POINT),
    (security.SignCertificate,                  security.SignCertificateResult,                  _POINT),
    (security.SignedFirmwareStatusNotification, security.SignedFirmwareStatusNotificationResult, _POINT),
    (security.CertificateSigned,                security.CertificateSignedResult,                _SYSTEM),
    (security.DeleteCertificate,                security.DeleteCertificateResult,                _SYSTEM),
    (security.ExtendedTriggerMessage,           security.ExtendedTriggerMessageResult,           _SYSTEM),
    (security.GetInstalledCertificateIds,       security.GetInstalledCertificateIdsResult,       _SYSTEM),
    (security.GetLog,                           security.GetLogResult,                           _SYSTEM),
    (security.InstallCertificate,               security.InstallCertificateResult,               _SYSTEM),
    (security.SignedUpdateFirmware,             security.SignedUpdateFirmwareResult,             _SYSTEM),
)
# fmt: on

ACTIONS: Final[dict[str, Action]] = {
    request.__name__: Action(
        name=request.__name__,
        request=request,
        result=result,
        sender=sender,
        read_request=msgspec.json.Decoder(request).decode,
        read_result=msgspec.json.Decoder(result).decode,
    )
    for request, result, sender in _TABLE
}

OF_REQUEST: Final[dict[type[Message], Action]] = {action.request: action for action in ACTIONS.values()}


def actions_of(sender: Sender) -> dict[str, Action]:
    """Return the actions that this sender may send, by name."""
    return {name: action for name, action in ACTIONS.items() if action.sender in {sender, Sender.BOTH}}


def find_action(name: str) -> Action:
    """Return the action of this name. Raises PayloadInvalid (NotImplemented) if OCPP has no such action."""
    action = ACTIONS.get(name)
    if action is None:
        text = reading.not_one_of(name, tuple(ACTIONS), "not an action of OCPP 1.6")
        raise PayloadInvalid("NotImplemented", text)
    return action


def decode_request(action: str, payload: bytes) -> Message:
    """Read a request strictly, including formats, because an operator or our own code wrote the request.

    Raises PayloadInvalid, which has the path of the wrong field.
    """
    return repairs.read_strictly(find_action(action).request, payload)


def encode(message: Message) -> bytes:
    """Write the payload of a request or a result. Absent fields are left out and never written as null."""
    return _encode(message)


_encode = msgspec.json.Encoder().encode
