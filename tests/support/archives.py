"""Helpers that the tests of the archive share."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from admin.archive import archive, manifest
from admin.archive.archive import Item, Reader
from admin.archive.lines import Line
from admin.archive.manifest import Entry
from admin.archive.records import END, encode_head, encode_page
from state.transactions.listing import Transaction
from state.transactions.stored_values import StoredValues

DAY = "2026-11-29"
_TRANSACTION = Transaction(
    charge_point="CP.1",
    id=1,
    connector_id=1,
    id_tag="Tag",
    started_at="2026-11-29T10:00:00Z",
    started_ms=1_795_946_400_000,
    meter_start=100,
    stopped_at="2026-11-29T11:00:00Z",
    stopped_ms=1_795_950_000_000,
    meter_stop=200,
)


def a_transaction(**changes: Any) -> Transaction:
    return msgspec.structs.replace(_TRANSACTION, **changes)


def a_value(payload: bytes, **changes: Any) -> StoredValues:
    first = StoredValues(connector_id=1, transaction_id="1", received_ms=5, payload=payload)
    return msgspec.structs.replace(first, **changes)


def a_line(
    tenant: str, transaction: Transaction, finished_ms: int, pages: Sequence[Sequence[StoredValues]]
) -> bytes:
    texts = [encode_page(page, first=number == 0) for number, page in enumerate(pages)]
    return b"".join((encode_head(tenant, transaction, finished_ms), *texts, END))


def an_item(number: int, *payloads: bytes, charge_point: str = "CP.1", tenant: str = "demo") -> Item:
    found = a_transaction(id=number, charge_point=charge_point)
    line = a_line(tenant, found, 1000 + number, [[a_value(payload) for payload in payloads]])
    return Item(charge_point, number, found.started_ms, 1000 + number, Line([line]))


def put(directory: Path, *items: Item, tenant: str = "demo", day: str = DAY) -> Entry | None:
    """Write the items as one file, with a writer of its own."""
    with archive.open_to_write(directory) as opened, opened.new_file(tenant, day) as file:
        for item in items:
            file.add(item)
        return file.commit()


def entries(directory: Path) -> list[Entry]:
    return [entry for entry, _ in manifest.read(directory)]


def payloads_of(directory: Path, number: int, *, charge_point: str = "CP.1") -> list[bytes] | None:
    """Return the payloads of the newest record of a transaction, or None if it is not in the archive."""
    reader = Reader(directory)
    found = reader.find("demo", charge_point, number)
    return None if found is None else [one.payload for one in reader.read(found).values]


def list_files(directory: Path) -> set[str]:
    """List the files with records, and files that were left unfinished."""
    return {str(path.relative_to(directory)) for path in _walk(directory) if path.suffix in {".gz", ".part"}}


def _walk(directory: Path) -> Iterator[Path]:
    for folder, _, names in os.walk(directory):
        yield from (Path(folder) / name for name in names)
