"""RemoteTrigger profile (section 5.17)."""

from typing import Literal

from gateway.ocpp16.messages.types import Maybe, Message

type MessageTrigger = Literal[
    "BootNotification",
    "DiagnosticsStatusNotification",
    "FirmwareStatusNotification",
    "Heartbeat",
    "MeterValues",
    "StatusNotification",
]
type TriggerMessageStatus = Literal["Accepted", "Rejected", "NotImplemented"]


class TriggerMessage(Message):
    """If the connector is absent, a message that has a connector is requested for all connectors."""

    requested_message: MessageTrigger
    connector_id: Maybe[int] = None


class TriggerMessageResult(Message):
    status: TriggerMessageStatus
