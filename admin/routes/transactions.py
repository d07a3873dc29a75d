"""Routes of transactions and their meter values. Operators can only read this data."""

from datetime import datetime
from typing import Annotated, Any

import msgspec
from quart import Response
from quart_schema import document_querystring, document_response

from admin.http import AllInOne, Next, Paging, bodies, convert, must_exist, new_blueprint, times
from admin.http.times import Time
from admin.routes.members import ChargePointName, ConnectorId, ReceivedAt
from admin.services import current_store
from state.store import Store
from state.transactions import listing, meter_values
from state.transactions.listing import Transaction
from state.transactions.meter_values import StoredValues

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
    connector_id: ConnectorId
    id_tag: Annotated[
        str, msgspec.Meta(description="Id tag that started the transaction.", examples=["04A2B3C4D5"])
    ]
    started_at: Annotated[
        Time,
        msgspec.Meta(
            description="When the transaction started, by the clock of the charge point. If the time cannot "
            "be read, the time of receipt is used."
        ),
    ]
    meter_start: Annotated[int, msgspec.Meta(description="Meter reading at the start, in Wh.")]
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
            description="Meter reading at the stop, in Wh. null means that the transaction is open."
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
            "means that the transaction is open.",
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


class TransactionPage(msgspec.Struct, frozen=True):
    """A page of transactions."""

    items: Annotated[
        tuple[TransactionAnswer, ...],
        msgspec.Meta(description="The transactions of this page, the latest start first."),
    ]
    next: Next


class MeterValueAnswer(msgspec.Struct, frozen=True):
    """A MeterValue with the member names of OCPP 1.6, and the source and the time of receipt."""

    timestamp: Annotated[
        Time,
        msgspec.Meta(
            description="When the values were measured, by the clock of the charge point. If the time cannot "
            "be read, the time in `received_at` is used."
        ),
    ]
    sampledValue: Annotated[  # noqa: N815  the name in OCPP
        list[dict[str, Any]],
        msgspec.Meta(
            description="SampledValues as the charge point sent them. A value without `measurand` is "
            "Energy.Active.Import.Register, and energy without `unit` is in Wh (OCPP 1.6 section 7.43).",
            examples=[[{"value": "1520", "measurand": "Energy.Active.Import.Register", "unit": "Wh"}]],
        ),
    ]
    source: Annotated[
        str,
        msgspec.Meta(
            description="Where the values came from: MeterValues (the message MeterValues) or "
            "transactionData (the member of StopTransaction).",
            examples=["MeterValues"],
        ),
    ]
    received_at: ReceivedAt


class MeterValuesPage(msgspec.Struct, frozen=True):
    """The meter values of a transaction."""

    items: Annotated[
        tuple[MeterValueAnswer, ...],
        msgspec.Meta(description="All meter values of the transaction, in the order of arrival."),
    ]
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
@document_response(MeterValuesPage)
async def list_meter_values(tenant: str, transaction: str) -> Response:
    """List the meter values of a transaction.

    The transactionData of the StopTransaction comes last.
    """
    found = await _get(current_store(), tenant, transaction)
    messages = await meter_values.read(current_store(), tenant, found.charge_point, found.id)
    items = [item for message in messages for item in items_of(message)]
    return bodies.answer({"items": items, "next": None})


async def _get(store: Store, tenant: str, public_id: str) -> Transaction:
    return must_exist(await listing.get(store, tenant, public_id), "transaction")


def _answer(transaction: Transaction) -> TransactionAnswer:
    return convert(
        transaction,
        TransactionAnswer,
        id=listing.public_id(transaction.charge_point, transaction.id),
        transaction_id=transaction.id,
        started_at=times.sent_or(transaction.started_at, transaction.started_ms),
        stopped_at=None
        if transaction.stopped_at is None
        else times.sent_or(transaction.stopped_at, transaction.stopped_ms or 0),
    )


def items_of(message: StoredValues) -> list[dict[str, Any]]:
    """Return each MeterValue of a message as a MeterValueAnswer."""
    source = "transactionData" if message.connector_id is None else "MeterValues"
    received = times.text(message.received_ms)
    values = msgspec.json.decode(message.payload, type=list[dict[str, msgspec.Raw]])
    return [
        {
            **value,
            "timestamp": _normalise(value.get("timestamp")) or received,
            "source": source,
            "received_at": received,
        }
        for value in values
    ]


def _normalise(sent: msgspec.Raw | None) -> str | None:
    text = None if sent is None else msgspec.json.decode(sent)
    return times.normalise(text) if isinstance(text, str) else None
