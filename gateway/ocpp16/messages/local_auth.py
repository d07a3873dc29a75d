"""LocalAuthListManagement profile (sections 5.10, 5.15; errata 2025-04)."""

from typing import Literal

from gateway.ocpp16.messages.types import IdTagInfo, IdToken, Integer, Maybe, Message

type UpdateType = Literal["Differential", "Full"]
type UpdateStatus = Literal["Accepted", "Failed", "NotSupported", "VersionMismatch"]


class GetLocalListVersion(Message):
    pass


class GetLocalListVersionResult(Message):
    """`list_version` is 0 for an empty list, and -1 if the charge point has no local list."""

    list_version: int


class AuthorizationData(Message):
    """In a Differential update, an entry without `id_tag_info` removes the tag from the list."""

    id_tag: IdToken
    id_tag_info: Maybe[IdTagInfo] = None


class SendLocalList(Message, kw_only=True):
    """A Full update with an absent or empty list clears the list. `list_version` is never 0 or -1."""

    list_version: Integer
    local_authorization_list: Maybe[tuple[AuthorizationData, ...]] = None
    update_type: UpdateType


class SendLocalListResult(Message):
    status: UpdateStatus
