"""Routes of facts that could not be read as calls: their text as the charge point sent it."""

from typing import Annotated

import msgspec
from quart import Response
from quart_schema import document_response

from admin.http import AllInOne, bodies, convert, lookup, must_exist, new_blueprint, times
from admin.http.times import Time
from admin.services import current_store
from state.charge_points import unreadable_facts
from state.charge_points.unreadable_facts import UnreadableFact

blueprint = new_blueprint("unreadable_facts", "Transactions")


class UnreadableFactAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A frame that names a fact, but that csms could not read as a call."""

    id: Annotated[str, msgspec.Meta(description="Id of the text in this API; use it to delete the text.")]
    text: Annotated[
        str,
        msgspec.Meta(
            description="The frame as the charge point sent it, with secrets masked, and cut after 16,384 "
            "characters.",
            examples=['[2,"17","StopTransaction",{"transactionId":59791234,"meterStop":26008'],
        ),
    ]
    length: Annotated[int, msgspec.Meta(description="Number of characters of the frame.")]
    times: Annotated[int, msgspec.Meta(description="How often the charge point sent exactly this text.")]
    first_received_at: Annotated[Time, msgspec.Meta(description="When the text arrived first.")]
    last_received_at: Annotated[Time, msgspec.Meta(description="When the text arrived last.")]


class UnreadableFactPage(msgspec.Struct, frozen=True):
    """The unreadable facts of a charge point."""

    items: Annotated[
        tuple[UnreadableFactAnswer, ...],
        msgspec.Meta(description="The texts, the latest first."),
    ]
    evicted: Annotated[
        int,
        msgspec.Meta(description="How many older texts are no longer kept. The latest 100 texts are kept."),
    ]
    next: AllInOne = None


@blueprint.get("/v1/tenants/<name:tenant>/charge-points/<name:charge_point>/unreadable-facts")
@document_response(UnreadableFactPage)
async def list_unreadable_facts(tenant: str, charge_point: str) -> Response:
    """List the facts of a charge point that csms could not read.

    A fact is a StartTransaction, StopTransaction, MeterValues or SecurityEventNotification. Correct your
    records by hand, then delete the text.
    """
    store = current_store()
    await lookup.charge_point(store, tenant, charge_point)
    found = await unreadable_facts.read(store, tenant, charge_point)
    return bodies.answer(UnreadableFactPage(tuple(map(_answer, found.items)), found.evicted))


@blueprint.delete("/v1/tenants/<name:tenant>/charge-points/<name:charge_point>/unreadable-facts/<name:fact>")
@document_response(None, 204)
async def delete_unreadable_fact(tenant: str, charge_point: str, fact: str) -> Response:
    """Delete the text of an unreadable fact, for instance after you have settled it by hand.

    If the charge point sends the text again, it is listed again.
    """
    store = current_store()
    await lookup.charge_point(store, tenant, charge_point)
    must_exist(await unreadable_facts.forget(store, tenant, charge_point, fact), "unreadable fact")
    return bodies.no_content()


def _answer(fact: UnreadableFact) -> UnreadableFactAnswer:
    return convert(
        fact,
        UnreadableFactAnswer,
        first_received_at=times.text(fact.first_ms),
        last_received_at=times.text(fact.last_ms),
    )
