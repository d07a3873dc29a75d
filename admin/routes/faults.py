"""What a charge point gets wrong: counted by name, with what each name means."""

from itertools import starmap
from typing import Annotated

import msgspec
from quart import Response
from quart_schema import document_response

from admin.http import AllInOne, bodies, lookup, new_blueprint, times
from admin.services import current_store
from gateway.ocpp16.faults.table import FAULTS, Fault, FaultKind
from state.charge_points import faults
from state.charge_points.faults import Tally

blueprint = new_blueprint("faults", "Charge points")

_UNKNOWN = Fault("exchange", "A gateway of another version counts this.")


class FaultAnswer(msgspec.Struct, frozen=True):
    """Something that a charge point did wrong, and that was repaired, tolerated or refused."""

    name: Annotated[str, msgspec.Meta(examples=["number_for_text"])]
    count: Annotated[int, msgspec.Meta(ge=1, description="Since the charge point or its list was new.")]
    last_at: Annotated[str, msgspec.Meta(examples=["2026-01-01T12:00:00.000Z"])]
    kind: Annotated[FaultKind, msgspec.Meta(description="Where it shows.")]
    meaning: Annotated[str, msgspec.Meta(examples=["A number where text is due is taken as it is spelt."])]


class FaultPage(msgspec.Struct, frozen=True):
    """A charge point's faults, the latest first."""

    items: tuple[FaultAnswer, ...]
    next: AllInOne = None


@blueprint.get("/v1/tenants/<name:tenant>/charge-points/<name:charge_point>/faults")
@document_response(FaultPage)
async def list_faults(tenant: str, charge_point: str) -> Response:
    """List what a charge point gets wrong.

    A fault shows within ten seconds, or when the connection ends. Handshakes are counted too, also refused
    ones, once the token was right and the charge point known.
    """
    await lookup.charge_point(current_store(), tenant, charge_point)
    tallies = await faults.read(current_store(), tenant, charge_point)
    return bodies.answer(FaultPage(tuple(starmap(_answer, tallies.items()))))


@blueprint.delete("/v1/tenants/<name:tenant>/charge-points/<name:charge_point>/faults")
@document_response(None, 204)
async def delete_faults(tenant: str, charge_point: str) -> Response:
    """Begin to count a charge point's faults anew.

    What it did in the last ten seconds may still be added afterwards.
    """
    await lookup.charge_point(current_store(), tenant, charge_point)
    await faults.forget(current_store(), tenant, charge_point)
    return bodies.no_content()


def _answer(name: str, tally: Tally) -> FaultAnswer:
    fault = FAULTS.get(name, _UNKNOWN)
    return FaultAnswer(name, tally.times, times.text(tally.last_ms), fault.kind, fault.meaning)
