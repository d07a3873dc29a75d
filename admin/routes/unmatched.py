"""What no transaction owns: stops of unknown transactions, and meter values outside of all that are known."""

from typing import Annotated, Any

import msgspec
from quart import Response
from quart_schema import document_querystring, document_response

from admin.http import AllInOne, bodies, convert, lookup, must_exist, new_blueprint, times
from admin.routes.transactions import MeterValueAnswer, items_of
from admin.services import current_store
from state.transactions import meter_values, orphans
from state.transactions.meter_values import StoredValues
from state.transactions.orphans import Orphan

blueprint = new_blueprint("unmatched", "Transactions")


class OrphanedStopAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A StopTransaction whose transaction is not known here, as it was sent."""

    id: Annotated[str, msgspec.Meta(description="Names it in this list.", examples=["kD3x0aQz1v9bW5eT"])]
    transaction_id: Annotated[str, msgspec.Meta(description="As sent.", examples=["-1"])]
    stopped_at: Annotated[str, msgspec.Meta(examples=["2026-01-01T12:00:00Z"])]
    meter_stop: Annotated[int, msgspec.Meta(description="In Wh.")]
    id_tag: str | None
    reason: str | None
    received_at: str


class OrphanedStopPage(msgspec.Struct, frozen=True):
    """A charge point's orphaned stops, in the order in which they arrived."""

    items: tuple[OrphanedStopAnswer, ...]
    evicted: Annotated[
        int, msgspec.Meta(description="How many older ones gave way; the latest 200 are kept.")
    ]
    next: AllInOne = None


class UnmatchedQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    connector_id: Annotated[
        int,
        msgspec.Meta(
            ge=0,
            le=2_147_483_647,
            description="Those beyond 254 share one list. What orphaned stops brought is at 0.",
        ),
    ] = 0


class UnmatchedMeterValueAnswer(MeterValueAnswer, frozen=True):
    """A MeterValue of OCPP 1.6 that belongs to no transaction known here, and what brought it."""

    connector_id: int | None
    transaction_id: Annotated[str | None, msgspec.Meta(description="As sent; null: none was.")]


class UnmatchedMeterValuesPage(msgspec.Struct, frozen=True):
    """A connector's meter values of no known transaction, as they arrived; the latest 256 messages."""

    items: tuple[UnmatchedMeterValueAnswer, ...]
    next: AllInOne = None


@blueprint.get("/v1/tenants/<name:tenant>/charge-points/<name:charge_point>/orphaned-stops")
@document_response(OrphanedStopPage)
async def list_orphaned_stops(tenant: str, charge_point: str) -> Response:
    """List stops whose transaction is not known here.

    Nothing is guessed from them: settle them by hand, and delete them then. Their transactionData is among
    the stray meter values of connector 0.
    """
    await lookup.charge_point(current_store(), tenant, charge_point)
    kept = await orphans.read(current_store(), tenant, charge_point)
    return bodies.answer(OrphanedStopPage(tuple(map(_orphan, kept.items)), kept.evicted))


@blueprint.delete("/v1/tenants/<name:tenant>/charge-points/<name:charge_point>/orphaned-stops/<name:orphan>")
@document_response(None, 204)
async def delete_orphaned_stop(tenant: str, charge_point: str, orphan: str) -> Response:
    """Delete an orphaned stop that was settled by hand.

    If the charge point sends it once more, because it never got our answer, it is listed again.
    """
    await lookup.charge_point(current_store(), tenant, charge_point)
    must_exist(await orphans.forget(current_store(), tenant, charge_point, orphan), "orphaned stop")
    return bodies.no_content()


@blueprint.get("/v1/tenants/<name:tenant>/charge-points/<name:charge_point>/stray-meter-values")
@document_querystring(UnmatchedQuery)
@document_response(UnmatchedMeterValuesPage)
async def list_stray_meter_values(tenant: str, charge_point: str) -> Response:
    """List a connector's meter values that belong to no transaction known here."""
    asked, store = bodies.query(UnmatchedQuery), current_store()
    await lookup.charge_point(store, tenant, charge_point)
    found = await meter_values.read_strays(store, tenant, charge_point, asked.connector_id)
    return bodies.answer({"items": [item for message in found for item in _items(message)], "next": None})


def _orphan(orphan: Orphan) -> OrphanedStopAnswer:
    stopped_at = times.prefer_sent(orphan.timestamp, orphan.stopped_ms)
    return convert(orphan, OrphanedStopAnswer, id=orphan.digest(), stopped_at=stopped_at)


def _items(message: StoredValues) -> list[dict[str, Any]]:
    owner = {"connector_id": message.connector_id, "transaction_id": message.transaction_id}
    return [{**item, **owner} for item in items_of(message)]
