"""Routes of batches: one command to all charge points that a filter finds, paced."""

import base64
import secrets as random
from hashlib import sha256
from typing import Annotated

import msgspec
from quart import Response, g
from quart_schema import document_querystring, document_request, document_response

from admin.batches.events import event_of_start
from admin.batches.selection import select
from admin.batches.sending import command_id
from admin.commands import ONLINE_S, secrets, send
from admin.http import (
    Paging,
    Problem,
    actions,
    bodies,
    describes,
    idempotency,
    invalid,
    must_exist,
    new_blueprint,
)
from admin.routes.batch_answer import (
    BatchAnswer,
    BatchItemPage,
    BatchPage,
    BatchPreview,
    BatchQuery,
    NewBatch,
    Shown,
    answer_of,
    item_of,
)
from admin.services import Services, current_store, services
from gateway.ocpp16.messages.core import ChangeConfiguration
from gateway.ocpp16.messages.types import Message
from state import keys
from state.batches import batches
from state.batches.batches import RUNNING_MAX, Batch, Began, NotBegun
from state.batches.batches import NewBatch as Recorded
from state.charge_points import configuration
from state.commands import record
from state.commands.sealing import Sealed

_FIRST = 100
_BASE = "/v1/tenants/<name:tenant>/batches"

blueprint = new_blueprint("batches", "Batches")


class ListQuery(Paging, frozen=True, forbid_unknown_fields=True):
    running: Annotated[
        bool | None,
        msgspec.Meta(
            description="true lists only batches that have not ended, and false lists only those that have."
        ),
    ] = None


class ItemQuery(Paging, frozen=True, forbid_unknown_fields=True):
    outcome: Annotated[
        Shown | None, msgspec.Meta(description="List only charge points with this outcome.")
    ] = None


@blueprint.post(_BASE)
@document_querystring(BatchQuery)
@document_request(NewBatch)
@document_response(BatchPreview, 200)
@document_response(BatchAnswer, 202)
@describes(
    parameters=[
        idempotency.describe(
            "If a request repeats the key and body of a request whose batch can still be read, csms begins "
            "no other batch, and answers with that one."
        )
    ],
    problems={
        422: "The request is not valid, the payload does not fit the action, the filter names a charge point "
        "that does not exist, or too many charge points pass the filter. Nothing was sent.",
        429: f"The tenant has {RUNNING_MAX} batches that have not ended. Nothing was sent. The header "
        "Retry-After says when to try again.",
        507: "The store is nearly full, so it accepts no new batch.",
    },
)
async def begin_batch(tenant: str) -> Response:
    """Send a command to all charge points that a filter finds.

    csms finds the charge points, and answers 202. Then it sends the command to one charge point after the
    other, at most `per_second` each second, and does not wait for answers in between. At most 256 commands of
    a batch wait for answers at the same time. The batch goes on if an admin process ends or the store is away
    for a while, and sends no charge point the command twice. A charge point that must not get the command, as
    a single command would be refused, gets the outcome `not_sent`.

    With `dry_run=true`, csms answers 200 with the charge points that a batch would reach now.
    """
    query, asked, key = bodies.query(BatchQuery), await bodies.body(NewBatch), idempotency.read_key()
    request = _read_request(asked)
    if query.dry_run:
        found = await select(current_store(), tenant, asked.filter)
        return bodies.answer(BatchPreview(len(found), tuple(found[:_FIRST])))
    new = _prepare(services(), tenant, asked, request, key)
    store = current_store()
    body = None if key is None else await batches.get_body(store, tenant, new.id)
    if body is not None:
        if body != new.body:
            raise _refusal("conflict", new.id)
        return await _respond(tenant, new.id, 202)
    store.headroom.require_room("scarce", "a new batch")
    found = await select(store, tenant, asked.filter)
    event = event_of_start(new.id, asked.action, len(found), new.by)
    began = await batches.create(store, tenant, new, found, event)
    if not isinstance(began, Began):
        raise _refusal(began, new.id)
    services().batch_begun.set()
    return bodies.answer(answer_of(began.batch), 202)


@blueprint.get(_BASE)
@document_querystring(ListQuery)
@document_response(BatchPage)
async def list_batches(tenant: str) -> Response:
    """List batches, the latest first.

    A batch can be read for 30 days after its end, and the latest 100 of a tenant are kept. With a filter, a
    page may have fewer items than `limit` although another page follows.
    """
    asked = bodies.query(ListQuery)
    page = await batches.list_(
        current_store(), tenant, running=asked.running, cursor=asked.cursor, limit=asked.limit
    )
    return bodies.answer(BatchPage(tuple(map(answer_of, page.items)), page.next))


@blueprint.get(f"{_BASE}/<name:batch>")
@document_response(BatchAnswer)
async def get_batch(tenant: str, batch: str) -> Response:
    """Read a batch and its progress. The counts are at most a few seconds old."""
    return await _respond(tenant, batch)


