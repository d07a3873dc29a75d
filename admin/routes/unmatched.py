"""Routes of data that belongs to no known transaction: orphaned stops and stray meter values."""

from typing import Annotated, Any

import msgspec
from quart import Response
from quart_schema import document_querystring, document_response

from admin.http import AllInOne, bodies, convert, lookup, must_exist, new_blueprint, times
from admin.http.times import Time
from admin.routes.members import ReceivedAt
from admin.routes.transactions import MeterValueAnswer, items_of
from admin.services import current_store
from state.transactions import meter_values, orphans
from state.transactions.meter_values import StoredValues
from state.transactions.orphans import Orphan

blueprint = new_blueprint("unmatched", "Transactions")


class OrphanedStopAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A StopTransaction whose transaction csms does not know."""

    id: Annotated[
        str,
        msgspec.Meta(
            description="Id of the orphaned stop in this API; use it to delete the orphaned stop.",
            examples=["kD3x0aQz1v9bW5eT"],
        ),
    ]
    transaction_id: Annotated[
        str, msgspec.Meta(description="transactionId as the charge point sent it.", examples=["-1"])
    ]
    stopped_at: Annotated[
        Time,
        msgspec.Meta(
            description="When the transaction stopped, by the clock of the charge point. If the time cannot "
            "be read, the time in `received_at` is used."
        ),
    ]
    meter_stop: Annotated[int, msgspec.Meta(description="Meter reading at the stop, in Wh.")]
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


class OrphanedStopPage(msgspec.Struct, frozen=True):
    """The orphaned stops of a charge point."""

    items: Annotated[
        tuple[OrphanedStopAnswer, ...],
        msgspec.Meta(description="The orphaned stops, in the order of arrival."),
    ]
    evicted: Annotated[
        int,
        msgspec.Meta(
            description="How many older orphaned stops are no longer kept. The latest 200 orphaned stops are "
            "kept."
        ),
    ]
    next: AllInOne = None


class UnmatchedQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    connector_id: Annotated[
        int,
        msgspec.Meta(
            ge=0,
            le=2_147_483_647,
            description="Number of the connector. Connectors above 254 share one list. Connector 0 also has "
            "the transactionData of orphaned stops.",
        ),
    ] = 0


class UnmatchedMeterValueAnswer(MeterValueAnswer, frozen=True):
    """A MeterValue of OCPP 1.6 without a known transaction, and what csms knows about the message with it."""

    connector_id: Annotated[
        int | None,
        msgspec.Meta(
            description="Number of the connector. null means that the values came with a StopTransaction."
        ),
    ]
    transaction_id: Annotated[
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
        msgspec.Meta(description="The values of the latest 256 messages, in the order of arrival."),
    ]
    next: AllInOne = None


@blueprint.get("/v1/tenants/<name:tenant>/charge-points/<name:charge_point>/orphaned-stops")
@document_response(OrphanedStopPage)
async def list_orphaned_stops(tenant: str, charge_point: str) -> Response:
    """List the StopTransactions whose transaction csms does not know.

    An orphaned stop is such a StopTransaction. csms does not assign an orphaned stop to any transaction. Deal
    with each orphaned stop by hand, then delete it from the list. The transactionData of orphaned stops is
    among the stray meter values of connector 0.
    """
    await lookup.charge_point(current_store(), tenant, charge_point)
    kept = await orphans.read(current_store(), tenant, charge_point)
    return bodies.answer(OrphanedStopPage(tuple(map(_orphan, kept.items)), kept.evicted))


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
    return bodies.answer({"items": [item for message in found for item in _items(message)], "next": None})


def _orphan(orphan: Orphan) -> OrphanedStopAnswer:
    stopped_at = times.sent_or(orphan.timestamp, orphan.stopped_ms)
    return convert(orphan, OrphanedStopAnswer, id=orphan.digest(), stopped_at=stopped_at)


def _items(message: StoredValues) -> list[dict[str, Any]]:
    owner = {"connector_id": message.connector_id, "transaction_id": message.transaction_id}
    return [{**item, **owner} for item in items_of(message)]
