"""Routes of the faults of a charge point: how often each fault was seen, and what the fault means."""

from itertools import starmap
from typing import Annotated

import msgspec
from quart import Response
from quart_schema import document_response

from admin.http import AllInOne, bodies, lookup, new_blueprint, times
from admin.http.times import Time
from admin.services import current_store
from gateway.ocpp16.faults.table import FAULTS, Fault, FaultKind
from state.charge_points import faults
from state.charge_points.faults import Tally

blueprint = new_blueprint("faults", "Charge points")

_UNKNOWN = Fault(
    "exchange", "A gateway of another version counted this fault; this version does not know its meaning."
)


class FaultAnswer(msgspec.Struct, frozen=True):
    """Something that a charge point did wrong, and that csms repaired, tolerated or refused."""

    name: Annotated[
        str,
        msgspec.Meta(
            description="Stable name of the fault, also used in metrics.", examples=["number_for_text"]
        ),
    ]
    count: Annotated[
        int,
        msgspec.Meta(
            ge=1,
            description="How often the fault was seen since the charge point was registered or its faults "
            "were deleted.",
        ),
    ]
    last_at: Annotated[Time, msgspec.Meta(description="When the fault was last seen.")]
    kind: Annotated[
        FaultKind,
        msgspec.Meta(
            description="Where the fault was seen: handshake (the HTTP upgrade), connection (the websocket), "
            "frame (the text of a message), exchange (the order of calls and answers), payload (the content "
            "of a message), time (a time or the clock of the charge point) or charging (transactions and "
            "meter values)."
        ),
    ]
    meaning: Annotated[
        str,
        msgspec.Meta(
            description="The charge point's mistake, and how csms handled it.",
            examples=[FAULTS["number_for_text"].meaning],
        ),
    ]


class FaultPage(msgspec.Struct, frozen=True):
    """The faults of a charge point, the latest first."""

    items: Annotated[
        tuple[FaultAnswer, ...], msgspec.Meta(description="One item for each kind of fault; 128 at most.")
    ]
    next: AllInOne = None


@blueprint.get("/v1/tenants/<name:tenant>/charge-points/<name:charge_point>/faults")
@document_response(FaultPage)
async def list_faults(tenant: str, charge_point: str) -> Response:
    """List the faults of a charge point.

    A new fault appears in the list within ten seconds, or when the connection ends. Faults in handshakes,
    also in refused handshakes, are counted if the token was valid and the charge point is registered.
    """
    await lookup.charge_point(current_store(), tenant, charge_point)
    tallies = await faults.read(current_store(), tenant, charge_point)
    return bodies.answer(FaultPage(tuple(starmap(_answer, tallies.items()))))


@blueprint.delete("/v1/tenants/<name:tenant>/charge-points/<name:charge_point>/faults")
@document_response(None, 204)
async def delete_faults(tenant: str, charge_point: str) -> Response:
    """Delete the faults of a charge point, so that counting starts again.

    Faults from the last ten seconds before the deletion may still be added after the deletion.
    """
    await lookup.charge_point(current_store(), tenant, charge_point)
    await faults.forget(current_store(), tenant, charge_point)
    return bodies.no_content()


def _answer(name: str, tally: Tally) -> FaultAnswer:
    fault = FAULTS.get(name, _UNKNOWN)
    return FaultAnswer(name, tally.times, times.text(tally.last_ms), fault.kind, fault.meaning)
