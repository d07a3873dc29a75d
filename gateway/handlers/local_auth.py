"""LocalAuthListManagement profile: store which list the charge point has (sections 5.10 and 5.15)."""

from collections.abc import Iterator

from gateway.handlers.handler import Answered, Outcome
from gateway.ocpp16.messages import local_auth
from gateway.ocpp16.messages.types import Message
from state.features import local_list_entries, local_lists


async def send_local_list(
    answered: Answered[local_auth.SendLocalList, local_auth.SendLocalListResult],
) -> None:
    request, status = answered.request, answered.result.status
    store, keys = answered.charge_point.store, answered.charge_point.lease.keys
    if status == "Accepted":
        await local_lists.record_accepted(
            store,
            keys,
            answered.command_id,
            update_type=request.update_type,
            list_version=request.list_version,
            lines=_lines(request),
        )
    else:
        await local_lists.record_refused(
            store,
            keys,
            answered.command_id,
            status=status,
            update_type=request.update_type,
            list_version=request.list_version,
        )


async def get_local_list_version(
    answered: Answered[local_auth.GetLocalListVersion, local_auth.GetLocalListVersionResult],
) -> None:
    charge_point = answered.charge_point
    await local_lists.record_reported(
        charge_point.store, charge_point.lease.keys, answered.result.list_version
    )


def _lines(request: local_auth.SendLocalList) -> Iterator[local_list_entries.Line]:
    for data in request.local_authorization_list or ():
        info = data.id_tag_info
        if info is None:
            yield data.id_tag, None
        else:
            yield (
                data.id_tag,
                local_list_entries.Entry(data.id_tag, info.status, info.expiry_date, info.parent_id_tag),
            )


OUTCOMES: dict[type[Message], Outcome] = {
    local_auth.GetLocalListVersion: get_local_list_version,
    local_auth.SendLocalList: send_local_list,
}
