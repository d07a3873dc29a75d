"""Routes of transactions, which operators can list and read."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from datetime import datetime
from typing import Annotated, Literal

import msgspec
from quart import Response
from quart_schema import document_querystring, document_response

from admin.http import ROWS_MAX, Next, Paging, bodies, describes, invalid, new_blueprint, times
from admin.http.files import CONTENT, FormatParameter, find_format, respond
from admin.routes.archived_transactions import (
    ARCHIVE_PROBLEMS,
    MOST,
    ArchiveAnswer,
    find_elsewhere,
    list_archived,
    read_transaction,
)
from admin.routes.completed_transactions import Completed, Wanted, read_all, read_page
from admin.routes.transaction_answer import OfChargePoint, OfIdTag, TransactionAnswer, answer_transaction
from admin.routes.transaction_files import DOWNLOAD_PROBLEM, form_of
from admin.services import Services, services
from state.paging import Page
from state.transactions import completed, listing
from state.transactions.completed import BEGINNING, Place

_AT_ONCE = 500
"""Transactions that a file reads at once."""

blueprint = new_blueprint("transactions", "Transactions")


class TransactionQuery(Paging, frozen=True, forbid_unknown_fields=True):
    charge_point: OfChargePoint = None
    id_tag: OfIdTag = None
    open: Annotated[
        bool | None,
        msgspec.Meta(
            description="true lists only open transactions, and false lists only transactions that were "
            "stopped or ended."
        ),
    ] = None
    by: Annotated[
        Literal["start", "stop", "receipt"],
        msgspec.Meta(
            description="The time that `since` and `until` mean, and the order of the list. `start`: when "
            "the transaction started, by the clock of the charge point; the latest start is first. `stop`: "
            "when it stopped, by the clock of the charge point, or ended. `receipt`: when csms received the "
            "stop, the end, or the latest change after it, by the clock of the store. With `stop` and "
            "`receipt`, the list has no open transactions, and is in the order of completion."
        ),
    ] = "start"
    since: Annotated[
        Annotated[datetime, msgspec.Meta(tz=True)] | None,
        msgspec.Meta(
            description="List only transactions whose time, as `by` says, is at or after this time. Write "
            "the time as RFC 3339 with a time zone.",
            examples=["2026-01-01T00:00:00Z"],
        ),
    ] = None
    until: Annotated[
        Annotated[datetime, msgspec.Meta(tz=True)] | None,
        msgspec.Meta(
            description="List only transactions whose time, as `by` says, is before this time. Write the "
            "time as RFC 3339 with a time zone.",
            examples=["2026-02-01T00:00:00Z"],
        ),
    ] = None
    # The cursor of a list in the order of completion is longer than others.
    cursor: Annotated[
        Annotated[str, msgspec.Meta(max_length=8000)] | None,
        msgspec.Meta(
            description="The opaque text in the member `next` of the previous page. Omit `cursor` to get the "
            "first page."
        ),
    ] = None
    format: FormatParameter = None


class TransactionPage(msgspec.Struct, frozen=True):
    """A page of transactions."""

    items: Annotated[
        tuple[TransactionAnswer, ...],
        msgspec.Meta(description="The transactions of this page, in the order that `by` says."),
    ]
    next: Next
    archive: Annotated[
        ArchiveAnswer | msgspec.UnsetType,
        msgspec.Meta(
            description="Present if transactions are in an archive that this admin process cannot read. The "
            "list does not have those of them that have left the store. The member names the host and the "
            "directory of the archive. `until` is the time before which all finished transactions are in "
            "the archive."
        ),
    ] = msgspec.UNSET


@blueprint.get("/v1/tenants/<name:tenant>/transactions")
@document_querystring(TransactionQuery)
@document_response(TransactionPage)
@describes(
    responses={
        200: {
            "description": "A page, or a file with all transactions of the list. A file that fails in the "
            "middle ends without the end that HTTP requires, so that the client reports an error.",
            "content": {
                "application/json": {"schema": {"$ref": "#/components/schemas/TransactionPage"}},
                **CONTENT,
            },
        }
    },
    problems={503: DOWNLOAD_PROBLEM},
)
async def list_transactions(tenant: str) -> Response:
    """List the transactions of a tenant, the latest start first, or in the order of completion.

    Transactions that have left the store are read from the archive, if this admin process has it. Their
    member `archived` is true. Otherwise the member `archive` of the page says where the archive is. With
    `by=stop` or `by=receipt`, the list has what was completed in the last 35 days, and what is in the store.
    """
    asked, found = bodies.query(TransactionQuery), services()
    if asked.by != "start" and asked.open:
        raise invalid(
            "by: only completed transactions have this time; leave out `open=true`.", parameter="by"
        )
    format_ = find_format(asked.format)
    if format_ != "json":
        parts = (
            _list_all(found, tenant, asked) if asked.by == "start" else _list_completed(found, tenant, asked)
        )
        return await respond(found.downloads, parts, form_of(format_), "transactions")
    if asked.by == "start":
        page = await _page_by_start(found, tenant, asked, most_archived=MOST)
    else:
        page = await _page_completed(found, tenant, asked)
    # An open transaction is never in the archive.
    elsewhere = None if asked.open else await find_elsewhere(found)
    return bodies.answer(TransactionPage(page.items, page.next, elsewhere or msgspec.UNSET), vary="Accept")


async def _page_by_start(
    services: Services, tenant: str, asked: TransactionQuery, *, most_archived: int
) -> Page[TransactionAnswer]:
    since_ms, cursor = _maybe_ms(asked.since), asked.cursor
    if cursor is None and asked.until is not None:
        cursor = listing.cursor_before(times.milliseconds(asked.until))
    stored = await listing.list_(
        services.store,
        tenant,
        charge_point=asked.charge_point,
        id_tag=asked.id_tag,
        open_=asked.open,
        since_ms=since_ms,
        cursor=cursor,
        limit=min(asked.limit, ROWS_MAX),
    )
    if asked.open:
        return Page(tuple(map(answer_transaction, stored.items)), stored.next)
    page = await list_archived(
        services,
        tenant,
        stored,
        charge_point=asked.charge_point,
        id_tag=asked.id_tag,
        since_ms=since_ms,
        cursor=cursor,
        limit=min(asked.limit, ROWS_MAX),
        most=most_archived,
    )
    items = tuple(answer_transaction(one, archived=record is not None) for one, record in page.items)
    return Page(items, page.next)


async def _page_completed(
    services: Services, tenant: str, asked: TransactionQuery
) -> Page[TransactionAnswer]:
    after = BEGINNING if asked.cursor is None else Place.parse(asked.cursor)
    page = await read_page(services, tenant, after, _wanted(asked), limit=min(asked.limit, ROWS_MAX))
    return Page(tuple(_answer_completed(page.items)), page.after.encode() if page.more else None)


async def _list_all(
    services: Services, tenant: str, asked: TransactionQuery
) -> AsyncGenerator[tuple[TransactionAnswer, ...]]:
    asked = msgspec.structs.replace(asked, limit=_AT_ONCE)
    while True:
        page = await _page_by_start(services, tenant, asked, most_archived=_AT_ONCE)
        yield page.items
        if page.next is None:
            return
        asked = msgspec.structs.replace(asked, cursor=page.next)


async def _list_completed(
    services: Services, tenant: str, asked: TransactionQuery
) -> AsyncGenerator[list[TransactionAnswer]]:
    after = BEGINNING if asked.cursor is None else Place.parse(asked.cursor)
    end = await completed.find_end(services.store, tenant)
    async with aclosing(read_all(services, tenant, after, end, _wanted(asked))) as parts:
        async for part in parts:
            yield _answer_completed(part)


def _wanted(asked: TransactionQuery) -> Wanted:
    return Wanted(
        charge_point=asked.charge_point,
        id_tag=asked.id_tag,
        by="stop" if asked.by == "stop" else "receipt",
        since_ms=_maybe_ms(asked.since),
        until_ms=_maybe_ms(asked.until),
        latest=True,
    )


def _answer_completed(found: Sequence[Completed]) -> list[TransactionAnswer]:
    """Leave out what is in an archive that this process cannot read."""
    return [
        answer_transaction(one.transaction, archived=one.archived)
        for one in found
        if one.transaction is not None
    ]


def _maybe_ms(moment: datetime | None) -> int | None:
    return None if moment is None else times.milliseconds(moment)


@blueprint.get("/v1/tenants/<name:tenant>/transactions/<name:transaction>")
@document_response(TransactionAnswer)
@describes(problems=ARCHIVE_PROBLEMS)
async def get_transaction(tenant: str, transaction: str) -> Response:
    """Read a transaction, from the archive if it has left the store."""
    found, record = await read_transaction(services(), tenant, transaction)
    return bodies.answer(answer_transaction(found, archived=record is not None))
