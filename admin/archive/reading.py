"""Reads some of the meter values of a record in pieces.

A record may have a hundred megabytes. If a thread parsed them at once, no other thread would run meanwhile,
and all requests to the process would wait.
"""

import re
from collections.abc import Iterable, Iterator
from itertools import chain

from admin.archive.records import END, Record, RecordUnreadable, decode_values, split_head
from state.transactions.stored_values import StoredValues
from state.transactions.unpacked_values import Rough

PIECE = 1 << 17
_LONGEST = 1 << 26
_BETWEEN = re.compile(rb'\},(?=\{"received_ms":[0-9]+,"connector_id":)')
"""What is between two messages. A charge point may send the same bytes within a message."""


def read_some(chunks: Iterable[bytes], *, begin: Rough | None, most: int, most_bytes: int) -> Record:
    """Read a record with its meter values from the place `begin` on.

    If more than `most` messages or `most_bytes` of payload follow that place, the rest are left out. All
    chunks are read. Raises RecordUnreadable.
    """
    rest = iter(chunks)
    record, text = _read_head(rest)
    kept: list[StoredValues] = []
    count = size = 0
    for message in _read_messages(chain([text], rest), str(record.transaction.id)):
        rough = Rough(message.of_stop, message.received_ms)
        if count > most or size > most_bytes or (begin is not None and rough < begin):
            continue
        kept.append(message)
        if begin is None or rough > begin:
            count, size = count + 1, size + len(message.payload)
    return Record(
        tenant=record.tenant,
        transaction=record.transaction,
        finished_ms=record.finished_ms,
        values=tuple(kept),
    )


def _read_head(chunks: Iterator[bytes]) -> tuple[Record, bytes]:
    """Return the record without its meter values, and the text that was read beyond."""
    text, enough = b"", PIECE
    for chunk in chunks:
        text += chunk
        if len(text) >= enough:
            try:
                return split_head(text)
            except RecordUnreadable:
                enough = 2 * len(text)
    return split_head(text)


def _read_messages(chunks: Iterable[bytes], transaction_id: str) -> Iterator[StoredValues]:
    """Yield the messages of a text that begins with them and ends with the end of the record."""
    text, enough = bytearray(), PIECE
    for chunk in chunks:
        text += chunk
        if len(text) < enough:
            continue
        end = max((found.end() for found in _BETWEEN.finditer(text)), default=0)
        try:
            yield from decode_values(bytes(text[: max(0, end - 1)]), transaction_id)
        except RecordUnreadable:
            # The end is within a message, so a later one must be found.
            if (enough := 2 * len(text)) > _LONGEST:
                raise RecordUnreadable(
                    "a part of the record is too long for the API; read the record with csms archive read"
                ) from None
            continue
        del text[:end]
        enough = PIECE
    if not text.endswith(END):
        raise RecordUnreadable("the line is not a record of the archive: it is cut short")
    yield from decode_values(bytes(text[: -len(END)]), transaction_id)
