"""Transactions as operators read them; charge points alone write them."""

from datetime import datetime
from typing import Annotated, Any

import msgspec
from quart import Response
from quart_schema import document_querystring, document_response

from admin.http import AllInOne, Next, Paging, bodies, convert, must_exist, new_blueprint, times
from admin.services import current_store
from state.store import Store
from state.transactions import listing, meter_values
from state.transactions.listing import Transaction
from state.transactions.meter_values import StoredValues

blueprint = new_blueprint("transactions", "Transactions")


class TransactionQuery(Paging, frozen=True, forbid_unknown_fields=True):
    charge_point: Annotated[str | None, msgspec.Meta(description="Only this charge point's.")] = None
    open: Annotated[
        bool | None, msgspec.Meta(description="true: only those not stopped yet; false: only stopped.")
    ] = None
    since: Annotated[
        Annotated[datetime, msgspec.Meta(tz=True)] | None,
        msgspec.Meta(
            description="Only those that started at or after this time.", examples=["2026-01-01T00:00:00Z"]
        ),
    ] = None


class TransactionAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A transaction. What the stop tells is null while it is open. Meters are in Wh."""

    id: Annotated[str, msgspec.Meta(description="`<charge point>.<n>`.", examples=["CP-1.59791234"])]
    transaction_id: Annotated[int, msgspec.Meta(description="The number that OCPP messages carry.")]
    charge_point: str
    connector_id: int
    id_tag: Annotated[str, msgspec.Meta(description="Who started it.")]
    started_at: Annotated[str, msgspec.Meta(examples=["2026-01-01T12:00:00Z"])]
    meter_start: int
    stopped_at: str | None
    meter_stop: int | None
    stop_id_tag: Annotated[str | None, msgspec.Meta(description="Who stopped it, if it was told.")]
    reason: Annotated[str | None, msgspec.Meta(examples=["EVDisconnected"])]
    energy_wh: Annotated[
        int | None, msgspec.Meta(description="meter_stop - meter_start, as it was reported.")
    ]
    reservation_id: int | None


class TransactionPage(msgspec.Struct, frozen=True):
    """Transactions, the latest start first."""

    items: tuple[TransactionAnswer, ...]
    next: Next


class MeterValueAnswer(msgspec.Struct, frozen=True):
    """A MeterValue of OCPP 1.6 as the charge point sent it, in camelCase, and what brought it."""

    timestamp: Annotated[str, msgspec.Meta(examples=["2026-01-01T12:05:00Z"])]
    sampledValue: Annotated[  # noqa: N815  OCPP's own spelling
        list[dict[str, Any]],
        msgspec.Meta(
            examples=[[{"value": "1520", "measurand": "Energy.Active.Import.Register", "unit": "Wh"}]],
        ),
    ]
    source: Annotated[
        str, msgspec.Meta(description="MeterValues, or transactionData for what StopTransaction brought.")
    ]
    received_at: str


class MeterValuesPage(msgspec.Struct, frozen=True):
    """All meter values of a transaction, in the order in which they arrived."""

    items: tuple[MeterValueAnswer, ...]
    next: AllInOne = None


@blueprint.get("/v1/tenants/<name:tenant>/transactions")
@document_querystring(TransactionQuery)
@document_response(TransactionPage)
async def list_transactions(tenant: str) -> Response:
    """List transactions, newest first."""
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
    """List a transaction's meter values.

    What StopTransaction brought as transactionData is among them, last.
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
        started_at=times.prefer_sent(transaction.started_at, transaction.started_ms),
        stopped_at=None
        if transaction.stopped_at is None
        else times.prefer_sent(transaction.stopped_at, transaction.stopped_ms or 0),
    )


def items_of(message: StoredValues) -> list[dict[str, Any]]:
    """Each MeterValue of a message as a MeterValueAnswer."""
    source = "transactionData" if message.connector_id is None else "MeterValues"
    received = times.text(message.received_ms)
    values = msgspec.json.decode(message.payload, type=list[dict[str, msgspec.Raw]])
    return [{**value, "source": source, "received_at": received} for value in values]
