"""Answers of a simulated charge point to the 26 calls of a central system, and the effects of the calls.

The simulated charge point behaves like a real charge point with one connector. For example, a reserved
connector refuses other id tags, and a changed configuration key is reported with its new value.
"""

from collections.abc import Callable
from typing import Any, Protocol

from gateway.ocpp16.faults import timestamps
from gateway.ocpp16.messages import (
    core,
    firmware,
    local_auth,
    remote_trigger,
    reservation,
    security,
    smart_charging,
)
from gateway.ocpp16.messages.types import AcceptedOrRejected, Message
from loadtest import certificates
from loadtest.equipment import CONNECTOR, LIST_MAX, PROFILES_MAX, CertificateStore, LocalList, Profiles
from loadtest.now import now_ms

LATER_MAX = 32
VENDOR = "csms"
BOOT = core.BootNotification(
    charge_point_vendor=VENDOR, charge_point_model="loadtest", firmware_version="1.0"
)


class Day(Protocol):
    """The part of the simulated charge point that an operator can see and change."""

    id: str
    transaction_id: int | None

    def start(self, id_tag: str) -> bool:
        """Begin to charge. Returns False if the charge point charges already."""

    def stop(self, reason: core.Reason) -> bool:
        """Stop charging. Returns False if the charge point does not charge."""

    def reading(self) -> core.MeterValues: ...

    def status(self, connector: int) -> core.StatusNotification: ...


