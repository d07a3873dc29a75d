"""The end of an open transaction by an operator, because its StopTransaction does not come."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Annotated

import msgspec
from msgspec.structs import replace
from quart import Response, g
from quart_schema import document_request, document_response

from admin.http import InputError, Problem, bodies, describes, must_exist, new_blueprint, times
from admin.routes.archived_transactions import read_transaction
from admin.routes.last_reading import AHEAD_MS, MOST_WH, find_end
from admin.routes.transaction_answer import TransactionAnswer, answer_transaction
from admin.services import current_store, services
from state.transactions import ending, meter_values
from state.transactions.ending import End, StillCharging
from state.transactions.listing import Transaction
from state.transactions.stored_values import StoredValues

blueprint = new_blueprint("transactions_end", "Transactions")


class EndRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a transaction ended. A field that is left out or null is taken from the latest meter values.

    csms looks at the latest 1,000 messages with meter values.
    """

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


@blueprint.post("/v1/tenants/<name:tenant>/transactions/<name:transaction>/end")
@document_request(EndRequest)
@document_response(TransactionAnswer)
@describes(
    problems={
        409: "The transaction cannot be ended, and nothing was changed. `already-stopped`: it has a "
        "StopTransaction. `already-ended`: an operator or a policy has ended it before; a request that is "
        "repeated because its answer was lost gets this. `still-charging`: its charge point is online, the "
        "connector reports Charging, SuspendedEV or SuspendedEVSE, and `force` is not true.",
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
    found, record = await read_transaction(services(), tenant, transaction)
    now_ms = store.server_time_ms()
    # A transaction that is not open any more gets 409, whatever the request says.
    if found.state == "open" and (errors := list(_find_errors(asked, found, now_ms))):
        raise bodies.refuse(errors, errors[0])
    outcome: ending.EndOutcome
    if record is None:
        values = await meter_values.read_latest(store, tenant, found.charge_point, found.id)
        end = _make_end(asked, found, values, now_ms)
        outcome = await ending.end(store, tenant, found, end, force=asked.force)
    else:
        outcome = "stopped" if found.state == "stopped" else "again"
    if isinstance(outcome, StillCharging):
        raise Problem(
            409,
            "still-charging",
            f"The charge point is online, and connector {found.connector_id} reports {outcome.status}. Send "
            f"RemoteStopTransaction with transactionId {found.id}, or end the transaction with `force` true.",
        )
    must_exist(outcome != "unknown", "transaction")
    now, _ = await read_transaction(services(), tenant, transaction)
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
                f"The transaction has been ended already, with the time {ended}, at {received}. Read the "
                "transaction to see its end.",
            )
    return bodies.answer(answer_transaction(now))


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


def _make_end(asked: EndRequest, found: Transaction, values: Sequence[StoredValues], now_ms: int) -> End:
    end = find_end(found, values, now_ms, api_key=g.api_key.id)
    if asked.at is not None:
        end = replace(end, ended_ms=times.milliseconds(asked.at), time_source="given")
    if asked.meter is not None:
        end = replace(end, meter=asked.meter, meter_source="given")
    return end
