"""Routes of transactions, which operators can list and read."""

from datetime import datetime
from typing import Annotated

import msgspec
from quart import Response
from quart_schema import document_querystring, document_response

from admin.http import Next, Paging, bodies, new_blueprint, times
from admin.routes.transaction_answer import TransactionAnswer, answer_transaction, read_transaction
from admin.services import current_store
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


class TransactionPage(msgspec.Struct, frozen=True):
    """A page of transactions."""

    items: Annotated[
        tuple[TransactionAnswer, ...],
        msgspec.Meta(description="The transactions of this page, the latest start first."),
    ]
    next: Next


@blueprint.get("/v1/tenants/<name:tenant>/transactions")
@document_querystring(TransactionQuery)
@document_response(TransactionPage)
async def list_transactions(tenant: str) -> Response:
    """List the transactions of a tenant, the latest start first."""
    asked = bodies.query(TransactionQuery)
    page = await listing.list_(
        current_store(),
        tenant,
        charge_point=asked.charge_point,
        open_=asked.open,
        since_ms=None if asked.since is None else times.milliseconds(asked.since),
        cursor=asked.cursor,
        limit=asked.limit,
    )
    return bodies.answer(TransactionPage(tuple(map(answer_transaction, page.items)), page.next))


@blueprint.get("/v1/tenants/<name:tenant>/transactions/<name:transaction>")
@document_response(TransactionAnswer)
async def get_transaction(tenant: str, transaction: str) -> Response:
    """Read a transaction."""
    return bodies.answer(answer_transaction(await read_transaction(current_store(), tenant, transaction)))
