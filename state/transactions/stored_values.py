"""One stored message of meter values: its text, its place in the order of a transaction, and its digest.

The text is a first line, which says where the values came from, and then the payload.
"""

from hashlib import blake2b
from typing import NamedTuple

import msgspec

from state import compact
from state.transactions.blocks import Message

_STOP = b"stop"
_NULL = msgspec.Raw(b"null")
DIGEST_BYTES = 8
_json = msgspec.json.encode


class StoredValues(msgspec.Struct, frozen=True, kw_only=True):
    """The meter values of one message. `payload` is the meterValue array, in JSON as received.

    `of_stop` means that the values are the transactionData of a stop. `connector_id` is None for a stop, or
    if it was unreadable. `as_sent` is a JSON object of the fields that were repaired or unreadable. `digest`
    is set if the message comes from an archive that does not have its line ends.
    """

    connector_id: int | None
    transaction_id: str | None
    received_ms: int
    payload: bytes
    of_stop: bool = False
    as_sent: bytes | None = None
    digest: bytes | None = None


class Place(NamedTuple):
    """The place of a message among those of its transaction: in the order of arrival, and the stop last.

    Messages of the same millisecond are sorted by their digest.
    """

    of_stop: bool
    received_ms: int
    digest: bytes


class _Head(msgspec.Struct, frozen=True, array_like=True):
    connector_id: int | None = None
    as_sent: msgspec.Raw = _NULL


def text_of_stop(data: bytes) -> bytes:
    """Return the text of the transactionData of a stop."""
    return _STOP + b"\n" + data


def text_of(connector_id: int | None, as_sent: bytes | None, payload: bytes) -> bytes:
    if as_sent is None and connector_id is not None:
        return b"%d\n%b" % (connector_id, payload)
    # If more must be kept than the connector, the first line is JSON.
    head = _json(_Head(connector_id, _NULL if as_sent is None else msgspec.Raw(as_sent)))
    return b"%b\n%b" % (head, payload)


def place_of(message: Message) -> Place:
    return Place(is_of_stop(message.text), message.received_ms, digest(message.text))


def place_of_values(message: StoredValues) -> Place:
    if message.of_stop:
        text = text_of_stop(message.payload)
    else:
        text = text_of(message.connector_id, message.as_sent, message.payload)
    return Place(message.of_stop, message.received_ms, message.digest or digest(text))


def digest(text: bytes) -> bytes:
    """Return a digest of the content of a message, by which a repeated message is found among packed ones."""
    return blake2b(text, digest_size=DIGEST_BYTES).digest()


def is_of_stop(text: bytes) -> bool:
    return text.startswith(_STOP)


def is_packed_of_stop(record: bytes) -> bool:
    """Return whether a message as `compact` packed it is of a stop, without unpacking all of it."""
    return is_of_stop(compact.unpack_start(record, len(_STOP)))


def read_text(text: bytes, received_ms: int, transaction_id: str | None) -> StoredValues:
    first, _, payload = text.partition(b"\n")
    head = _Head() if first == _STOP else _read_head(first)
    return StoredValues(
        connector_id=head.connector_id,
        transaction_id=transaction_id,
        received_ms=received_ms,
        payload=payload,
        of_stop=first == _STOP,
        as_sent=None if head.as_sent == _NULL else bytes(head.as_sent),
    )


def _read_head(first: bytes) -> _Head:
    return msgspec.json.decode(first, type=_Head) if first[:1] == b"[" else _Head(int(first))
