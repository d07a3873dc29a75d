"""Routes of transactions and their meter values. Operators can read them, and end an open transaction."""

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Literal

import msgspec
from quart import Response, g
from quart_schema import document_querystring, document_request, document_response

from admin.http import (
    AllInOne,
    InputError,
    Next,
    Paging,
    Problem,
    bodies,
    convert,
    describes,
    must_exist,
    new_blueprint,
    times,
)
from admin.http.times import Time
from admin.routes.last_reading import MOST_WH, find_last
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
from state.transactions import ending, listing, meter_values
from state.transactions.ending import End, StillCharging
from state.transactions.listing import State, Transaction
from state.transactions.stored_values import StoredValues

AHEAD_MS = 60_000
"""How far a time that an operator gives may be ahead of the clock of csms."""

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


class EndAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The end of a transaction by an operator, because its StopTransaction did not come."""

    at: Annotated[
        Time,
        msgspec.Meta(description="When the transaction ended. `at_source` says where this time is from."),
    ]
    at_source: Annotated[
        Literal["given", "meter_values", "start"],
        msgspec.Meta(
            description="Where `at` is from. `given` is the request of the operator, `meter_values` the last "
            "meter values of the transaction, and `start` the StartTransaction.",
            examples=["meter_values"],
        ),
    ]
    meter: Annotated[
        int | None,
        msgspec.Meta(
            description="Meter reading at the end, in Wh. null means that the reading is unknown.",
            examples=[1600],
        ),
    ]
    meter_source: Annotated[
        Literal["given", "meter_values"] | None,
        msgspec.Meta(
            description="Where `meter` is from. `given` is the request of the operator, and `meter_values` "
            "the last energy register among the meter values of the transaction. null means that `meter` is "
            "null.",
            examples=["meter_values"],
        ),
    ]
    received_at: Annotated[
        Time, msgspec.Meta(description="When csms received the request of the operator, by its own clock.")
    ]
    api_key: Annotated[
        str, msgspec.Meta(description="Id of the API key of the request.", examples=["Zt1bnqkC"])
    ]


class TransactionAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A transaction. Until its StopTransaction comes, the members that come from StopTransaction are null."""

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
    state: Annotated[
        State,
        msgspec.Meta(
            description="`open` means that the transaction runs, as far as csms knows. `stopped` means that "
            "the charge point sent its StopTransaction. `ended` means that an operator ended the "
            "transaction, and no StopTransaction has come.",
            examples=["stopped"],
        ),
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
            "be read, the time of receipt is used. null means that no StopTransaction has come."
        ),
    ]
    meter_stop: Annotated[
        int | None,
        msgspec.Meta(
            description="Meter reading at the stop, in Wh. null means that no StopTransaction has come, or "
            "that csms could not read it; `stop_as_sent` shows what the charge point sent."
        ),
    ]
    stop_id_tag: Annotated[
        str | None,
        msgspec.Meta(
            description="Id tag that stopped the transaction. null means that no StopTransaction has come, "
            "or that the charge point sent no id tag."
        ),
    ]
    reason: Annotated[
        str | None,
        msgspec.Meta(
            description="Reason of OCPP 1.6 for the stop. null means that no StopTransaction has come, or "
            "that the charge point sent no reason, which in OCPP means Local.",
            examples=["EVDisconnected"],
        ),
    ]
    energy_wh: Annotated[
        int | None,
        msgspec.Meta(
            description="Energy in Wh: `meter_stop` minus `meter_start`, even if that is negative. If the "
            "state is `ended`, the meter reading in `ended` is used instead of `meter_stop`. null means that "
            "the transaction is open, or that one of the readings is unknown.",
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
    ended: Annotated[
        EndAnswer | None,
        msgspec.Meta(
            description="The end of the transaction by an operator. It stays here if the StopTransaction "
            "comes later. null means that no operator ended the transaction."
        ),
    ]


class EndRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a transaction ended. What is left out or null is taken from the last meter values."""

    meter: Annotated[
        Annotated[int, msgspec.Meta(ge=0, le=MOST_WH)] | None,
        msgspec.Meta(
            description="Meter reading at the end, in Wh; at least `meter_start`. If it is left out, the "
            "last energy register (Energy.Active.Import.Register) in the meter values of the transaction is "
            "used, if it is at least `meter_start`. If there is none, the reading stays unknown.",
            examples=[1600],
        ),
    ] = None
    at: Annotated[
        Annotated[datetime, msgspec.Meta(tz=True)] | None,
        msgspec.Meta(
            description="When the transaction ended, as RFC 3339 with a time zone; not before the start, and "
            "not in the future. If it is left out, the time of the meter values that have the last energy "
            "register is used, or the time of the last meter values if none has an energy register. If there "
            "are no meter values, the time of the start is used.",
            examples=["2026-01-01T12:00:00Z"],
        ),
    ] = None
    force: Annotated[
        bool,
        msgspec.Meta(
            description="Whether to end the transaction although its charge point is online and reports that "
            "the connector is charging."
        ),
    ] = False


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


@blueprint.post("/v1/tenants/<name:tenant>/transactions/<name:transaction>/end")
@document_request(EndRequest)
@document_response(TransactionAnswer)
@describes(
    problems={
        409: "The transaction cannot be ended, and nothing was changed. `already-stopped`: it has a "
        "StopTransaction. `already-ended`: an operator has ended it before; a request that is repeated "
        "because its answer was lost gets this. `still-charging`: its charge point is online, the connector "
        "reports Charging, SuspendedEV or SuspendedEVSE, and `force` is not true.",
        422: "The body is not valid, `at` is before the start or in the future, or `meter` is below "
        "`meter_start`. `errors` lists each error with its place in the request.",
    }
)
async def end_transaction(tenant: str, transaction: str) -> Response:
    """End an open transaction whose StopTransaction does not come.

    csms sends nothing to the charge point. To stop a transaction that still charges, send the command
    RemoteStopTransaction instead. The driver may start another transaction at once. If the charge point still
    sends the StopTransaction, csms stores it: the state becomes `stopped`, the energy and the time of the
    StopTransaction count, and `ended` stays beside them.
    """
    asked, store = await bodies.body(EndRequest), current_store()
    found = await _get(store, tenant, transaction)
    now_ms = store.server_time_ms()
    # A transaction that is not open any more gets 409, whatever the request says.
    if found.state == "open" and (errors := list(_find_errors(asked, found, now_ms))):
        raise bodies.refuse(errors, errors[0])
    values = await meter_values.read(store, tenant, found.charge_point, found.id)
    end = _make_end(asked, found, values, now_ms)
    outcome = await ending.end(store, tenant, found, end, force=asked.force)
    if isinstance(outcome, StillCharging):
        raise Problem(
            409,
            "still-charging",
            f"The charge point is online, and connector {found.connector_id} reports {outcome.status}. Send "
            f"RemoteStopTransaction with transactionId {found.id}, or end the transaction with `force` true.",
        )
    must_exist(outcome != "unknown", "transaction")
    now = await _get(store, tenant, transaction)
    match outcome:
        case "stopped":
            stopped = times.text(now.stopped_ms or 0)
            raise Problem(
                409,
                "already-stopped",
                f"The transaction has stopped already, at {stopped}. Read the transaction to see its stop.",
            )
        case "again":
            ended, received = times.text(now.ended_ms or 0), times.text(now.ended_received_ms or 0)
            raise Problem(
                409,
                "already-ended",
                f"The transaction has been ended already, with the time {ended}, by the request that csms "
                f"received at {received}. Read the transaction to see its end.",
            )
    return bodies.answer(_answer(now))


def _find_errors(asked: EndRequest, found: Transaction, now_ms: int) -> Iterator[InputError]:
    if asked.at is not None:
        at_ms = times.milliseconds(asked.at)
        at, otherwise = times.text(at_ms), "give a time between the two, or leave `at` out."
        between = (
            f"the transaction started at {times.text(found.started_ms)}, and now it is {times.text(now_ms)}"
        )
        if at_ms < found.started_ms:
            yield InputError(f"{at} is before the start: {between}; {otherwise}", "/at")
        elif at_ms > now_ms + AHEAD_MS:
            yield InputError(f"{at} is in the future: {between}; {otherwise}", "/at")
    if asked.meter is not None and found.meter_start is not None and asked.meter < found.meter_start:
        yield InputError(
            f"{asked.meter} Wh is below the reading at the start, which is {found.meter_start} Wh; give at "
            "least that, or leave `meter` out.",
            "/meter",
        )


def _make_end(asked: EndRequest, found: Transaction, values: list[StoredValues], now_ms: int) -> End:
    # The operator may not give a reading or a time beyond these bounds either.
    within = range(found.started_ms, now_ms + AHEAD_MS + 1)
    last = find_last(values, least=found.meter_start or 0, within=within)
    time_source: ending.TimeSource = "start"
    meter_source: ending.MeterSource | None = None
    ended_ms, meter = found.started_ms, None
    if last is not None:
        # A start from a clock that is ahead may be later than the time of receipt.
        ended_ms, time_source, meter = max(last.at_ms, found.started_ms), "meter_values", last.meter
        meter_source = None if meter is None else "meter_values"
    if asked.at is not None:
        ended_ms, time_source = times.milliseconds(asked.at), "given"
    if asked.meter is not None:
        meter, meter_source = asked.meter, "given"
    return End(
        ended_ms=ended_ms,
        time_source=time_source,
        meter=meter,
        meter_source=meter_source,
        received_ms=now_ms,
        api_key=g.api_key.id,
    )


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
        ended=None if transaction.ended_ms is None else _answer_end(transaction, transaction.ended_ms),
    )


def _answer_end(transaction: Transaction, ended_ms: int) -> EndAnswer:
    return convert(
        transaction,
        EndAnswer,
        at=times.text(ended_ms),
        at_source=transaction.ended_source,
        meter=transaction.ended_meter,
        meter_source=transaction.ended_meter_source,
        received_at=times.maybe_text(transaction.ended_received_ms),
        api_key=transaction.ended_by,
    )
