"""Plan the SendLocalList messages that bring a charge point's list to the desired one, without sending them.

A list that does not fit into one Full message is sent as a Full message and some Differentials. Until the
last message is accepted, the charge point has only a part of the list.
"""

from collections.abc import Iterator, Sequence
from typing import Literal

from gateway.ocpp16.actions import encode
from gateway.ocpp16.messages.local_auth import AuthorizationData, SendLocalList
from gateway.ocpp16.messages.types import IdTagInfo
from state.commands.record import PAYLOAD_BYTES_MAX
from state.features.local_list_entries import Line, find_difference
from state.features.local_lists import Lists

type Kind = Literal["full", "differential", "auto"]

VERSION_MAX = 2**31 - 1
_AROUND = 200
"""The greatest number of bytes that a message has in addition to its entries."""


def plan(lists: Lists, kind: Kind, *, version: int, max_entries: int | None = None) -> list[SendLocalList]:
    """Return the messages that bring the list of the charge point to the desired list.

    The first message has the version `version`. The version of each later message is one higher.

    With the kind `auto`, the messages depend on the list that the charge point last accepted. If that list is
    known and equals the desired list, there are no messages. If it is known and a Differential does not have
    more entries than a Full list, the messages are a Differential. Otherwise they are a Full list. A message
    has at most `max_entries` entries, and no more bytes than a command may have.
    """
    whole: list[Line] = [(entry.id_tag, entry) for _, entry in sorted(lists.desired.items())]
    changes = find_difference(lists.accepted, lists.desired)
    if kind == "auto" and lists.heads.known and not changes:
        return []
    full = kind == "full" or (kind == "auto" and (not lists.heads.known or len(changes) > len(whole)))
    parts = list(_parts(whole if full else changes, max_entries)) or [()]
    if version + len(parts) - 1 > VERSION_MAX:
        # A Full list may have any version, so the versions begin again at 1.
        full, version = True, 1
        parts = list(_parts(whole, max_entries)) or [()]
    return [
        SendLocalList(
            list_version=version + number,
            update_type="Full" if full and number == 0 else "Differential",
            local_authorization_list=tuple(part),
        )
        for number, part in enumerate(parts)
    ]


def _parts(lines: Sequence[Line], max_entries: int | None) -> Iterator[Sequence[AuthorizationData]]:
    part: list[AuthorizationData] = []
    left = PAYLOAD_BYTES_MAX - _AROUND
    for line in lines:
        data = _data(line)
        size = len(encode(data)) + 1
        if part and (size > left or len(part) == max_entries):
            yield part
            part, left = [], PAYLOAD_BYTES_MAX - _AROUND
        part.append(data)
        left -= size
    if part:
        yield part


def _data(line: Line) -> AuthorizationData:
    id_tag, entry = line
    if entry is None:
        return AuthorizationData(id_tag=id_tag)
    return AuthorizationData(
        id_tag=id_tag,
        id_tag_info=IdTagInfo(
            status=entry.status, expiry_date=entry.expiry_date, parent_id_tag=entry.parent_id_tag
        ),
    )
