"""The route with which an operator joins an orphaned stop to its transaction."""

from collections.abc import Iterator
from typing import Annotated

import msgspec
from quart import Response, g
from quart_schema import document_request, document_response

from admin.http import Problem, bodies, describes, invalid, lookup, must_exist, new_blueprint, times
from admin.routes.archived_transactions import read_transaction
from admin.routes.transaction_answer import TransactionAnswer, answer_transaction
from admin.services import current_store, services
from state.keys import ChargePointKeys
from state.transactions import joining, orphans
from state.transactions.ending import StillCharging
from state.transactions.joining import Join
from state.transactions.listing import Transaction, parse_public_id, public_id
from state.transactions.orphans import Orphan

blueprint = new_blueprint("orphaned_stops_join", "Transactions")


class JoinRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The transaction to which an orphaned stop belongs."""

    transaction: Annotated[
        str,
        msgspec.Meta(
            description="Public id of the transaction, which must be one of the same charge point.",
            examples=["CP-1.59791234"],
        ),
    ]
    force: Annotated[
        bool,
        msgspec.Meta(
            description="Whether to join the stop although its time or its meter reading is below that of "
            "the start, or although the connector reports that it is charging."
        ),
    ] = False


@blueprint.post(
    "/v1/tenants/<name:tenant>/charge-points/<name:charge_point>/orphaned-stops/<name:orphan>/join"
)
@document_request(JoinRequest)
@document_response(TransactionAnswer)
@describes(
    problems={
        409: "The stop cannot be joined, and nothing was changed. `already-joined`: it was joined to another "
        "transaction. `contradicting-stop`: it contradicts the stop of its own transaction. "
        "`already-stopped`: the transaction has a StopTransaction. `transaction-archived`: the transaction "
        "has left the store. `implausible-stop`: the stop is before the start, or its meter reading is below "
        "that of the start, and `force` is not true. `still-charging`: the charge point is online, the "
        "connector reports Charging, SuspendedEV or SuspendedEVSE, and `force` is not true.",
        422: "The body is not valid, or `transaction` is not a transaction of the charge point. `errors` "
        "lists each error with its place in the request.",
    }
)
async def join_orphaned_stop(tenant: str, charge_point: str, orphan: str) -> Response:
    """Join an orphaned stop to its transaction, which may be open, or ended by an operator or a policy.

    csms stores the stop as the StopTransaction of the transaction, and sends nothing to the charge point. The
    transaction is `stopped` then, and shows in `joined` who did this. If it was ended before, the stop counts
    and the end stays beside it. The orphaned stop stays in the list with `joined_to`, so that csms knows it
    if the charge point sends it again. A request that is repeated changes nothing and gets the same answer.
    """
    asked, store = await bodies.body(JoinRequest), current_store()
    await lookup.charge_point(store, tenant, charge_point)
    keys = ChargePointKeys(tenant, charge_point)
    stored = must_exist(await orphans.get(store, keys, orphan), "orphaned stop")
    id_ = _find_id(asked.transaction, charge_point)
    found, archived = await _find_transaction(tenant, asked.transaction)
    if stored.orphan.joined_to == id_ and found.joined_ms is not None:
        return bodies.answer(answer_transaction(found, archived=archived))
    _check(stored.orphan, found, archived=archived, force=asked.force)
    join = Join(g.api_key.id, store.server_time_ms())
    outcome = await joining.join(store, keys, id_, stored, join, force=asked.force)
    if isinstance(outcome, StillCharging):
        raise Problem(
            409,
            "still-charging",
            f"The charge point is online, and connector {found.connector_id} reports {outcome.status}. Send "
            f"RemoteStopTransaction with transactionId {id_}, or join the stop with `force` true.",
        )
    if outcome == "changed":
        must_exist(await orphans.get(store, keys, orphan), "orphaned stop")
        raise Problem(409, "already-joined", "Another request has just joined the orphaned stop.")
    now, archived = await _find_transaction(tenant, asked.transaction)
    if outcome == "stopped":
        raise _already_stopped(now)
    return bodies.answer(answer_transaction(now, archived=archived))


def _find_id(transaction: str, charge_point: str) -> int:
    try:
        of, id_ = parse_public_id(transaction)
    except ValueError as error:
        raise invalid(f"{error}.", pointer="/transaction") from None
    if of != charge_point:
        raise invalid(
            f"{transaction} is a transaction of {of}; an orphaned stop of {charge_point} can only be joined "
            "to one of its own transactions.",
            pointer="/transaction",
        )
    return id_


async def _find_transaction(tenant: str, transaction: str) -> tuple[Transaction, bool]:
    """Return the transaction, and whether it has left the store. Raises Problem (422, 503)."""
    try:
        found, record = await read_transaction(services(), tenant, transaction)
    except Problem as problem:
        if problem.status != 404:
            raise
        raise invalid(f"There is no transaction {transaction}.", pointer="/transaction") from None
    return found, record is not None


def _already_stopped(found: Transaction) -> Problem:
    return Problem(
        409,
        "already-stopped",
        f"The transaction has stopped already, at {times.text(found.stopped_ms or 0)}. Read the transaction "
        "to see its stop.",
    )


def _check(orphan: Orphan, found: Transaction, *, archived: bool, force: bool) -> None:
    """Raise Problem (409) if it makes no sense that the orphan is the stop of the transaction."""
    if orphan.joined_to is not None:
        other = public_id(found.charge_point, orphan.joined_to)
        raise Problem(409, "already-joined", f"The orphaned stop was joined to {other} before.")
    if orphan.contradicts:
        other = public_id(found.charge_point, orphan.transaction_id or "")
        raise Problem(
            409,
            "contradicting-stop",
            f"The orphaned stop is one of {other}, which has another stop, so it is not the stop of any "
            "other transaction.",
        )
    if found.state == "stopped":
        raise _already_stopped(found)
    if archived:
        raise Problem(
            409,
            "transaction-archived",
            "The transaction has left the store, so it cannot be changed.",
        )
    doubts = list(_find_doubts(orphan, found))
    if doubts and not force:
        raise Problem(
            409,
            "implausible-stop",
            f"{' '.join(doubts)} Check that the stop belongs to the transaction, and then join it with "
            "`force` true.",
        )


def _find_doubts(orphan: Orphan, found: Transaction) -> Iterator[str]:
    if orphan.stopped_ms < found.started_ms:
        stopped, started = times.text(orphan.stopped_ms), times.text(found.started_ms)
        yield f"The time of the stop, {stopped}, is before that of the start, {started}."
    meter, start = orphan.meter_stop, found.meter_start
    if meter is not None and start is not None and meter < start:
        yield f"The reading at the stop, {meter} Wh, is below that at the start, {start} Wh."