@blueprint.get(f"{_BASE}/<name:batch>/items")
@document_querystring(ItemQuery)
@document_response(BatchItemPage)
async def list_batch_items(tenant: str, batch: str) -> Response:
    """List the charge points of a batch with their outcomes, in the order of sending.

    With a filter, a page may have fewer items than `limit` although another page follows.
    """
    asked, store = bodies.query(ItemQuery), current_store()
    found = await _find(tenant, batch)
    page = await batches.list_items(
        store, found, outcome=asked.outcome, cursor=asked.cursor, limit=asked.limit
    )
    items = tuple(item_of(item, command_id(found, item.charge_point)) for item in page.items)
    return bodies.answer(BatchItemPage(items, page.next))


@blueprint.post(f"{_BASE}/<name:batch>/cancel")
@document_response(BatchAnswer, 202)
@describes(problems={409: "The batch has ended already, so there is nothing to cancel."})
async def cancel_batch(tenant: str, batch: str) -> Response:
    """Let a batch send nothing more.

    Within a second or two, csms sends no further command of the batch. It cancels the commands that wait for
    charge points that are offline. It still records the answers to commands that it has sent, and the phase
    becomes `cancelled` after the last of them. A repeated request changes nothing.
    """
    outcome = await batches.cancel(current_store(), tenant, batch, g.api_key.id)
    must_exist(outcome != "gone", "batch")
    if outcome == "ended":
        raise Problem(409, "already-ended", "The batch has ended already, so there is nothing to cancel.")
    return await _respond(tenant, batch, 202)


async def _respond(tenant: str, batch: str, status: int = 200) -> Response:
    return bodies.answer(answer_of(await _find(tenant, batch)), status)


async def _find(tenant: str, batch: str) -> Batch:
    return must_exist(await batches.get(current_store(), tenant, batch), "batch")


def _read_request(asked: NewBatch) -> Message:
    """Read the OCPP request. Raises Problem (422)."""
    if asked.action not in actions.COMMANDS:
        raise invalid(
            f"{asked.action!r} is not an action of a central system in OCPP 1.6.", pointer="/action"
        )
    if asked.online_within is not None and asked.when == "now":
        raise invalid(
            "Commands that are sent now do not wait; set `when` to online.", pointer="/online_within"
        )
    request = actions.read_member(asked.action, asked.payload)
    if isinstance(request, ChangeConfiguration) and configuration.is_password(request.key):
        raise invalid(
            "A batch cannot set a password, because each charge point needs one of its own; send "
            "ChangeConfiguration to one charge point after the other.",
            pointer="/payload/key",
        )
    return request


def _prepare(
    services_: Services, tenant: str, asked: NewBatch, request: Message, key: str | None
) -> Recorded:
    """Make the record of the batch. Raises Problem (422) if the payload is too large."""
    id_ = random.token_urlsafe(16) if key is None else _id_under_key(tenant, key)
    whole = send.encode(request)
    payload, sealed = secrets.protect(services_.pepper, id_, asked.action, whole)
    return Recorded(
        id=id_,
        body=_digest(asked, whole, sealed),
        action=asked.action,
        payload=payload,
        sealed=None if sealed is None else sealed.ciphertext,
        filter=msgspec.json.encode(asked.filter),
        per_second=asked.per_second,
        timeout_s=asked.timeout,
        when=asked.when,
        online_s=asked.online_within or ONLINE_S,
        by=g.api_key.id,
    )


def _id_under_key(tenant: str, key: str) -> str:
    raw = sha256(f"batch {keys.join(tenant, key)}".encode()).digest()[:16]
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _digest(asked: NewBatch, payload: bytes, sealed: Sealed | None) -> str:
    """Return a digest of the request, which does not show a secret of the payload."""
    command = record.digest(asked.action, payload) if sealed is None else sealed.digest
    rest = (asked.filter, asked.per_second, asked.timeout, asked.when, asked.online_within)
    return sha256(msgspec.json.encode((command, *rest))).hexdigest()


def _refusal(why: NotBegun, id_: str) -> Problem:
    match why:
        case "conflict":
            return Problem(
                422,
                "idempotency-key-reused",
                "The Idempotency-Key was used for another batch; choose a new key.",
                members={"id": id_},
            )
        case "full":
            return Problem(
                429,
                "too-many-batches",
                f"The tenant has {RUNNING_MAX} batches that have not ended; wait for one of them, or cancel "
                "one.",
                headers={"Retry-After": "60"},
            )
        case _:
            return Problem(
                503,
                "store-unavailable",
                "The store was too slow to take the charge points of the batch, so nothing was begun. Try "
                "again after Retry-After.",
                headers={"Retry-After": "10"},
            )
