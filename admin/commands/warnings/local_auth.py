"""Warnings of the LocalAuthListManagement profile: wrong versions, lengths and entries."""

from collections import Counter

from admin.commands.warnings.view import View, Warner
from gateway.ocpp16.messages import local_auth
from gateway.ocpp16.messages.types import Message
from state.features import local_lists
from state.features.local_lists import Heads
from state.tenants.id_tags import fold

MESSAGE_LENGTH, LIST_LENGTH = "SendLocalListMaxLength", "LocalAuthListMaxLength"
_NAMED = 5


async def send_local_list(request: local_auth.SendLocalList, view: View) -> list[str]:
    heads = await local_lists.read_heads(view.store, view.keys)
    return [
        *_check_version(request.list_version, heads),
        *_check_entries(request),
        *_check_knowledge(request, heads),
        *await _check_lengths(request, view),
    ]


def _check_version(version: int, heads: Heads) -> list[str]:
    if version <= 0:
        return [f"The version of a list must be above 0 (errata 2025-04, 9), not {version}."]
    accepted = heads.accepted
    if accepted is not None and version <= accepted.list_version:
        have = accepted.list_version
        return [f"The charge point has version {have}; it may answer VersionMismatch unless this is higher."]
    return []


def _check_entries(request: local_auth.SendLocalList) -> list[str]:
    entries, found = request.local_authorization_list or (), []
    bare = [data.id_tag for data in entries if data.id_tag_info is None]
    if bare and request.update_type == "Full":
        found.append(
            f"In a Full list every entry must have an idTagInfo. These have none: {_name_some(bare)}."
        )
    counts = Counter(fold(data.id_tag) for data in entries)
    twice = [tag for tag, count in counts.items() if count > 1]
    if twice:
        found.append(f"More than once on the list (upper and lower case are the same): {_name_some(twice)}.")
    return found


def _check_knowledge(request: local_auth.SendLocalList, heads: Heads) -> list[str]:
    if heads.reported is not None and heads.reported.list_version == -1:
        return ["The charge point reported the list version -1: it has no local list."]
    if request.update_type == "Differential" and not heads.known:
        return ["The content of the list in the charge point is uncertain. A Full list would settle it."]
    return []


async def _check_lengths(request: local_auth.SendLocalList, view: View) -> list[str]:
    known = await view.configuration()
    entries, found = request.local_authorization_list or (), []
    most = known.number(MESSAGE_LENGTH)
    if most is not None and len(entries) > most:
        found.append(f"The charge point takes {most} entries at once ({MESSAGE_LENGTH}), not {len(entries)}.")
    most = known.number(LIST_LENGTH)
    if most is None:
        return found
    tags = {fold(data.id_tag) for data in entries if data.id_tag_info is not None}
    if request.update_type == "Differential":
        before = (await local_lists.read(view.store, view.keys)).accepted
        tags |= set(before) - {fold(data.id_tag) for data in entries if data.id_tag_info is None}
    if len(tags) > most:
        found.append(
            f"The list would have {len(tags)} entries, and the charge point keeps {most} ({LIST_LENGTH})."
        )
    return found


def _name_some(tags: list[str]) -> str:
    more = f" and {len(tags) - _NAMED} more" if len(tags) > _NAMED else ""
    return ", ".join(tags[:_NAMED]) + more


WARNERS: dict[type[Message], Warner] = {local_auth.SendLocalList: send_local_list}
