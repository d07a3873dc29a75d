"""Transactions that have left the store, as the routes read them from the archive."""

from collections.abc import Callable, Sequence
from typing import Annotated, NamedTuple

import msgspec
import structlog
import trio

from admin.archive.archive import Reader
from admin.archive.failures import ArchiveFailed
from admin.archive.index import Found
from admin.archive.records import Record, RecordUnreadable
from admin.http import times
from admin.http.problems import Problem, not_found
from admin.http.times import Time
from admin.services import Services
from state.paging import Page, decode_cursor, encode_cursor
from state.tenants.id_tags import fold
from state.transactions import archiving, listing, meter_values
from state.transactions.listing import Transaction, index_name, moment, parse_public_id
from state.transactions.stored_values import StoredValues
from state.transactions.unpacked_values import Rough

ARCHIVE_PROBLEMS = {
    404: "There is no such transaction. If this process cannot read the archive of the store, the member "
    "`archive` says where the archive is, because the transaction may be there.",
    503: "The store does not answer, or the archive cannot be read (`archive-unreadable`).",
}
MOST = 50
"""Most transactions that a page reads from the archive, because each takes about half a millisecond."""
_READERS = trio.CapacityLimiter(4)
_log = structlog.get_logger("csms.admin")


class ArchiveAnswer(msgspec.Struct, frozen=True):
    """Where the archive is that this process cannot read, so that its transactions are not in this answer."""

    host: Annotated[
        str, msgspec.Meta(description="Name of the host that wrote the archive last.", examples=["storage-1"])
    ]
    directory: Annotated[
        str,
        msgspec.Meta(
            description="Directory of the archive on that host.", examples=["/var/lib/csms/archive"]
        ),
    ]
    until: Annotated[
        Time,
        msgspec.Meta(
            description="Time before which all finished transactions are in the archive, by the receipt of "
            "their StopTransaction."
        ),
    ]


class Read(NamedTuple):
    """A transaction from the store, or the beginning of its record from the archive."""

    transaction: Transaction
    record: Record | None


async def read_transaction(services: Services, tenant: str, public_id: str) -> Read:
    """Read a transaction from the store or the archive. Raises Problem (404 or 503)."""
    found = await listing.get(services.store, tenant, public_id)
    if found is not None:
        return Read(found, None)
    try:
        charge_point, id_ = parse_public_id(public_id)
    except ValueError:
        raise not_found("transaction") from None
    if (reader := await _find_archive(services)) is None:
        raise await _explain_absence(services)
    record = await _in_thread(_read_head, reader, tenant, charge_point, id_)
    if record is None:
        raise not_found("transaction")
    return Read(record.transaction, record)


async def read_values(
    services: Services, tenant: str, public_id: str, *, cursor: str | None, limit: int
) -> Page[StoredValues]:
    """Read a page of meter values from the store or the archive.

    Raises BadCursor and Problem (404 or 503).
    """
    reader, (found, record) = services.archive, await read_transaction(services, tenant, public_id)
    if record is None or reader is None:
        page = await meter_values.read_page(
            services.store, tenant, found.charge_point, found.id, after=cursor, limit=limit
        )
        # If the transaction left the store during the read, the page is not whole.
        _, record = await read_transaction(services, tenant, public_id)
        if record is None or reader is None:
            return page
    begin, most_bytes = meter_values.needed_for(cursor)
    record = await _in_thread(
        _read_some,
        reader,
        (tenant, found.charge_point, found.id),
        begin=begin,
        most=limit,
        most_bytes=most_bytes,
    )
    if record is None:
        raise not_found("transaction")
    return meter_values.cut_page(record.values, after=cursor, limit=limit)


async def find_archived(
    services: Services, tenant: str, names: Sequence[tuple[str, int]]
) -> list[Transaction | None]:
    """Return each transaction, named by its charge point and its id, as it is in the archive, or None.

    Raises Problem (503).
    """
    reader = await _find_archive(services) if names else None
    if reader is None:
        return [None] * len(names)
    return await _in_thread(_read_transactions, reader, tenant, names)


