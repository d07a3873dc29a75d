"""Commands: an operator wants a charge point to do something, and waits for its answer as long as asked."""

import re
from typing import Annotated

import msgspec
from quart import Response, request
from quart_schema import document_querystring, document_response

from admin.commands import PROBLEMS, CommandAnswer, WaitQuery, send
from admin.commands.answer import answer_of
from admin.commands.send import WaitFor
from admin.http import actions, bodies, describes, invalid, must_exist, new_blueprint
from admin.services import current_store, services
from state import commands

_KEY = re.compile(r"[!-~]{1,255}")

blueprint = new_blueprint("commands", "Commands")


class CommandQuery(WaitQuery, frozen=True, forbid_unknown_fields=True):
    wait_for: Annotated[
        WaitFor,
        msgspec.Meta(
            description="transaction: of a RemoteStartTransaction, also wait for the transaction that it "
            "becomes, as long as `wait`; 202 if it has not begun by then."
        ),
    ] = "answer"


@blueprint.post("/v1/tenants/<name:tenant>/charge-points/<name:charge_point>/commands/<name:action>")
@document_querystring(CommandQuery)
@document_response(CommandAnswer, 200)
@document_response(CommandAnswer, 202)
@describes(
    requestBody=actions.request_body(),
    schemas=actions.schemas(),
    parameters=[
        {
            "name": "Idempotency-Key",
            "in": "header",
            "required": False,
            "description": "The same key with the same action and body, within 24 h, is the same command: "
            "nothing is sent twice.",
            "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
        }
    ],
    problems=PROBLEMS,
)
async def send_command(tenant: str, charge_point: str, action: str) -> Response:
    """Have a charge point do something.

    The body is the payload of the OCPP 1.6 request: `{"transactionId": 7}` for RemoteStopTransaction.
    200 means that the charge point has answered: look at `response` for whether it agreed. If `wait` passes
    before the deadline, or 2,000 requests wait already, the answer is 202 and the command goes on; read it
    again under its id.
    Our own view of the charge point never holds a command back: what looks odd stands in `warnings`.
    """
    asked = bodies.query(CommandQuery)
    if asked.wait_for == "transaction" and action != "RemoteStartTransaction":
        raise invalid("Only a RemoteStartTransaction becomes a transaction.", parameter="wait_for")
    sent = await send.send(
        services(),
        tenant,
        charge_point,
        actions.read(action, bodies.json_object(await bodies.raw_body())),
        timeout_s=asked.timeout,
        wait_s=asked.wait,
        wait_for=asked.wait_for,
        idempotency_key=_idempotency_key(),
    )
    return send.respond(sent)


@blueprint.get("/v1/tenants/<name:tenant>/commands/<name:command>")
@document_response(CommandAnswer, 200)
async def get_command(tenant: str, command: str) -> Response:
    """Read a command.

    A settled command can be read for 24 hours.
    """
    found = await commands.get(current_store(), tenant, command)
    return bodies.answer(answer_of(must_exist(found, "command")))


def _idempotency_key() -> str | None:
    key = request.headers.get("Idempotency-Key")
    if key is not None and not _KEY.fullmatch(key):
        raise invalid(
            "An Idempotency-Key has 1 to 255 printable ASCII characters and no space.",
            parameter="Idempotency-Key",
        )
    return key
