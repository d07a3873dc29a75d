"""Warnings of the Core profile: transactions, connectors and id tags that contradict what the store knows."""

from admin.commands.warnings import smart_charging
from admin.commands.warnings.id_tags import check_tag
from admin.commands.warnings.view import View, Warner, no_such_connector
from gateway.ocpp16.charging import rules
from gateway.ocpp16.messages import core
from gateway.ocpp16.messages.types import Message
from state import transactions
from state.features import reservations
from state.tenants import id_tags

_FREE = frozenset({"Available", "Preparing", "Finishing", "Reserved"})


async def remote_start_transaction(request: core.RemoteStartTransaction, view: View) -> list[str]:
    found = await check_tag(request.id_tag, view)
    if request.connector_id is None:
        found.append("Some charge points answer Rejected to a remote start without connectorId.")
    elif request.connector_id <= 0:
        found.append("The connectorId of a remote start must be greater than 0 (section 6.33).")
    else:
        known = await view.connectors()
        found += no_such_connector(request.connector_id, known)
        connector = known.get(request.connector_id)
        if connector is not None and connector.status not in _FREE:
            found.append(f"The last known status of connector {request.connector_id} is {connector.status}.")
        found += await _check_reservations(request.connector_id, request.id_tag, view)
    if (profile := request.charging_profile) is not None:
        abilities = await smart_charging.abilities(view)
        found += rules.check_remote_start(profile, abilities, view.store.server_time_ms())
    return found


async def _check_reservations(connector_id: int, id_tag: str, view: View) -> list[str]:
    """Warn if the connector is reserved for another id tag, which the charge point must refuse (5.13)."""
    tag = await id_tags.get(view.store, view.tenant, id_tag)
    parent = None if tag is None or tag.parent_id_tag is None else id_tags.fold(tag.parent_id_tag)
    return [
        f"Connector {connector_id} is reserved for another id tag (reservation {other.reservation_id})."
        for other in await reservations.list_(view.store, view.keys)
        if other.state == "active"
        and (asked := other.asked) is not None
        and asked.connector_id == connector_id
        and id_tags.fold(asked.id_tag) != id_tags.fold(id_tag)
        and (parent is None or asked.parent_id_tag is None or id_tags.fold(asked.parent_id_tag) != parent)
    ]


async def remote_stop_transaction(request: core.RemoteStopTransaction, view: View) -> list[str]:
    public = transactions.public_id(view.charge_point, request.transaction_id)
    known = await transactions.get(view.store, view.tenant, public)
    if known is None:
        return [f"csms knows no transaction {request.transaction_id} of this charge point."]
    if known.stopped_ms is not None:
        return [f"Transaction {request.transaction_id} has already stopped."]
    if known.ended_ms is not None:
        return [f"An operator has already ended transaction {request.transaction_id}."]
    return []


async def change_availability(request: core.ChangeAvailability, view: View) -> list[str]:
    return no_such_connector(request.connector_id, await view.connectors()) if request.connector_id else []


async def unlock_connector(request: core.UnlockConnector, view: View) -> list[str]:
    if request.connector_id == 0:
        return ["Connector 0 means the whole charge point, which has no lock."]
    return no_such_connector(request.connector_id, await view.connectors())


WARNERS: dict[type[Message], Warner] = {
    core.ChangeAvailability: change_availability,
    core.RemoteStartTransaction: remote_start_transaction,
    core.RemoteStopTransaction: remote_stop_transaction,
    core.UnlockConnector: unlock_connector,
}