async def list_archived(
    services: Services,
    tenant: str,
    page: Page[Transaction],
    *,
    charge_point: str | None,
    id_tag: str | None,
    since_ms: int | None,
    cursor: str | None,
    limit: int,
    most: int,
) -> Page[Read]:
    """Add to a page of the store what the archive has in the same part of the list. Raises Problem (503).

    The page ends early if it would have more than `most` transactions from the archive.
    """
    tag = None if id_tag is None else fold(id_tag)
    stored = {_name(one): Read(one, None) for one in page.items}
    if (reader := await _find_archive(services)) is None:
        return Page(tuple(stored.values()), page.next)
    listed = await _in_thread(
        reader.list_,
        tenant,
        charge_point=charge_point,
        # The page of the store says nothing about what comes after its end.
        after="" if since_ms is None else moment(since_ms),
        # A cursor that no page returned may be any bytes.
        before=None if cursor is None else decode_cursor(cursor).decode(errors="replace"),
        limit=limit + 1,
    )
    end = None if page.next is None else decode_cursor(page.next).decode()
    archived = {one.listed: one for one in listed if end is None or one.listed > end}
    names = sorted({*stored, *archived}, reverse=True)
    # What is in both is read from the store.
    needed = [name for name in names[:limit] if name not in stored]
    shown = limit if len(needed) <= most else names.index(needed[most])
    del needed[most:]
    found = await _in_thread(_read_heads, reader, [archived[name].found for name in needed])
    read = stored | {name: Read(one.transaction, one) for name, one in zip(needed, found, strict=True)}
    items = [read[name] for name in names[:shown]]
    items = [one for one in items if tag is None or fold(one.transaction.id_tag) == tag]
    if len(names) > shown:
        return Page(tuple(items), encode_cursor(names[shown - 1].encode()))
    return Page(tuple(items), page.next)


async def find_elsewhere(services: Services) -> ArchiveAnswer | None:
    """Return where the archive is if this process cannot read it, or None."""
    if services.archive is not None:
        return None
    note = await archiving.read_note(services.store)
    return None if note is None else ArchiveAnswer(note.host, note.directory, times.text(note.through_ms))


async def _find_archive(services: Services) -> Reader | None:
    """Return the archive, or None if this process has none, or if nothing was archived yet."""
    reader = services.archive
    if reader is None or await _in_thread(reader.exists):
        return reader
    return None if await archiving.read_note(services.store) is None else reader


async def _explain_absence(services: Services) -> Problem:
    elsewhere = await find_elsewhere(services)
    if elsewhere is None:
        return not_found("transaction")
    return Problem(
        404,
        "not-found",
        "The store has no such transaction. It may be in the archive, which this process cannot read: on the "
        f"host {elsewhere.host}, `csms archive read` finds it in the directory {elsewhere.directory}.",
        members={"archive": msgspec.to_builtins(elsewhere)},
    )


def _read_head(reader: Reader, tenant: str, charge_point: str, id_: int) -> Record | None:
    found = reader.find(tenant, charge_point, id_)
    return None if found is None else reader.read_head(found)


def _read_transactions(
    reader: Reader, tenant: str, names: Sequence[tuple[str, int]]
) -> list[Transaction | None]:
    return [
        None if found is None else reader.read_head(found).transaction
        for found in reader.find_all(tenant, names)
    ]


def _read_heads(reader: Reader, found: Sequence[Found]) -> list[Record]:
    return [reader.read_head(one) for one in found]


def _read_some(
    reader: Reader, named: tuple[str, str, int], *, begin: Rough | None, most: int, most_bytes: int
) -> Record | None:
    found = reader.find(*named)
    if found is None:
        return None
    return reader.read_some(found, begin=begin, most=most, most_bytes=most_bytes)


async def _in_thread[**P, T](work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Read from the archive in a thread. Raises Problem (503)."""
    try:
        return await trio.to_thread.run_sync(lambda: work(*args, **kwargs), limiter=_READERS)
    except (ArchiveFailed, RecordUnreadable, OSError) as error:
        _log.error("archive.unreadable", error=str(error))
        raise Problem(
            503,
            "archive-unreadable",
            f"The archive cannot be read: {error}. The log of csms has the same text.",
        ) from None


def _name(transaction: Transaction) -> str:
    return index_name(transaction.charge_point, transaction.started_ms, transaction.id)
