"""Answers of a simulated charge point to the 26 calls of a central system, and the effects of the calls.

The simulated charge point behaves like a real charge point that charges at connector 1. For example, a
reserved connector refuses other id tags, and a changed configuration key is reported with its new value.

A charge point makes its `Responses` when the first call arrives, and a `Responses` makes each store when the
first call needs it. So a charge point that nobody calls has none of this.
"""

from collections.abc import Callable
from typing import Any, Final, Literal, Protocol

from msgspec import Struct

from gateway.ocpp16 import actions
from gateway.ocpp16.actions import ACTIONS
from gateway.ocpp16.errors import ErrorCode, PayloadInvalid, shorten
from gateway.ocpp16.faults import reading, repairs, timestamps
from gateway.ocpp16.frames import DECODE_ERRORS
from gateway.ocpp16.messages import (
    core,
    firmware,
    remote_trigger,
    reservation,
    security,
)
from gateway.ocpp16.messages.types import AcceptedOrRejected, Message
from loadtest.charge_point import certificates
from loadtest.charge_point.equipment import CONNECTOR, CertificateStore, Configuration, LocalList, Profiles
from loadtest.now import now_ms

LATER_MAX = 32
_NOTHING: Final[frozenset[int]] = frozenset()
VENDOR = "csms"

type Own = tuple[str, bytes]
"""A message that the charge point sends by itself: its action, and its payload as JSON."""
type ResetKind = Literal["Soft", "Hard"]


class Refusal(Struct, frozen=True):
    """The content of a CALLERROR: the charge point does not know the action, or cannot read the payload."""

    code: ErrorCode
    text: str


class Day(Protocol):
    """The part of the simulated charge point that an operator can see and change.

    The methods are called while the answer is made, so before the answer is sent. They must not send anything
    before the answer. The methods `boot`, `reading` and `status` return a payload as JSON.
    """

    @property
    def id(self) -> str: ...

    @property
    def connectors(self) -> int:
        """The greatest number of a connector."""

    @property
    def transaction_id(self) -> int | None: ...

    def start(self, id_tag: str) -> bool:
        """Begin to charge. Returns False if the charge point charges already."""

    def stop(self, reason: core.Reason) -> bool:
        """Stop charging. Returns False if the charge point does not charge."""

    def reset(self, kind: ResetKind) -> None:
        """Stop charging with the reason SoftReset or HardReset, and reboot."""

    def boot(self) -> bytes:
        """Return a BootNotification."""

    def reading(self) -> bytes:
        """Return a MeterValues of connector 1, with the context Trigger."""

    def status(self, connector: int) -> bytes:
        """Return a StatusNotification. `Responses.idle_status` is the status while nothing charges."""


