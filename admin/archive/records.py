"""A record of the archive: one transaction with all its meter values, as one line of JSON.

The format of a record is a promise to other programs. A change of the format raises `FORMAT`.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from state.transactions.listing import Transaction, public_id
from state.transactions.stored_values import StoredValues, place_of_values

FORMAT = 1
_NULL = msgspec.Raw(b"null")
_RAW = ("as_sent", "stop_as_sent")
"""Members of a transaction that are JSON already."""
_NAMES = {field.name: field.encode_name for field in msgspec.structs.fields(Transaction)}
_json = msgspec.json.encode


class RecordUnreadable(ValueError):  # noqa: N818  The text says what is wrong with the line.
    """A line is not a record that this release can read."""


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """A transaction as it was when it was archived. `finished_ms` is when csms received its stop or end."""

    tenant: str
    transaction: Transaction
    finished_ms: int
    values: tuple[StoredValues, ...]


class _Values(msgspec.Struct, frozen=True, kw_only=True):
    received_ms: int
    connector_id: int | None
    of_stop: bool
    values: msgspec.Raw
    as_sent: msgspec.Raw = _NULL
    digest: str | msgspec.UnsetType = msgspec.UNSET
    """The digest of the message in the store, if the line ends of the message are not in the record."""


class _Line(msgspec.Struct, frozen=True, kw_only=True):
    format: int
    tenant: str
    finished_ms: int
    transaction: dict[str, msgspec.Raw]
    meter_values: tuple[_Values, ...]


class _Head(msgspec.Struct, frozen=True):
    format: int


_VALUES = b',"meter_values":['
END = b"]}"
"""What follows after the last page of values."""


def encode_head(tenant: str, transaction: Transaction, finished_ms: int) -> bytes:
    """Return the beginning of a line, up to the meter values."""
    stored = msgspec.structs.asdict(transaction)
    for name in _RAW:
        if stored[name] is not None:
            stored[name] = msgspec.Raw(stored[name].encode())
    head = {
        "format": FORMAT,
        "tenant": tenant,
        "id": public_id(transaction.charge_point, transaction.id),
        "finished_ms": finished_ms,
        "transaction": stored,
    }
    return _one_line(_json(head)[:-1]) + _VALUES


def encode_page(values: Sequence[StoredValues], *, first: bool) -> bytes:
    """Return some of the meter values of a line. `first` means that no values come before them."""
    text = _one_line(_json(list(map(_values_of, values)))[1:-1])
    return text if first or not text else b"," + text


def decode(line: bytes) -> Record:
    """Read a line. Raises RecordUnreadable."""
    try:
        if (found := msgspec.json.decode(line, type=_Head).format) != FORMAT:
            raise RecordUnreadable(
                f"the record has format {found}, but this release reads only format {FORMAT};"
                " use the release that wrote the archive, or a newer one"
            )
        read = msgspec.json.decode(line, type=_Line)
        transaction = _read_transaction(read.transaction)
    except msgspec.MsgspecError as error:
        raise RecordUnreadable(f"the line is not a record of the archive: {error}") from error
    values = _read_values(read.meter_values, str(transaction.id))
    return Record(tenant=read.tenant, transaction=transaction, finished_ms=read.finished_ms, values=values)


def decode_values(text: bytes, transaction_id: str) -> tuple[StoredValues, ...]:
    """Read messages of a line that follow each other. Raises RecordUnreadable."""
    try:
        found = msgspec.json.decode(b"[%b]" % text, type=tuple[_Values, ...])
    except msgspec.MsgspecError as error:
        raise RecordUnreadable(f"the line is not a record of the archive: {error}") from error
    return _read_values(found, transaction_id)


def decode_head(beginning: bytes) -> Record:
    """Read the beginning of a line as a record without meter values. Raises RecordUnreadable."""
    return split_head(beginning)[0]


def split_head(beginning: bytes) -> tuple[Record, bytes]:
    """Read like `decode_head`, and return also what follows: the meter values. Raises RecordUnreadable."""
    end = beginning.find(_VALUES)
    while end >= 0:
        try:
            return decode(beginning[:end] + _VALUES + END), beginning[end + len(_VALUES) :]
        except RecordUnreadable:
            # The same bytes may be a part of what the charge point sent.
            end = beginning.find(_VALUES, end + 1)
    raise RecordUnreadable("the line is not a record of the archive: it has no meter values")


def _read_values(found: Sequence[_Values], transaction_id: str) -> tuple[StoredValues, ...]:
    return tuple(
        StoredValues(
            connector_id=message.connector_id,
            transaction_id=transaction_id,
            received_ms=message.received_ms,
            payload=bytes(message.values),
            of_stop=message.of_stop,
            as_sent=None if message.as_sent == _NULL else bytes(message.as_sent),
            digest=None if message.digest is msgspec.UNSET else bytes.fromhex(message.digest),
        )
        for message in found
    )


def _values_of(message: StoredValues) -> _Values:
    return _Values(
        received_ms=message.received_ms,
        connector_id=message.connector_id,
        of_stop=message.of_stop,
        values=msgspec.Raw(message.payload),
        as_sent=_NULL if message.as_sent is None else msgspec.Raw(message.as_sent),
        digest=place_of_values(message).digest.hex() if _has_line_ends(message) else msgspec.UNSET,
    )


def _has_line_ends(message: StoredValues) -> bool:
    return any(end in text for end in (b"\n", b"\r") for text in (message.payload, message.as_sent or b""))


def _read_transaction(members: dict[str, msgspec.Raw]) -> Transaction:
    stored: dict[str, Any] = {
        _NAMES[name]: bytes(value).decode()
        if name in _RAW and value != _NULL
        else msgspec.json.decode(value, type=str | int | None)
        for name, value in members.items()
        if name in _NAMES
    }
    return msgspec.convert(stored, Transaction)


def _one_line(text: bytes) -> bytes:
    """Remove line ends. In JSON that can be read, a line end stands only between two tokens."""
    return text.replace(b"\n", b" ").replace(b"\r", b" ") if b"\n" in text or b"\r" in text else text
