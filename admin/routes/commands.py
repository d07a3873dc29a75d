"""Commands: an operator wants a charge point to do something, and waits for its answer as long as asked."""

import re
from contextlib import suppress
from typing import Annotated, Any, Literal, assert_never

import msgspec
import trio
from quart import Blueprint, Response, request
from quart_schema import document_querystring, document_response, tag_blueprint

from admin import bodies, times
from admin.actions import check, request_body, schemas
from admin.openapi import describes
from admin.problems import Fault, Problem, invalid, not_found, store_away
from admin.services import services
from state import charge_points, commands, leases, nodes
from state.commands import Command, Conflict, Submitted
from state.errors import StoreUnavailable
from state.keys import ChargePointKeys

REREAD_S = 1.0
_WAITING = frozenset({"queued", "sent"})
_KEY = re.compile(r"[!-~]{1,255}")
_MASK = "***"
_HIDDEN = msgspec.Raw(b'{"key":"AuthorizationKey","value":"***"}')

blueprint = Blueprint("commands", __name__)
tag_blueprint(blueprint, ["Commands"])

Seconds = Annotated[float, msgspec.Meta(ge=0, le=600)]


class CommandQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    wait: Annotated[
        Seconds | None,
        msgspec.Meta(
            description="Seconds to wait for the answer; 0 answers 202 at once. By default `timeout`."
        ),
    ] = None
    timeout: Annotated[
        float,
        msgspec.Meta(
            ge=1, le=600, description="Seconds that the charge point has for its answer: the deadline."
        ),
    ] = 30.0


class CommandError(msgspec.Struct, frozen=True):
    """A CALLERROR, as the charge point sent it."""

    code: Annotated[str, msgspec.Meta(examples=["NotSupported"])]
    description: str = ""
    details: Any = None


class CommandAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A command, and how far it has got."""

    id: Annotated[str, msgspec.Meta(examples=["a3.Zt1bnqkC9T4Yl2rH0dW5uA"])]
    charge_point: str
    action: Annotated[str, msgspec.Meta(examples=["RemoteStopTransaction"])]
    status: Annotated[
        Literal["queued", "sent", "answered", "error", "expired", "timeout", "offline", "busy", "unknown"],
        msgspec.Meta(
            description="queued: waits for its turn. sent: on the wire. answered: see `response`, which "
            "may say Rejected. error: the charge point refused the call, see `error`. expired: the "
            "deadline passed before it was sent. timeout: sent, no answer yet. offline, busy: never sent. "
            "unknown: our node died after sending. timeout and unknown may still become answered or error."
        ),
    ]
    response: Annotated[
        Any,
        msgspec.Meta(
            description="The OCPP response, as the charge point sent it; a key in it is masked.",
            examples=[{"status": "Accepted"}],
            extra_json_schema={"type": ["object", "null"]},
        ),
    ]
    error: CommandError | None
    payload: Annotated[
        Any,
        msgspec.Meta(
            description="The OCPP request; a key in it is masked.", extra_json_schema={"type": "object"}
        ),
    ]
    created_at: str
    deadline_at: str
    sent_at: str | None
    settled_at: str | None


@blueprint.post("/v1/tenants/<name:tenant>/charge-points/<name:charge_point>/commands/<name:action>")
@document_querystring(CommandQuery)
@document_response(CommandAnswer, 200)
@document_response(CommandAnswer, 202)
@describes(
    requestBody=request_body(),
    schemas=schemas(),
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
    problems={
        409: "The charge point is offline; nothing was sent.",
        429: "Too many commands wait for this charge point; nothing was sent. See Retry-After.",
        502: "The charge point answered with a CALLERROR: `code`, `description` and `details` are its own.",
        504: "No answer before the deadline. `id` names the command: a late answer shows there.",
    },
)
async def send_command(tenant: str, charge_point: str, action: str) -> Response:
    """Have a charge point do something.

    The body is the payload of the OCPP 1.6 request: `{"transactionId": 7}` for RemoteStopTransaction.
    200 means that the charge point has answered: look at `response` for whether it agreed. If `wait` passes
    before the deadline, the answer is 202 and the command goes on; read it again under its id.
    """
    asked = bodies.query(CommandQuery)
    key = _idempotency_key()
    payload = check(action, bodies.json_object(await bodies.raw_body()))
    store = services().store
    if await charge_points.get(store, tenant, charge_point) is None:
        raise not_found("charge point")
    submitted = await commands.submit(
        store,
        tenant,
        charge_point,
        action=action,
        payload=payload,
        ttl_ms=round(asked.timeout * 1000),
        reply_to=services().answers.incarnation,
        idempotency_key=key,
    )
    match submitted:
        case Conflict():
            raise Problem(
                422,
                "idempotency-key-reused",
                "This Idempotency-Key was used for another action or body; take a new one.",
                members={"id": submitted.command_id},
            )
        case Submitted(command):
            wait_s = asked.timeout if asked.wait is None else asked.wait
            return _outcome(await _settled(command, wait_s))
        case _:
            assert_never(submitted)


@blueprint.get("/v1/tenants/<name:tenant>/commands/<name:command>")
@document_response(CommandAnswer, 200)
async def get_command(tenant: str, command: str) -> Response:
    """Read a command.

    A settled command can be read for 24 hours.
    """
    found = await commands.get(services().store, tenant, command)
    if found is None:
        raise not_found("command")
    return bodies.answer(_answer(found))


async def _settled(command: Command, wait_s: float) -> Command:
    """Wait until the command is settled, out of time, or `wait_s` have passed. Raises Problem (503)."""
    store, until = services().store, trio.current_time() + wait_s
    with services().answers.listening(command.id) as wake:
        while True:
            now, away = trio.current_time(), False
            try:
                # It may have come before we listened, and inbox messages may be lost: the record decides.
                command = await commands.get(store, command.tenant, command.id) or command
            except StoreUnavailable:
                away = True
            left_s = (command.deadline_ms - store.server_time_ms()) / 1000
            if command.status not in _WAITING:
                return command
            if now >= until or left_s <= 0:
                if away:
                    raise store_away(id=command.id)
                return command
            if await wake.wait(min(REREAD_S, until - now, left_s)) or command.status != "queued":
                continue
            with suppress(StoreUnavailable):
                await _wake_again(command)


async def _wake_again(command: Command) -> None:
    """Nobody has taken it for a second: a wake-up was lost, or the session has left, or its node died."""
    store, keys = services().store, ChargePointKeys(command.tenant, command.charge_point)
    held = await leases.holding(store, command.tenant, command.charge_point)
    node = None if held is None or not held.online else held.node
    message = {"kind": "command", "member": keys.member, "command": command.id}
    if node is None or not await nodes.send(store, node, message):
        await commands.settle(store, keys, command.id, status="offline")


def _outcome(command: Command) -> Response:
    answer = _answer(command)
    match command.status:
        case "answered":
            return bodies.answer(answer)
        case "queued" | "sent":
            if services().store.server_time_ms() < command.deadline_ms:
                return bodies.answer(answer, 202)
            raise _problem(504, "deadline-passed", "The deadline has passed without an answer.", answer)
        case "error":
            error = answer.error or CommandError(code="GenericError")
            raise _problem(
                502,
                "call-error",
                f"The charge point answered with the error {error.code}.",
                answer,
                error=error,
            )
        case "offline":
            raise _problem(409, "offline", "The charge point is offline; nothing was sent.", answer)
        case "busy":
            raise _problem(
                429,
                "busy",
                "Too many commands wait for this charge point; nothing was sent.",
                answer,
                headers={"Retry-After": "5"},
            )
        case "expired":
            raise _problem(504, "deadline-passed", "The deadline passed before the command was sent.", answer)
        case "timeout":
            raise _problem(504, "deadline-passed", "The deadline has passed without an answer.", answer)
        case "unknown":
            raise _problem(
                504,
                "outcome-unknown",
                "Our node died after sending; the charge point may have acted on it.",
                answer,
            )
        case _:
            assert_never(command.status)


def _problem(
    status: int,
    kind: str,
    detail: str,
    answer: CommandAnswer,
    *,
    error: CommandError | None = None,
    headers: dict[str, str] | None = None,
) -> Problem:
    members: dict[str, Any] = {"id": answer.id, "command": answer}
    if error is not None:
        members |= {"code": error.code, "description": error.description, "details": error.details}
    return Problem(status, kind, detail, headers=headers, members=members)


def _answer(command: Command) -> CommandAnswer:
    error = None if command.error is None else msgspec.json.decode(command.error, type=CommandError)
    payload, response = command.payload, command.response
    if _sets_key(command):
        payload = _HIDDEN
        # Charge points quote what they refuse.
        error = error and CommandError(error.code, _MASK, _MASK)
    elif command.action == "GetConfiguration" and response is not None:
        response = _without_keys(response)
    return CommandAnswer(
        id=command.id,
        charge_point=command.charge_point,
        action=command.action,
        status=command.status,
        response=response,
        error=error,
        payload=payload,
        created_at=times.text(command.created_ms),
        deadline_at=times.text(command.deadline_ms),
        sent_at=times.maybe_text(command.sent_ms),
        settled_at=times.maybe_text(command.settled_ms),
    )


def _sets_key(command: Command) -> bool:
    """OCPP-J 1.6 6: AuthorizationKey is the charge point's password, and nothing to read back."""
    return command.action == "ChangeConfiguration" and b"authorizationkey" in bytes(command.payload).lower()


def _without_keys(response: msgspec.Raw) -> msgspec.Raw:
    """Mask the password, which should be write-only, where a charge point tells it."""
    try:
        read = msgspec.json.decode(response)
    except (msgspec.DecodeError, RecursionError):
        return msgspec.Raw(b"null")  # What we cannot look through we do not pass on.
    settings = read.get("configurationKey") if isinstance(read, dict) else None
    keys = [one for one in settings or () if isinstance(one, dict) and _is_key(one.get("key"))]
    for one in keys:
        one["value"] = _MASK
    return msgspec.Raw(msgspec.json.encode(read)) if keys else response


def _is_key(name: object) -> bool:
    return isinstance(name, str) and "authorizationkey" in name.lower()


def _idempotency_key() -> str | None:
    key = request.headers.get("Idempotency-Key")
    if key is not None and not _KEY.fullmatch(key):
        raise invalid(
            Fault(
                detail="An Idempotency-Key has 1 to 255 printable ASCII characters and no space.",
                parameter="Idempotency-Key",
            )
        )
    return key