class Responses:
    """Answers calls. `later` holds the messages that the charge point sends by itself after the answer."""

    __slots__ = (
        "_configuration",
        "_inoperative",
        "_local_list",
        "_profiles",
        "_reservation",
        "_roots",
        "day",
        "later",
    )

    def __init__(self, day: Day) -> None:
        self.day = day
        self.later: list[Own] = []
        self._inoperative = _NOTHING
        self._configuration: Configuration | None = None
        self._local_list: LocalList | None = None
        self._profiles: Profiles | None = None
        self._roots: CertificateStore | None = None
        self._reservation: reservation.ReserveNow | None = None

    def answer(self, action: str, payload: bytes) -> bytes | Refusal:
        """Return the payload of the CALLRESULT as JSON, or the content of the CALLERROR."""
        respond = _TABLE.get(action)
        if respond is None:
            return _refuse(action)
        if not payload:
            return Refusal("FormationViolation", "the payload is missing; send {} if it is empty")
        known = ACTIONS[action]
        payload = b"{}" if payload == b"null" else payload  # OCPP-J 4.2.1 permits null.
        try:
            request = known.read_request(payload)
        except DECODE_ERRORS:
            try:
                request = repairs.read_strictly(known.request, payload)
            except PayloadInvalid as invalid:
                return Refusal(invalid.code, invalid.text)
        return actions.encode(respond(self, request))

    def idle_status(self, connector: int) -> core.ChargePointStatus:
        """Return the status of a connector while no transaction runs there. 0 is the whole charge point."""
        connectors = range(1, self.day.connectors + 1) if connector == 0 else (connector,)
        if self._inoperative.issuperset(connectors):
            return "Unavailable"
        return "Reserved" if connector == CONNECTOR and self._held_reservation() else "Available"

    def use_reservation(self, id_tag: str) -> int | None:
        """Use up the reservation of this id tag and return its id, or None if the tag has no reservation."""
        held = self._held_reservation()
        if held is None or held.id_tag.lower() != id_tag.lower():
            return None
        self._reservation = None
        return held.reservation_id

    def end_transaction(self) -> None:
        """Drop what ends with the transaction."""
        if self._profiles is not None:
            self._profiles.end_transaction()

    def reboot(self) -> None:
        """Drop what does not outlive a reboot: the messages that were not sent yet, and the transaction."""
        self.later.clear()
        self.end_transaction()

    def _held_reservation(self) -> reservation.ReserveNow | None:
        held = self._reservation
        if held is not None and (timestamps.parse(held.expiry_date).ms or 0) <= now_ms():
            held = self._reservation = None
        return held

    def _queue(self, *messages: Own) -> bool:
        """Queue messages for later. Returns False if the queue has no room for them."""
        if len(self.later) + len(messages) > LATER_MAX:
            return False
        self.later.extend(messages)
        return True

    def _status(self, connector: int) -> Own:
        return "StatusNotification", self.day.status(connector)

    def _exists(self, connector: int) -> bool:
        return 0 < connector <= self.day.connectors

    # --- Stores, made when they are needed -----------------------------------------------------------

    @property
    def configuration(self) -> Configuration:
        if self._configuration is None:
            self._configuration = Configuration(self.day.connectors)
        return self._configuration

    @property
    def local_list(self) -> LocalList:
        if self._local_list is None:
            self._local_list = LocalList()
        return self._local_list

    @property
    def profiles(self) -> Profiles:
        if self._profiles is None:
            self._profiles = Profiles()
        return self._profiles

    @property
    def roots(self) -> CertificateStore:
        if self._roots is None:
            self._roots = CertificateStore()
        return self._roots

    # --- Core --------------------------------------------------------------------------------------

    def change_availability(self, request: core.ChangeAvailability) -> Message:
        connector = request.connector_id
        if connector != 0 and not self._exists(connector):
            return core.ChangeAvailabilityResult(status="Rejected")
        connectors = range(1, self.day.connectors + 1) if connector == 0 else (connector,)
        self._inoperative = (
            self._inoperative.difference(connectors)
            if request.type == "Operative"
            else self._inoperative.union(connectors)
        )
        if self.day.transaction_id is not None and CONNECTOR in connectors:
            return core.ChangeAvailabilityResult(status="Scheduled")
        self._queue(*map(self._status, {connector, *connectors}))
        return core.ChangeAvailabilityResult(status="Accepted")

    def data_transfer(self, request: core.DataTransfer) -> Message:
        if request.vendor_id != VENDOR:
            return core.DataTransferResult(status="UnknownVendorId")
        if request.message_id != "echo":
            return core.DataTransferResult(status="UnknownMessageId")
        return core.DataTransferResult(status="Accepted", data=request.data)

    def remote_start(self, request: core.RemoteStartTransaction) -> Message:
        held = self._held_reservation()
        ours = held is None or held.id_tag.lower() == request.id_tag.lower()
        may = CONNECTOR not in self._inoperative and ours and request.connector_id in {None, CONNECTOR}
        status: AcceptedOrRejected = "Accepted" if may and self.day.start(request.id_tag) else "Rejected"
        return core.RemoteStartTransactionResult(status=status)

    def remote_stop(self, request: core.RemoteStopTransaction) -> Message:
        ours = request.transaction_id == self.day.transaction_id
        status: AcceptedOrRejected = "Accepted" if ours and self.day.stop("Remote") else "Rejected"
        return core.RemoteStopTransactionResult(status=status)

    def reset(self, request: core.Reset) -> Message:
        self.day.reset(request.type)
        return core.ResetResult(status="Accepted")

    def unlock(self, request: core.UnlockConnector) -> Message:
        if not self._exists(request.connector_id):
            return core.UnlockConnectorResult(status="NotSupported")
        if request.connector_id == CONNECTOR:
            self.day.stop("UnlockCommand")
        return core.UnlockConnectorResult(status="Unlocked")

    # --- Firmware, diagnostics, logs ---------------------------------------------------------------

    def update_firmware(self, _request: firmware.UpdateFirmware) -> Message:
        steps: tuple[firmware.FirmwareStatus, ...] = ("Downloading", "Downloaded", "Installing", "Installed")
        self._queue(*(_own(firmware.FirmwareStatusNotification(status=step)) for step in steps))
        return firmware.UpdateFirmwareResult()

    def get_diagnostics(self, _request: firmware.GetDiagnostics) -> Message:
        steps: tuple[firmware.DiagnosticsStatus, ...] = ("Uploading", "Uploaded")
        if not self._queue(*(_own(firmware.DiagnosticsStatusNotification(status=step)) for step in steps)):
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
                _own(security.SignedFirmwareStatusNotification(status=step, request_id=request.request_id))
                for step in steps
            )
        )
        return security.SignedUpdateFirmwareResult(status="Accepted" if told else "Rejected")

    def get_log(self, request: security.GetLog) -> Message:
        steps: tuple[security.UploadLogStatus, ...] = ("Uploading", "Uploaded")
        if not self._queue(
            *(
                _own(security.LogStatusNotification(status=step, request_id=request.request_id))
                for step in steps
            )
        ):
            return security.GetLogResult(status="Rejected")
        return security.GetLogResult(status="Accepted", filename=f"{request.log_type}.log")

    # --- Reservations ------------------------------------------------------------------------------

    def reserve(self, request: reservation.ReserveNow) -> Message:
        held = self._held_reservation()
        if request.connector_id not in {0, CONNECTOR}:
            return reservation.ReserveNowResult(status="Rejected")
        if CONNECTOR in self._inoperative:
            return reservation.ReserveNowResult(status="Unavailable")
        another = held is not None and held.reservation_id != request.reservation_id
        if another or self.day.transaction_id is not None:
            return reservation.ReserveNowResult(status="Occupied")
        self._reservation = request
        self._queue(self._status(CONNECTOR))
        return reservation.ReserveNowResult(status="Accepted")

    def cancel(self, request: reservation.CancelReservation) -> Message:
        held = self._held_reservation()
        if held is None or held.reservation_id != request.reservation_id:
            return reservation.CancelReservationResult(status="Rejected")
        self._reservation = None
        self._queue(self._status(CONNECTOR))
        return reservation.CancelReservationResult(status="Accepted")

    # --- Triggers ----------------------------------------------------------------------------------

    def trigger(self, request: remote_trigger.TriggerMessage) -> Message:
        told = self._trigger(request.requested_message, request.connector_id)
        return remote_trigger.TriggerMessageResult(status="Accepted" if told else "Rejected")

    def extended_trigger(self, request: security.ExtendedTriggerMessage) -> Message:
        action: str = request.requested_message
        if action == "FirmwareStatusNotification":
            action = "SignedFirmwareStatusNotification"
        told = self._trigger(action, request.connector_id)
        return security.ExtendedTriggerMessageResult(status="Accepted" if told else "Rejected")

    def _trigger(self, action: str, connector: int | None) -> bool:
        if connector is not None and not self._exists(connector):
            return False
        match action:
            case "BootNotification":
                return self._queue((action, self.day.boot()))
            case "MeterValues":
                return connector in {None, CONNECTOR} and self._queue((action, self.day.reading()))
            case "SignChargePointCertificate":
                return self._queue(_own(security.SignCertificate(csr=certificates.request_for(self.day.id))))
            case "StatusNotification":
                connectors = range(self.day.connectors + 1) if connector is None else (connector,)
                return self._queue(*map(self._status, connectors))
            case _:
                return self._queue(_WHEN_IDLE[action])

    def certificate_signed(self, request: security.CertificateSigned) -> Message:
        fits = certificates.hash_data(request.certificate_chain) is not None
        return security.CertificateSignedResult(status="Accepted" if fits else "Rejected")


