"""Routes of transactions and their meter values. Operators can only read this data."""

from datetime import datetime
from typing import Annotated

import msgspec
from quart import Response
from quart_schema import document_querystring, document_response

from admin.http import AllInOne, Next, Paging, bodies, convert, must_exist, new_blueprint, times
from admin.http.times import Time
from admin.routes.members import AsSent, ChargePointName
from admin.routes.meter_value_messages import (
    MeterValueAnswer,
    RawMessages,
    RawQuery,
    read_items,
    read_raw,
)
from admin.services import current_store
from state.store import Store
from state.transactions import listing, meter_values
from state.transactions.listing import Transaction

blueprint = new_blueprint("transactions", "Transactions")


class TransactionQuery(Paging, frozen=True, forbid_unknown_fields=True):
    charge_point: Annotated[
        str | None, msgspec.Meta(description="List only transactions of this charge point.")
    ] = None
    open: Annotated[
        bool | None,
        msgspec.Meta(
            description="true lists only open transactions, and false lists only stopped transactions."
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


class TransactionAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A transaction. While the transaction is open, the members that come from StopTransaction are null."""

    id: Annotated[
        str,
        msgspec.Meta(
            description="Public id of the transaction, `<charge point>.<transaction_id>`.",
            examples=["CP-1.59791234"],
        ),
    ]
    transaction_id: Annotated[
        int, msgspec.Meta(description="transactionId of OCPP messages.", examples=[59791234])
    ]
    charge_point: ChargePointName
    connector_id: Annotated[
        int | None,
        msgspec.Meta(
            description="Number of the connector. null means that csms could not read it; `as_sent` shows "
            "what the charge point sent.",
            examples=[1],
        ),
    ]
    id_tag: Annotated[
        str,
        msgspec.Meta(
            description="Id tag that started the transaction. An empty text means that csms could not read "
            "it.",
            examples=["04A2B3C4D5"],
        ),
    ]
    started_at: Annotated[
        Time,
        msgspec.Meta(
            description="When the transaction started, by the clock of the charge point. If the time cannot "
            "be read, the time of receipt is used."
        ),
    ]
    meter_start: Annotated[
        int | None,
        msgspec.Meta(
            description="Meter reading at the start, in Wh. null means that csms could not read it; "
            "`as_sent` shows what the charge point sent."
        ),
    ]
    stopped_at: Annotated[
        Time | None,
        msgspec.Meta(
            description="When the transaction stopped, by the clock of the charge point. If the time cannot "
            "be read, the time of receipt is used. null means that the transaction is open."
        ),
    ]
    meter_stop: Annotated[
        int | None,
        msgspec.Meta(
            description="Meter reading at the stop, in Wh. null means that the transaction is open, or that "
            "csms could not read it; `stop_as_sent` shows what the charge point sent."
        ),
    ]
    stop_id_tag: Annotated[
        str | None,
        msgspec.Meta(
            description="Id tag that stopped the transaction. null means that the transaction is open, or "
            "that the charge point sent no id tag."
        ),
    ]
    reason: Annotated[
        str | None,
        msgspec.Meta(
            description="Reason of OCPP 1.6 for the stop. null means that the transaction is open, or that "
            "the charge point sent no reason, which in OCPP means Local.",
            examples=["EVDisconnected"],
        ),
    ]
    energy_wh: Annotated[
        int | None,
        msgspec.Meta(
            description="Energy in Wh: `meter_stop` minus `meter_start`, even if that is negative. null "
            "means that the transaction is open, or that one of the readings is unknown.",
            examples=[1500],
        ),
    ]
    reservation_id: Annotated[
        int | None,
        msgspec.Meta(
            description="Id of the reservation with which the transaction began. null means that the "
            "transaction began without a reservation."
        ),
    ]
    as_sent: AsSent
    stop_as_sent: AsSent
    contradicting_stops: Annotated[
        int,
        msgspec.Meta(
            description="How many other StopTransactions of this transaction the charge point sent, which "
            "differ from the stop shown here. They are among its orphaned stops."
        ),
    ]


class TransactionPage(msgspec.Struct, frozen=True):
    """A page of transactions."""

    items: Annotated[
        tuple[TransactionAnswer, ...],
        msgspec.Meta(description="The transactions of this page, the latest start first."),
    ]
    next: Next


class MeterValuesPage(msgspec.Struct, frozen=True):
    """The meter values of a transaction."""

    items: Annotated[
        tuple[MeterValueAnswer, ...],
        msgspec.Meta(description="All meter values of the transaction, in the order of arrival."),
    ]
    raw: RawMessages = None
    next: AllInOne = None


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
    return bodies.answer(TransactionPage(tuple(map(_answer, page.items)), page.next))


@blueprint.get("/v1/tenants/<name:tenant>/transactions/<name:transaction>")
@document_response(TransactionAnswer)
async def get_transaction(tenant: str, transaction: str) -> Response:
    """Read a transaction."""
    return bodies.answer(_answer(await _get(current_store(), tenant, transaction)))


@blueprint.get("/v1/tenants/<name:tenant>/transactions/<name:transaction>/meter-values")
@document_querystring(RawQuery)
@document_response(MeterValuesPage)
async def list_meter_values(tenant: str, transaction: str) -> Response:
    """List the meter values of a transaction.

    The transactionData of the StopTransaction comes last. What cannot be read as a MeterValue is left out.
    """
    asked = bodies.query(RawQuery)
    found = await _get(current_store(), tenant, transaction)
    messages = await meter_values.read(current_store(), tenant, found.charge_point, found.id)
    items = [item for message in messages for item in read_items(message)]
    raw = list(map(read_raw, messages)) if asked.raw else None
    return bodies.answer({"items": items, "raw": raw, "next": None})


async def _get(store: Store, tenant: str, public_id: str) -> Transaction:
    return must_exist(await listing.get(store, tenant, public_id), "transaction")


def _answer(transaction: Transaction) -> TransactionAnswer:
    return convert(
        transaction,
        TransactionAnswer,
        id=listing.public_id(transaction.charge_point, transaction.id),
        transaction_id=transaction.id,
        as_sent=None if transaction.as_sent is None else msgspec.Raw(transaction.as_sent.encode()),
        stop_as_sent=None
        if transaction.stop_as_sent is None
        else msgspec.Raw(transaction.stop_as_sent.encode()),
        started_at=times.sent_or(transaction.started_at, transaction.started_ms),
        stopped_at=None
        if transaction.stopped_at is None
        else times.sent_or(transaction.stopped_at, transaction.stopped_ms or 0),
    )
