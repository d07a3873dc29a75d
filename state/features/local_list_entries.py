"""Entries of a local authorisation list. Pure functions turn one list into another and pack a list."""

import zlib
from collections.abc import Iterable, Mapping
from typing import Literal

import msgspec

from state.tenants.id_tags import fold

type Status = Literal["Accepted", "Blocked", "Expired", "Invalid", "ConcurrentTx"]

ENTRIES = 10_000
"""Greatest number of entries that one list may have."""

_LEVEL = 4


class Entry(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An id tag in its original spelling, and its idTagInfo.

    `expiry_date` is the unchanged text of the request.
    """

    id_tag: str
    status: Status = "Accepted"
    expiry_date: str | None = None
    parent_id_tag: str | None = None

    @property
    def info(self) -> tuple[str, str | None, str | None]:
        return self.status, self.expiry_date, self.parent_id_tag


type Entries = dict[str, Entry]
"""Entries by folded id tag, because a charge point compares id tags without regard to case."""

type Line = tuple[str, Entry | None]
"""Line of an update: an id tag and its new entry.

If the entry is None, the id tag is removed from the list.
"""


def apply(entries: Mapping[str, Entry], lines: Iterable[Line]) -> Entries:
    """Return the list after a Differential update. If two lines have the same tag, the later line counts."""
    found = dict(entries)
    for id_tag, entry in lines:
        if entry is None:
            found.pop(fold(id_tag), None)
        else:
            found[fold(id_tag)] = entry
    return found


def find_difference(before: Mapping[str, Entry], after: Mapping[str, Entry]) -> list[Line]:
    """Return the lines that turn the list `before` into the list `after`.

    Removals come first, because they make room. Two spellings of a tag count as the same tag. A removed tag
    has the spelling of the list `before`.
    """
    gone: list[Line] = [(entry.id_tag, None) for tag, entry in sorted(before.items()) if tag not in after]
    put: list[Line] = [
        (entry.id_tag, entry)
        for tag, entry in sorted(after.items())
        if tag not in before or before[tag].info != entry.info
    ]
    return gone + put


def are_same(one: Mapping[str, Entry], other: Mapping[str, Entry]) -> bool:
    return not find_difference(one, other)


def pack(entries: Mapping[str, Entry]) -> bytes:
    """Pack a list for the store, in a tenth of the memory that a hash would take.

    Memory matters, because each charge point of a fleet may have the same thousand entries.
    """
    return zlib.compress(msgspec.msgpack.encode([entries[tag] for tag in sorted(entries)]), _LEVEL)


def unpack(packed: bytes | None) -> Entries:
    """Return the entries of a packed list. `packed` is None if the list is empty."""
    if packed is None:
        return {}
    return {fold(entry.id_tag): entry for entry in _decode(zlib.decompress(packed))}


_decode = msgspec.msgpack.Decoder(list[Entry]).decode
