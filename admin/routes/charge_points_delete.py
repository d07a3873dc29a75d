"""The route that deletes a charge point."""

from typing import Annotated

import msgspec
from quart import Response, g
from quart_schema import document_querystring, document_response

from admin.http import Problem, bodies, conditions, convert, describes, must_exist, new_blueprint
from admin.routes.charge_points import ChargePointSettings
from admin.services import current_store
from state import charge_points, keys
from state.charge_points import ChargePointRecord, OpenTransactions
from state.nodes import inbox
from state.nodes.inbox import Disconnect, DisconnectReason

blueprint = new_blueprint("charge_points_delete", "Charge points")


class DeleteQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    purge: Annotated[
        bool,
        msgspec.Meta(
            description="Whether to destroy the finished transactions of the charge point too, with their "
            "meter values. csms keeps no copy in the store. What is in the archive stays there."
        ),
    ] = False


@blueprint.delete("/v1/tenants/<name:tenant>/charge-points/<name:charge_point>")
@document_querystring(DeleteQuery)
@document_response(None, 204)
@describes(
    **conditions.describe_delete(
        {
            409: "The charge point has open transactions, and nothing was deleted. `transaction` is the "
            "public id of the one that began first, and `open_transactions` is their number."
        }
    )
)
async def delete_charge_point(tenant: str, charge_point: str) -> Response:
    """Delete a charge point, but keep its finished transactions.

    The finished transactions stay in the lists and can be read by their ids, with their meter values. They
    leave the store as those of other charge points do. A new charge point with the same id gets higher
    transaction ids. Everything else that csms has stored about the charge point is destroyed: its settings,
    orphaned stops, stray meter values, configuration, local list, charging profiles, reservations,
    certificates, jobs, security events and trace, and the places that its transactions took of id tags with a
    limit. A charge point with an open transaction is not deleted (409). End such a transaction first.

    `purge=true` destroys the finished transactions in the store as well, and those that an earlier DELETE
    kept. Bill them first, because csms keeps no copy. If a purge was interrupted, repeat it: it destroys the
    rest. A purge also works while the store is full.

    csms also closes the connection of the charge point. A transaction that the charge point starts before its
    connection is closed is stored; such a transaction is listed, and DELETE then gets 409 again. If
    `auto_register` of the tenant is true, csms registers the charge point as a new one when it connects
    again. To prevent this, also revoke the token that the charge point uses.

    With If-Match, csms deletes the charge point only if it has the settings that If-Match names. To repeat an
    interrupted purge, leave If-Match out, because the charge point itself may be gone.
    """
    asked, store = bodies.query(DeleteQuery), current_store()
    deleted = await charge_points.delete(
        store,
        tenant,
        charge_point,
        purge=asked.purge,
        api_key=g.api_key.id,
        check=_check if conditions.is_conditional() else None,
    )
    if isinstance(deleted, OpenTransactions):
        number, first = deleted.number, deleted.first
        are = f"{number} open transactions; the first is" if number > 1 else "an open transaction:"
        raise Problem(
            409,
            "open-transactions",
            f"The charge point has {are} {first}. Send RemoteStopTransaction, or end each open transaction "
            f"with POST .../transactions/{first}/end, and then delete the charge point.",
            members={"transaction": first, "open_transactions": number},
        )
    must_exist(deleted, "charge point")
    # The message goes to all nodes, because a session on any node may have claimed the charge point a moment
    # ago.
    gone = Disconnect(keys.join(tenant, charge_point), DisconnectReason.DELETED)
    await inbox.broadcast(store, gone)
    return bodies.no_content()


def _check(found: ChargePointRecord | None) -> None:
    """Raise Problem (412) unless the charge point meets the condition of the request."""
    conditions.check(None if found is None else convert(found, ChargePointSettings))
