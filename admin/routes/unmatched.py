"""Routes of data that belongs to no known transaction: orphaned stops and stray meter values."""

from typing import Annotated, Any

import msgspec
from quart import Response
from quart_schema import document_querystring, document_response

from admin.http import AllInOne, bodies, convert, lookup, must_exist, new_blueprint, times
from admin.http.times import Time
from admin.routes.members import AsSent, ReceivedAt
from admin.routes.meter_value_messages import (
    MeterValueAnswer,
    Raw,
    RawMessages,
    read_items,
    read_raw,
)
from admin.services import current_store
from state.transactions import meter_values, orphans
from state.transactions.listing import public_id
from state.transactions.orphans import Orphan
from state.transactions.stored_values import StoredValues

blueprint = new_blueprint("unmatched", "Transactions")


class OrphanedStopAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A StopTransaction of an unknown transaction, or one that contradicts the stop of its transaction."""

    id: Annotated[
        str,
        msgspec.Meta(
            description="Id of the orphaned stop in this API; use it to delete the orphaned stop.",
            examples=["kD3x0aQz1v9bW5eT"],
        ),
    ]
    ocpp_transaction_id: Annotated[
        str | None,
        msgspec.Meta(
            description="transactionId as the charge point sent it. null means that csms could not read it; "
            "`as_sent` shows what the charge point sent.",
            examples=["-1"],
        ),
    ]
    contradicts: Annotated[
        str | None,
        msgspec.Meta(
            description="Public id of the transaction whose stored stop differs from this one. null means "
            "that csms does not know the transaction.",
            examples=["CP-1.59791234"],
        ),
    ]
    joined_to: Annotated[
        str | None,
        msgspec.Meta(
            description="Public id of the transaction to which an operator joined this stop, which is done "
            "with. null means that the stop was not joined.",
            examples=["CP-1.59791234"],
        ),
    ]
    stopped_at: Annotated[
        Time,
        msgspec.Meta(
            description="When the transaction stopped, by the clock of the charge point. If the time cannot "
            "be read, the time in `received_at` is used."
        ),
    ]
    meter_stop: Annotated[
        int | None,
        msgspec.Meta(
            description="Meter reading at the stop, in Wh. null means that csms could not read it; `as_sent` "
            "shows what the charge point sent."
        ),
    ]
    id_tag: Annotated[
        str | None,
        msgspec.Meta(
            description="Id tag that stopped the transaction. null means that the charge point sent no id "
            "tag."
        ),
    ]
    reason: Annotated[
        str | None,
        msgspec.Meta(
            description="Reason of OCPP 1.6 for the stop. null means that the charge point sent no reason, "
            "which in OCPP means Local.",
            examples=["PowerLoss"],
        ),
    ]
    received_at: ReceivedAt
    as_sent: AsSent


class OrphanedStopPage(msgspec.Struct, frozen=True):
    """The orphaned stops of a charge point."""

    items: Annotated[
        tuple[OrphanedStopAnswer, ...],
        msgspec.Meta(description="The orphaned stops, in the order of arrival."),
    ]
    evicted: Annotated[
        int,
        msgspec.Meta(
            description="How many older stops are no longer kept. The latest 10,000 stops are kept."
        ),
    ]
    next: AllInOne = None


class UnmatchedQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    connector_id: Annotated[
        int,
        msgspec.Meta(
            ge=0,
            le=2_147_483_647,
            description="Number of the connector. Connectors above 254 share one list, which also has the "
            "values whose connector csms could not read. Connector 0 also has the transactionData of "
            "orphaned stops.",
        ),
    ] = 0
    raw: Raw = False


class UnmatchedMeterValueAnswer(MeterValueAnswer, frozen=True):
    """A MeterValue of OCPP 1.6 without a known transaction, and what csms knows about the message with it."""

    connector_id: Annotated[
        int | None,
        msgspec.Meta(
            description="Number of the connector. null means that the values came with a StopTransaction, or "
            "that csms could not read the number."
        ),
    ]
    ocpp_transaction_id: Annotated[
        str | None,
        msgspec.Meta(
            description="transactionId as the charge point sent it. null means that the charge point sent no "
            "transactionId."
        ),
    ]


class UnmatchedMeterValuesPage(msgspec.Struct, frozen=True):
    """The meter values of a connector that belong to no known transaction."""

    items: Annotated[
        tuple[UnmatchedMeterValueAnswer, ...],
        msgspec.Meta(description="The meter values, in the order of arrival."),
    ]
    evicted: Annotated[
        int,
        msgspec.Meta(
            description="How many older messages of the charge point, on any connector, are no longer kept. "
            "The latest 10,000 messages are kept. This limit does not apply to messages "
            "without a transactionId while a transaction runs on their connector: all of these are kept."
        ),
    ]
    raw: RawMessages = None
    next: AllInOne = None


@blueprint.get("/v1/tenants/<name:tenant>/charge-points/<name:charge_point>/orphaned-stops")
@document_response(OrphanedStopPage)
async def list_orphaned_stops(tenant: str, charge_point: str) -> Response:
    """List the stops that csms could not store with a transaction.

    An orphaned stop is such a StopTransaction. csms does not assign an orphaned stop to any transaction by
    itself. Join each orphaned stop to its transaction, or deal with it by hand and delete it from the list.
    The transactionData of orphaned stops is among the stray meter values of connector 0.
    """
    await lookup.charge_point(current_store(), tenant, charge_point)
    kept = await orphans.read(current_store(), tenant, charge_point)
    items = tuple(_orphan(charge_point, one) for one in kept.items)
    return bodies.answer(OrphanedStopPage(items, kept.evicted))


@blueprint.delete("/v1/tenants/<name:tenant>/charge-points/<name:charge_point>/orphaned-stops/<name:orphan>")
@document_response(None, 204)
async def delete_orphaned_stop(tenant: str, charge_point: str, orphan: str) -> Response:
    """Delete an orphaned stop from the list, for instance after you have dealt with it by hand.

    If the charge point never received the answer of csms, it sends the StopTransaction again, and csms lists
    the orphaned stop again.
    """
    await lookup.charge_point(current_store(), tenant, charge_point)
    must_exist(await orphans.forget(current_store(), tenant, charge_point, orphan), "orphaned stop")
    return bodies.no_content()


@blueprint.get("/v1/tenants/<name:tenant>/charge-points/<name:charge_point>/stray-meter-values")
@document_querystring(UnmatchedQuery)
@document_response(UnmatchedMeterValuesPage)
async def list_stray_meter_values(tenant: str, charge_point: str) -> Response:
    """List the meter values of a connector that belong to no known transaction."""
    asked, store = bodies.query(UnmatchedQuery), current_store()
    await lookup.charge_point(store, tenant, charge_point)
    found = await meter_values.read_strays(store, tenant, charge_point, asked.connector_id)
    items = [item for message in found.messages for item in _items(message)]
    raw = list(map(read_raw, found.messages)) if asked.raw else None
    return bodies.answer({"items": items, "evicted": found.evicted, "raw": raw, "next": None})


def _orphan(charge_point: str, orphan: Orphan) -> OrphanedStopAnswer:
    of = orphan.transaction_id
    return convert(
        orphan,
        OrphanedStopAnswer,
        id=orphan.digest(),
        ocpp_transaction_id=of,
        stopped_at=times.sent_or(orphan.timestamp, orphan.stopped_ms),
        contradicts=public_id(charge_point, of) if orphan.contradicts and of is not None else None,
        joined_to=None if orphan.joined_to is None else public_id(charge_point, orphan.joined_to),
        as_sent=None if orphan.as_sent is None else msgspec.Raw(orphan.as_sent),
    )


def _items(message: StoredValues) -> list[dict[str, Any]]:
    owner = {"connector_id": message.connector_id, "ocpp_transaction_id": message.transaction_id}
    return [{**item, **owner} for item in read_items(message)]
