"""Routes of commands: an operator sends a command to a charge point, and may wait for the answer."""

from typing import Annotated

import msgspec
from quart import Response
from quart_schema import document_querystring, document_response

from admin.commands import ONLINE_S, PROBLEMS, CommandAnswer, OnlineWithin, WaitQuery, send
from admin.commands.answer import answer_of
from admin.commands.preconditions import When
from admin.commands.send import WaitFor
from admin.http import (
    Next,
    Paging,
    actions,
    bodies,
    describes,
    idempotency,
    invalid,
    lookup,
    must_exist,
    new_blueprint,
)
from admin.http.problems import Problem
from admin.routes import ocpp_schemas
from admin.services import current_store, services
from state import commands
from state.keys import ChargePointKeys

blueprint = new_blueprint("commands", "Commands")


class CommandQuery(WaitQuery, frozen=True, forbid_unknown_fields=True):
    when: Annotated[
        When,
        msgspec.Meta(
            description="With `online`, the command waits until the charge point is online and accepted. "
            "`timeout` then counts from the time at which csms sends the command, and the default of `wait` "
            "is 0."
        ),
    ] = "now"
    online_within: Annotated[
        OnlineWithin | None,
        msgspec.Meta(
            description="Seconds for which a command with `when=online` waits for the charge point, 30 days "
            "at most. The default is 24 hours. If csms cannot send the command in this time, it expires."
        ),
    ] = None
    wait_for: Annotated[
        WaitFor,
        msgspec.Meta(
            description="With `answer`, the API waits for the answer of the charge point. With "
            "`transaction`, which only RemoteStartTransaction allows, the API also waits until the "
            "transaction begins. If the transaction has not begun after `wait` seconds, the API answers 202."
        ),
    ] = "answer"
    firmware_sha256: Annotated[
        Annotated[str, msgspec.Meta(pattern="^[0-9a-fA-F]{64}$")] | None,
        msgspec.Meta(
            description="SHA-256 of the firmware in hexadecimal, which only SignedUpdateFirmware allows. "
            "csms verifies the signature with it, and does not send it. A wrong signature is sent with a "
            "warning.",
            examples=["e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"],
        ),
    ] = None


@blueprint.post("/v1/tenants/<name:tenant>/charge-points/<name:charge_point>/commands/<name:action>")
@document_querystring(CommandQuery)
@document_response(CommandAnswer, 200)
@document_response(CommandAnswer, 202)
@describes(
    schemas=ocpp_schemas.with_texts(actions.schemas()),
    parameters=[
        idempotency.describe(
            "If a request repeats the key, action and body of a request of the last 24 hours, csms does not "
            "send the command again."
        )
    ],
    problems=PROBLEMS,
)
async def send_command(tenant: str, charge_point: str, action: str) -> Response:
    """Send a command to a charge point.

    csms sends the OCPP 1.6 request `action`. The body is the payload of that request, for instance
    `{"transactionId": 7}` for RemoteStopTransaction. 200 means that the charge point has answered; `response`
    says whether it agreed. 202 means that `wait` seconds passed without an answer, but the deadline has not
    passed yet. 202 can also mean that 2,000 API requests are waiting for answers already. After a 202 the
    command continues; read its outcome later by the id of the command. csms sends a command even if the
    command does not fit what csms knows of the charge point. `warnings` then says what does not fit.

    With `when=online`, csms also takes a command for a charge point that is offline, and answers 202. At most
    32 such commands wait for a charge point. csms sends them in their order when the charge point is online
    and accepted, each of them at most once. A command that waits can be cancelled.
    """
    asked = bodies.query(CommandQuery)
    if asked.wait_for == "transaction" and action != "RemoteStartTransaction":
        raise invalid(
            f"The action {action} starts no transaction; wait_for=transaction needs RemoteStartTransaction.",
            parameter="wait_for",
        )
    if asked.online_within is not None and asked.when == "now":
        raise invalid("A command that is sent now does not wait; add when=online.", parameter="online_within")
    sha256 = asked.firmware_sha256
    if sha256 is not None and action != "SignedUpdateFirmware":
        raise invalid(
            f"The action {action} has no signed firmware; firmware_sha256 needs SignedUpdateFirmware.",
            parameter="firmware_sha256",
        )
    sent = await send.send(
        services(),
        tenant,
        charge_point,
        actions.read(action, bodies.json_object(await bodies.raw_body())),
        timeout_s=asked.timeout,
        wait_s=asked.wait,
        wait_for=asked.wait_for,
        idempotency_key=idempotency.read_key(),
        firmware_sha256=None if sha256 is None else bytes.fromhex(sha256),
        when=asked.when,
        online_s=ONLINE_S if asked.online_within is None else asked.online_within,
    )
    return send.respond(sent)


class CommandPage(msgspec.Struct, frozen=True):
    """A page of the commands of a charge point."""

    items: Annotated[
        tuple[CommandAnswer, ...], msgspec.Meta(description="The commands of this page, the latest first.")
    ]
    next: Next


@blueprint.get("/v1/tenants/<name:tenant>/charge-points/<name:charge_point>/commands")
@document_querystring(Paging)
@document_response(CommandPage)
async def list_commands(tenant: str, charge_point: str) -> Response:
    """List the commands of a charge point, the latest first.

    The list has the latest 1,000 commands. A command leaves it 24 hours after its end. `api_key` says who
    sent the command.
    """
    asked, store = bodies.query(Paging), current_store()
    await lookup.charge_point(store, tenant, charge_point)
    page = await commands.list_recent(store, tenant, charge_point, cursor=asked.cursor, limit=asked.limit)
    return bodies.answer(CommandPage(tuple(map(answer_of, page.items)), page.next))


@blueprint.get("/v1/tenants/<name:tenant>/commands/<name:command>")
@document_response(CommandAnswer, 200)
async def get_command(tenant: str, command: str) -> Response:
    """Read a command and its outcome.

    A command can be read for 24 hours after its end.
    """
    found = await commands.get(current_store(), tenant, command)
    return bodies.answer(answer_of(must_exist(found, "command")))


@blueprint.post("/v1/tenants/<name:tenant>/commands/<name:command>/cancel")
@document_response(CommandAnswer, 200)
@describes(problems={409: "The command was sent already, or ended in another way."})
async def cancel_command(tenant: str, command: str) -> Response:
    """Cancel a command that csms has not sent yet.

    200 means that csms will not send the command. A command that is cancelled already stays cancelled.
    """
    store = current_store()
    found = must_exist(await commands.get(store, tenant, command), "command")
    await commands.settle(store, ChargePointKeys(tenant, found.charge_point), found.id, status="cancelled")
    now = must_exist(await commands.get(store, tenant, command), "command")
    if now.status == "cancelled":
        return bodies.answer(answer_of(now))
    answer = answer_of(now)
    if answer.sent_at is None:
        kind, detail = "already-ended", f"The command ended as {now.status}, so there is nothing to cancel."
    else:
        kind, detail = "already-sent", "The command was sent already, so it cannot be cancelled any more."
    raise Problem(409, kind, detail, members={"id": now.id, "command": answer})
