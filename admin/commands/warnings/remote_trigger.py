"""Warnings of the RemoteTrigger profile: connectors that are unknown or do not fit the message."""

from admin.commands.warnings.view import View, Warner, no_such_connector
from gateway.ocpp16.messages import remote_trigger
from gateway.ocpp16.messages.types import Message

_OF_A_CONNECTOR = frozenset({"MeterValues", "StatusNotification"})


async def trigger_message(request: remote_trigger.TriggerMessage, view: View) -> list[str]:
    return await check_connector(request.requested_message, request.connector_id, view)


async def check_connector(requested_message: str, connector_id: int | None, view: View) -> list[str]:
    """Check the connectorId of a TriggerMessage (OCPP 1.6 section 5.17)."""
    if connector_id is None:
        return []
    if requested_message not in _OF_A_CONNECTOR:
        return [f"{requested_message} is not about a connector: the charge point ignores the connectorId."]
    if connector_id == 0 and requested_message == "StatusNotification":
        return []  # Section 5.17 asks for the status of the whole charge point like this.
    if connector_id <= 0:
        return ["The connectorId of a trigger must be greater than 0. Omit it to mean all connectors."]
    return no_such_connector(connector_id, await view.connectors())


WARNERS: dict[type[Message], Warner] = {remote_trigger.TriggerMessage: trigger_message}
