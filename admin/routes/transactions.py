"""Routes of transactions, which operators can list and read."""

from datetime import datetime
from typing import Annotated

import msgspec
from quart import Response
from quart_schema import document_querystring, document_response

from admin.http import Next, Paging, bodies, describes, new_blueprint, times
from admin.routes.archived_transactions import (
    ARCHIVE_PROBLEMS,
    ArchiveAnswer,
    find_elsewhere,
    list_archived,
    read_transaction,
)
from admin.routes.transaction_answer import TransactionAnswer, answer_transaction
from admin.services import services
from state.transactions import listing

blueprint = new_blueprint("transactions", "Transactions")


class TransactionQuery(Paging, frozen=True, forbid_unknown_fields=True):
    charge_point: Annotated[
        str | None, msgspec.Meta(description="List only transactions of this charge point.")
    ] = None
    open: Annotated[
        bool | None,
        msgspec.Meta(
            description="true lists only open transactions, and false lists only transactions that were "
            "stopped or ended."
        ),
    ] = None
    since: Annotated[
        Annotated[datetime, msgspec.Meta(tz=True)] | None,
        msgspec.Meta(
            description="List only transactions that started at or after this time. Write the time as RFC "
            "3339 with a time zone.",
            examples=["2026-01-01T00:00:00Z"],
        ),
    ] = None
    until: Annotated[
        Annotated[datetime, msgspec.Meta(tz=True)] | None,
        msgspec.Meta(
            description="List only transactions that started before this time. Write the time as RFC 3339 "
            "with a time zone.",
            examples=["2026-02-01T00:00:00Z"],
        ),
    ] = None


class TransactionPage(msgspec.Struct, frozen=True):
    """A page of transactions."""

    items: Annotated[
        tuple[TransactionAnswer, ...],
        msgspec.Meta(description="The transactions of this page, the latest start first."),
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
async def list_transactions(tenant: str) -> Response:
    """List the transactions of a tenant, the latest start first.

    Transactions that have left the store are read from the archive, if this admin process has it. Their
    member `archived` is true. Otherwise the member `archive` of the page says where the archive is.
    """
    asked, found = bodies.query(TransactionQuery), services()
    since_ms = None if asked.since is None else times.milliseconds(asked.since)
    cursor = asked.cursor
    if cursor is None and asked.until is not None:
        cursor = listing.cursor_before(times.milliseconds(asked.until))
    stored = await listing.list_(
        found.store,
        tenant,
        charge_point=asked.charge_point,
        open_=asked.open,
        since_ms=since_ms,
        cursor=cursor,
        limit=asked.limit,
    )
    if asked.open:  # An open transaction is never in the archive.
        return bodies.answer(TransactionPage(tuple(map(answer_transaction, stored.items)), stored.next))
    page = await list_archived(
        found,
        tenant,
        stored,
        charge_point=asked.charge_point,
        since_ms=since_ms,
        cursor=cursor,
        limit=asked.limit,
    )
    items = tuple(answer_transaction(one, archived=record is not None) for one, record in page.items)
    elsewhere = await find_elsewhere(found)
    return bodies.answer(TransactionPage(items, page.next, elsewhere or msgspec.UNSET))


@blueprint.get("/v1/tenants/<name:tenant>/transactions/<name:transaction>")
@document_response(TransactionAnswer)
@describes(problems=ARCHIVE_PROBLEMS)
async def get_transaction(tenant: str, transaction: str) -> Response:
    """Read a transaction, from the archive if it has left the store."""
    found, record = await read_transaction(services(), tenant, transaction)
    return bodies.answer(answer_transaction(found, archived=record is not None))