class Responses:
    """Answers calls. `later` holds the messages that the charge point sends by itself after the answer."""

    def __init__(self, day: Day) -> None:
        self.day = day
        self.later: list[Message] = []
        self.available = True
        self.local_list = LocalList()
        self.profiles = Profiles()
        self.roots = CertificateStore()
        self._changed: dict[str, str] = {}
        self._reservation: reservation.ReserveNow | None = None

    def answer(self, request: Message) -> Message:
        return _TABLE[type(request)](self, request)

    @property
    def idle_status(self) -> core.ChargePointStatus:
        """Status of the connector while no transaction runs."""
        if not self.available:
            return "Unavailable"
        return "Available" if self.held_reservation is None else "Reserved"

    @property
    def held_reservation(self) -> reservation.ReserveNow | None:
        held = self._reservation
        if held is not None and (timestamps.parse(held.expiry_date).ms or 0) <= now_ms():
            held = self._reservation = None
        return held

    def use_reservation(self, id_tag: str) -> int | None:
        """Use up the reservation of this id tag and return its id, or None if the tag has no reservation."""
        held = self.held_reservation
        if held is None or held.id_tag.lower() != id_tag.lower():
            return None
        self._reservation = None
        return held.reservation_id

    def _queue(self, *messages: Message) -> bool:
        """Queue messages for later. Returns False if the queue has no room for them."""
        if len(self.later) + len(messages) > LATER_MAX:
            return False
        self.later.extend(messages)
        return True

    # --- Core --------------------------------------------------------------------------------------

    def change_availability(self, request: core.ChangeAvailability) -> Message:
        if request.connector_id not in {0, CONNECTOR}:
            return core.ChangeAvailabilityResult(status="Rejected")
        self.available = request.type == "Operative"
        if self.day.transaction_id is not None:
            return core.ChangeAvailabilityResult(status="Scheduled")
        self._queue(*(self.day.status(number) for number in {request.connector_id, CONNECTOR}))
        return core.ChangeAvailabilityResult(status="Accepted")

    def change_configuration(self, request: core.ChangeConfiguration) -> Message:
        known = self._setting(request.key)
        if known is None:
            return core.ChangeConfigurationResult(status="NotSupported")
        if known.readonly or ((known.value or "").isdecimal() and not request.value.isdecimal()):
            return core.ChangeConfigurationResult(status="Rejected")
        self._changed[known.key] = request.value
        return core.ChangeConfigurationResult(
            status="RebootRequired" if known.key in _AT_BOOT else "Accepted"
        )

    def get_configuration(self, request: core.GetConfiguration) -> Message:
        found = {name: self._setting(name) for name in request.key or _SETTINGS}
        told = (one for one in found.values() if one is not None and one.key != "AuthorizationKey")
        unknown = tuple(name for name, one in found.items() if one is None)
        return core.GetConfigurationResult(configuration_key=tuple(told), unknown_key=unknown or None)

    def _setting(self, key: str) -> core.KeyValue | None:
        """Find a configuration key regardless of case; the result has the key's own spelling."""
        name = _NAMES.get(key.lower())
        if name is None:
            return None
        value, readonly = _SETTINGS[name]
        return core.KeyValue(key=name, readonly=readonly, value=self._changed.get(name, value))

    def clear_cache(self, _request: core.ClearCache) -> Message:
        return core.ClearCacheResult(status="Accepted")

    def data_transfer(self, request: core.DataTransfer) -> Message:
        if request.vendor_id != VENDOR:
            return core.DataTransferResult(status="UnknownVendorId")
        if request.message_id != "echo":
            return core.DataTransferResult(status="UnknownMessageId")
        return core.DataTransferResult(status="Accepted", data=request.data)

    def remote_start(self, request: core.RemoteStartTransaction) -> Message:
        held = self.held_reservation
        ours = held is None or held.id_tag.lower() == request.id_tag.lower()
        may = self.available and ours and request.connector_id in {None, CONNECTOR}
        status: AcceptedOrRejected = "Accepted" if may and self.day.start(request.id_tag) else "Rejected"
        return core.RemoteStartTransactionResult(status=status)

    def remote_stop(self, request: core.RemoteStopTransaction) -> Message:
        ours = request.transaction_id == self.day.transaction_id
        status: AcceptedOrRejected = "Accepted" if ours and self.day.stop("Remote") else "Rejected"
        return core.RemoteStopTransactionResult(status=status)

    def reset(self, request: core.Reset) -> Message:
        self.day.stop("SoftReset" if request.type == "Soft" else "HardReset")
        return core.ResetResult(status="Accepted")

    def unlock(self, request: core.UnlockConnector) -> Message:
        if request.connector_id != CONNECTOR:
            return core.UnlockConnectorResult(status="NotSupported")
        self.day.stop("UnlockCommand")
        return core.UnlockConnectorResult(status="Unlocked")

    # --- Firmware, diagnostics, logs ---------------------------------------------------------------

    def update_firmware(self, _request: firmware.UpdateFirmware) -> Message:
        steps: tuple[firmware.FirmwareStatus, ...] = ("Downloading", "Downloaded", "Installing", "Installed")
        self._queue(*(firmware.FirmwareStatusNotification(status=step) for step in steps))
        return firmware.UpdateFirmwareResult()

    def get_diagnostics(self, _request: firmware.GetDiagnostics) -> Message:
        steps: tuple[firmware.DiagnosticsStatus, ...] = ("Uploading", "Uploaded")
        if not self._queue(*(firmware.DiagnosticsStatusNotification(status=step) for step in steps)):
            return firmware.GetDiagnosticsResult()
        return firmware.GetDiagnosticsResult(file_name="diagnostics.zip")

    def signed_update(self, request: security.SignedUpdateFirmware) -> Message:
        if certificates.hash_data(request.firmware.signing_certificate) is None:
            return security.SignedUpdateFirmwareResult(status="InvalidCertificate")
        steps: tuple[security.SignedFirmwareStatus, ...] = (
            "Downloading",
            "Downloaded",
            "SignatureVerified",
            "Installing",
            "Installed",
        )
        told = self._queue(
            *(
                security.SignedFirmwareStatusNotification(status=step, request_id=request.request_id)
                for step in steps
            )
        )
        return security.SignedUpdateFirmwareResult(status="Accepted" if told else "Rejected")

    def get_log(self, request: security.GetLog) -> Message:
        steps: tuple[security.UploadLogStatus, ...] = ("Uploading", "Uploaded")
        if not self._queue(
            *(security.LogStatusNotification(status=step, request_id=request.request_id) for step in steps)
        ):
            return security.GetLogResult(status="Rejected")
        return security.GetLogResult(status="Accepted", filename=f"{request.log_type}.log")

    # --- Reservations ------------------------------------------------------------------------------

    def reserve(self, request: reservation.ReserveNow) -> Message:
        held = self.held_reservation
        if request.connector_id not in {0, CONNECTOR}:
            return reservation.ReserveNowResult(status="Rejected")
        if not self.available:
            return reservation.ReserveNowResult(status="Unavailable")
        another = held is not None and held.reservation_id != request.reservation_id
        if another or self.day.transaction_id is not None:
            return reservation.ReserveNowResult(status="Occupied")
        self._reservation = request
        self._queue(self.day.status(CONNECTOR))
        return reservation.ReserveNowResult(status="Accepted")

    def cancel(self, request: reservation.CancelReservation) -> Message:
        held = self.held_reservation
        if held is None or held.reservation_id != request.reservation_id:
            return reservation.CancelReservationResult(status="Rejected")
        self._reservation = None
        self._queue(self.day.status(CONNECTOR))
        return reservation.CancelReservationResult(status="Accepted")

    # --- Triggers ----------------------------------------------------------------------------------

    def trigger(self, request: remote_trigger.TriggerMessage) -> Message:
        told = request.connector_id in {None, CONNECTOR} and self._queue(
            *self._messages_for(request.requested_message, request.connector_id)
        )
        return remote_trigger.TriggerMessageResult(status="Accepted" if told else "Rejected")

    def extended_trigger(self, request: security.ExtendedTriggerMessage) -> Message:
        action: str = request.requested_message
        if action == "FirmwareStatusNotification":
            action = "SignedFirmwareStatusNotification"
        told = request.connector_id in {None, CONNECTOR} and self._queue(
            *self._messages_for(action, request.connector_id)
        )
        return security.ExtendedTriggerMessageResult(status="Accepted" if told else "Rejected")

    def _messages_for(self, action: str, connector: int | None) -> tuple[Message, ...]:
        match action:
            case "BootNotification":
                return (BOOT,)
            case "MeterValues":
                return (self.day.reading(),)
            case "SignChargePointCertificate":
                return (security.SignCertificate(csr=certificates.request_for(self.day.id)),)
            case "StatusNotification":
                connectors = (0, CONNECTOR) if connector is None else (connector,)
                return tuple(map(self.day.status, connectors))
            case _:
                return (_WHEN_IDLE[action],)

    def certificate_signed(self, request: security.CertificateSigned) -> Message:
        fits = certificates.hash_data(request.certificate_chain) is not None
        return security.CertificateSignedResult(status="Accepted" if fits else "Rejected")


