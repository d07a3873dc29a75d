"""What a gateway will make of an id tag that a command names."""

from admin.commands.warnings.view import View
from gateway.ocpp16.faults import timestamps
from state.tenants import id_tags
from state.tenants.id_tags import IdTag, Status


async def check_tag(id_tag: str, view: View) -> list[str]:
    """Say so if whoever holds it will not be let charge."""
    tag = await id_tags.get(view.store, view.tenant, id_tag)
    if tag is None:
        return ["The id tag is not known here: its Authorize and StartTransaction are answered Invalid."]
    status = _status(tag, view.store.server_time_ms())
    if status == "Accepted":
        return []
    return [f"The id tag is {status}: its Authorize and StartTransaction are answered so."]


def _status(tag: IdTag, now_ms: int) -> Status:
    """As gateway/handlers/authorization.py will judge it."""
    expired = tag.status == "Accepted" and timestamps.is_over(tag.expiry_date, now_ms)
    return "Expired" if expired else tag.status
