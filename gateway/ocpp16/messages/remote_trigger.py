"""RemoteTrigger profile (section 5.17)."""

from typing import Literal

from gateway.ocpp16.messages.types import Integer, Maybe, Message

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
    """If `connector_id` is absent, a message that names a connector is requested from every connector."""

    requested_message: MessageTrigger
    connector_id: Maybe[Integer] = None


class TriggerMessageResult(Message):
    status: TriggerMessageStatus
