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
    """An absent connector requests the message for all connectors, if the message has a connector."""

    requested_message: MessageTrigger
    connector_id: Maybe[int] = None


class TriggerMessageResult(Message):
    status: TriggerMessageStatus