_SETTINGS: dict[str, tuple[str, bool]] = {
    "AuthorizationKey": ("", False),
    "AuthorizeRemoteTxRequests": ("true", False),
    "ChargeProfileMaxStackLevel": ("8", True),
    "ConnectionTimeOut": ("60", False),
    "HeartbeatInterval": ("300", False),
    "LocalAuthListEnabled": ("true", False),
    "MaxChargingProfilesInstalled": (str(PROFILES_MAX), True),
    "MeterValueSampleInterval": ("60", False),
    "NumberOfConnectors": ("1", True),
    "SendLocalListMaxLength": (str(LIST_MAX), True),
    "SupportedFeatureProfiles": (
        "Core,FirmwareManagement,LocalAuthListManagement,Reservation,SmartCharging,RemoteTrigger",
        True,
    ),
    "WebSocketPingInterval": ("0", False),
}
"""Value of each configuration key, and whether the key is read-only. The first key is never reported."""
_NAMES = {name.lower(): name for name in _SETTINGS}
_AT_BOOT = frozenset({"WebSocketPingInterval"})

_WHEN_IDLE: dict[str, Message] = {
    "DiagnosticsStatusNotification": firmware.DiagnosticsStatusNotification(status="Idle"),
    "FirmwareStatusNotification": firmware.FirmwareStatusNotification(status="Idle"),
    "Heartbeat": core.Heartbeat(),
    "LogStatusNotification": security.LogStatusNotification(status="Idle"),
    "SignedFirmwareStatusNotification": security.SignedFirmwareStatusNotification(status="Idle"),
}

_TABLE: dict[type[Message], Callable[[Responses, Any], Message]] = {
    core.ChangeAvailability: Responses.change_availability,
    core.ChangeConfiguration: Responses.change_configuration,
    core.ClearCache: Responses.clear_cache,
    core.DataTransfer: Responses.data_transfer,
    core.GetConfiguration: Responses.get_configuration,
    core.RemoteStartTransaction: Responses.remote_start,
    core.RemoteStopTransaction: Responses.remote_stop,
    core.Reset: Responses.reset,
    core.UnlockConnector: Responses.unlock,
    firmware.GetDiagnostics: Responses.get_diagnostics,
    firmware.UpdateFirmware: Responses.update_firmware,
    local_auth.GetLocalListVersion: lambda ours, request: ours.local_list.version(request),
    local_auth.SendLocalList: lambda ours, request: ours.local_list.send(request),
    remote_trigger.TriggerMessage: Responses.trigger,
    reservation.CancelReservation: Responses.cancel,
    reservation.ReserveNow: Responses.reserve,
    security.CertificateSigned: Responses.certificate_signed,
    security.DeleteCertificate: lambda ours, request: ours.roots.delete(request),
    security.ExtendedTriggerMessage: Responses.extended_trigger,
    security.GetInstalledCertificateIds: lambda ours, request: ours.roots.list_installed(request),
    security.GetLog: Responses.get_log,
    security.InstallCertificate: lambda ours, request: ours.roots.install(request),
    security.SignedUpdateFirmware: Responses.signed_update,
    smart_charging.ClearChargingProfile: lambda ours, request: ours.profiles.clear(request),
    smart_charging.GetCompositeSchedule: lambda ours, request: ours.profiles.schedule(request),
    smart_charging.SetChargingProfile: lambda ours, request: ours.profiles.set(
        request, ours.day.transaction_id
    ),
}
