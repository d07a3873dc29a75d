"""The meter values of a transaction, in pages."""

from typing import Annotated

import msgspec
import trio
from quart import Response
from quart_schema import document_querystring, document_response

from admin.http import Next, bodies, describes, new_blueprint
from admin.http.listing import Cursor
from admin.routes.archived_transactions import ARCHIVE_PROBLEMS, read_transaction, read_values
from admin.routes.meter_value_messages import (
    MeterValueAnswer,
    Raw,
    RawMessages,
    read_items,
    read_raw,
)
from admin.services import services
from state.transactions import meter_values

_AT_ONCE = 100
"""Messages that are read before other requests get their turn."""

blueprint = new_blueprint("transactions_meter_values", "Transactions")


class MeterValuesQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    limit: Annotated[
        int,
        msgspec.Meta(
            ge=1,
            le=1000,
            description="Greatest number of messages on the page. A message may have several items, or none. "
            "A page with long messages has fewer.",
            examples=[1000],
        ),
    ] = 1000
    cursor: Cursor = None
    raw: Raw = False


class MeterValuesPage(msgspec.Struct, frozen=True):
    """A page of the meter values of a transaction."""

    items: Annotated[
        tuple[MeterValueAnswer, ...],
        msgspec.Meta(description="The meter values of this page, in the order of arrival."),
    ]
    raw: RawMessages = None
    next: Next = None


@blueprint.get("/v1/tenants/<name:tenant>/transactions/<name:transaction>/meter-values")
@document_querystring(MeterValuesQuery)
@document_response(MeterValuesPage)
async def list_meter_values(tenant: str, transaction: str) -> Response:
    """List the meter values of a transaction.

    A page has at most 1,000 messages. Read the next page with `next`, until `next` is null. The
    transactionData of the StopTransaction comes last. What cannot be read as a MeterValue is left out.
    """
    asked = bodies.query(MeterValuesQuery)
    page = await read_values(services(), tenant, transaction, cursor=asked.cursor, limit=asked.limit)
    items = []
    for number, message in enumerate(page.items, 1):
        items.extend(read_items(message))
        if number % _AT_ONCE == 0:
            await trio.lowlevel.checkpoint()
    raw = list(map(read_raw, page.items)) if asked.raw else None
    return bodies.answer({"items": items, "raw": raw, "next": page.next})


class WithoutIdPage(msgspec.Struct, frozen=True):
    """A page of meter values that may belong to a transaction, although they came without its id."""

    items: Annotated[
        tuple[MeterValueAnswer, ...],
        msgspec.Meta(description="The meter values of this page, in the order of arrival."),
    ]
    raw: RawMessages = None
    next: Next = None


@blueprint.get("/v1/tenants/<name:tenant>/transactions/<name:transaction>/meter-values-without-id")
@document_querystring(MeterValuesQuery)
@document_response(WithoutIdPage)
@describes(problems=ARCHIVE_PROBLEMS)
async def list_meter_values_without_id(tenant: str, transaction: str) -> Response:
    """List meter values of the connector of a transaction that came in its time, but without a transactionId.

    The list has the messages that csms received between the StartTransaction and the StopTransaction, or the
    end by an operator. They are among the stray meter values of the charge point, and may belong to the
    transaction or not. A page may have no items although another page follows.
    """
    asked, services_ = bodies.query(MeterValuesQuery), services()
    of, _ = await read_transaction(services_, tenant, transaction)
    if of.connector_id is None:
        return bodies.answer({"items": [], "raw": [] if asked.raw else None, "next": None})
    page = await meter_values.read_strays_without_id(
        services_.store,
        tenant,
        of.charge_point,
        of.connector_id,
        since_ms=of.started_ms if of.started_received_ms is None else of.started_received_ms,
        until_ms=of.ended_received_ms if of.stopped_received_ms is None else of.stopped_received_ms,
        after=asked.cursor,
        limit=asked.limit,
    )
    items = [item for message in page.items for item in read_items(message)]
    raw = list(map(read_raw, page.items)) if asked.raw else None
    return bodies.answer({"items": items, "raw": raw, "next": page.next})