def _refuse(action: str) -> Refusal:
    if action in ACTIONS:
        return Refusal("NotSupported", f"only a charge point may send {action}")
    text = reading.not_one_of(action, tuple(_TABLE), "not an action of OCPP 1.6")
    return Refusal("NotImplemented", shorten(text))


def _own(message: Message) -> Own:
    return type(message).__name__, actions.encode(message)


_WHEN_IDLE: Final[dict[str, Own]] = {
    own[0]: own
    for own in map(
        _own,
        (
            core.Heartbeat(),
            firmware.DiagnosticsStatusNotification(status="Idle"),
            firmware.FirmwareStatusNotification(status="Idle"),
            security.LogStatusNotification(status="Idle"),
            security.SignedFirmwareStatusNotification(status="Idle"),
        ),
    )
}
"""Triggered messages that are the same for each charge point."""

_TABLE: Final[dict[str, Callable[[Responses, Any], Message]]] = {
    "ChangeAvailability": Responses.change_availability,
    "ChangeConfiguration": lambda ours, request: ours.configuration.change(request),
    "ClearCache": lambda _ours, _request: core.ClearCacheResult(status="Accepted"),
    "DataTransfer": Responses.data_transfer,
    "GetConfiguration": lambda ours, request: ours.configuration.get(request),
    "RemoteStartTransaction": Responses.remote_start,
    "RemoteStopTransaction": Responses.remote_stop,
    "Reset": Responses.reset,
    "UnlockConnector": Responses.unlock,
    "GetDiagnostics": Responses.get_diagnostics,
    "UpdateFirmware": Responses.update_firmware,
    "GetLocalListVersion": lambda ours, request: ours.local_list.version(request),
    "SendLocalList": lambda ours, request: ours.local_list.send(request),
    "TriggerMessage": Responses.trigger,
    "CancelReservation": Responses.cancel,
    "ReserveNow": Responses.reserve,
    "CertificateSigned": Responses.certificate_signed,
    "DeleteCertificate": lambda ours, request: ours.roots.delete(request),
    "ExtendedTriggerMessage": Responses.extended_trigger,
    "GetInstalledCertificateIds": lambda ours, request: ours.roots.list_installed(request),
    "GetLog": Responses.get_log,
    "InstallCertificate": lambda ours, request: ours.roots.install(request),
    "SignedUpdateFirmware": Responses.signed_update,
    "ClearChargingProfile": lambda ours, request: ours.profiles.clear(request),
    "GetCompositeSchedule": lambda ours, request: ours.profiles.schedule(request, ours.day.connectors),
    "SetChargingProfile": lambda ours, request: ours.profiles.set(
        request, ours.day.transaction_id, ours.day.connectors
    ),
}
