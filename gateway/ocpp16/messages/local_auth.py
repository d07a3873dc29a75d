"""LocalAuthListManagement profile (sections 5.10, 5.15; errata 2025-04)."""

from typing import Literal

from gateway.ocpp16.messages.types import IdTagInfo, IdToken, Maybe, Message

type UpdateType = Literal["Differential", "Full"]
type UpdateStatus = Literal["Accepted", "Failed", "NotSupported", "VersionMismatch"]


class GetLocalListVersion(Message):
    pass


class GetLocalListVersionResult(Message):
    """0: the list is empty; -1: there is no local list."""

    list_version: int


class AuthorizationData(Message):
    """In a Differential an entry without `id_tag_info` is taken off the list."""

    id_tag: IdToken
    id_tag_info: Maybe[IdTagInfo] = None


class SendLocalList(Message):
    """A Full one without a list, or with an empty one, clears it; a version is never 0 nor -1."""

    list_version: int
    update_type: UpdateType
    local_authorization_list: Maybe[tuple[AuthorizationData, ...]] = None


class SendLocalListResult(Message):
    status: UpdateStatus
