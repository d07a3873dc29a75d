"""Predict how a gateway will answer an id tag that a command names."""

from admin.commands.warnings.view import View
from gateway.ocpp16.faults import timestamps
from state.tenants import id_tags
from state.tenants.id_tags import IdTag, Status


async def check_tag(id_tag: str, view: View) -> list[str]:
    """Warn if the gateway will not accept the id tag."""
    tag = await id_tags.get(view.store, view.tenant, id_tag)
    if tag is None:
        return ["The id tag is unknown: its Authorize and StartTransaction will be answered Invalid."]
    status = _status(tag, view.store.server_time_ms())
    if status == "Accepted":
        return []
    return [f"The id tag is {status}: its Authorize and StartTransaction will be answered {status}."]


def _status(tag: IdTag, now_ms: int) -> Status:
    """Return the status that gateway/handlers/authorization.py will answer."""
    expired = tag.status == "Accepted" and timestamps.is_over(tag.expiry_date, now_ms)
    return "Expired" if expired else tag.status
