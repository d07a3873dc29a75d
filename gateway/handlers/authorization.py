"""Look up an id tag, and make the idTagInfo for Authorize, StartTransaction and StopTransaction."""

from gateway.handlers.charge_point import ChargePoint, now_ms
from gateway.ocpp16.faults import timestamps
from gateway.ocpp16.messages.types import IdTagInfo
from state.tenants import id_tags
from state.tenants.id_tags import IdTag


async def judge(charge_point: ChargePoint, id_tag: str) -> tuple[IdTag | None, IdTagInfo]:
    """Return the stored id tag (None if the tenant has no such tag) and the idTagInfo for the answer.

    The status is Invalid if there is no such tag. An Accepted tag whose expiry date has passed gets the
    status Expired. The status is never ConcurrentTx, because only a start can exceed the tag's limit of
    transactions.
    """
    tag = await look_up(charge_point, id_tag)
    return tag, describe(charge_point, id_tag, tag)


async def look_up(charge_point: ChargePoint, id_tag: str) -> IdTag | None:
    return await id_tags.get(charge_point.store, charge_point.tenant, id_tag)


def describe(charge_point: ChargePoint, id_tag: str, tag: IdTag | None) -> IdTagInfo:
    """Return the idTagInfo of a tag that was looked up."""
    if tag is None:
        if " " in id_tag or ";" in id_tag:
            charge_point.fault("id_tag_odd")
        return IdTagInfo(status="Invalid")
    return IdTagInfo(status=_status(tag), expiry_date=tag.expiry_date, parent_id_tag=tag.parent_id_tag)


def _status(tag: IdTag) -> id_tags.Status:
    expired = tag.status == "Accepted" and timestamps.is_over(tag.expiry_date, now_ms())
    return "Expired" if expired else tag.status
