"""Send a command and wait for its end. Every route that sends a command uses this module."""

import math
from collections.abc import Coroutine
from contextlib import suppress
from functools import partial
from typing import Literal, NamedTuple

import msgspec
import trio
from quart import Response, g

from admin.commands import preconditions, secrets
from admin.commands.answer import CommandAnswer, CommandError, answer_of
from admin.commands.preconditions import When
from admin.commands.query import ONLINE_S
from admin.commands.warnings import View, warnings_for
from admin.http import bodies, lookup
from admin.http.problems import Problem, not_found, store_away
from admin.services import Services
from gateway.ocpp16 import actions
from gateway.ocpp16.errors import shorten
from gateway.ocpp16.messages.types import Message
from gateway.ocpp16.protocol import UNREADABLE
from state import commands
from state.commands import Command, Conflict, Submitted
from state.commands.record import PAYLOAD_BYTES_MAX
from state.commands.table import WAITING
from state.errors import StoreUnavailable
from state.keys import ChargePointKeys
from state.nodes import inbox, leases
from state.store import Store

REREAD_S = 1.0
REREAD_MAX_S = 5.0
"""Longest pause, in seconds, before a request that waits reads the record of its command again.

The first pause is REREAD_S. Reading again is necessary because wake-ups may be lost.
"""
WAITING_MAX = 2_000
"""Greatest number of API requests that may wait at the same time. Together they need about 90 MB.

A further request gets 202 without waiting.
"""
RESUBMIT_S = 0.25
"""Pause, in seconds, before a submission whose reply was lost is repeated."""
_NO_ANSWER = (504, "deadline-passed", "The deadline passed without an answer; a late one shows under `id`.")
_CONNECTION_ENDED = (
    "The connection of the charge point ended before it answered, so the charge point may have acted on the "
    "command."
)
_NOT_ONLINE = (
    "The charge point was not online and accepted in time, so nothing was sent; send the command again with "
    "a longer `online_within`."
)
_FULL = (
    f"{commands.LIMIT} commands wait already until this charge point is online, so this one will not be "
    "sent; cancel one of them, or try again when they were sent or have expired."
)
_FAILURES = {
    "timeout": _NO_ANSWER,
    "expired": (
        504,
        "deadline-passed",
        "The deadline passed before the command was sent; send it again with a longer `timeout`.",
    ),
    "unknown": (
        504,
        "outcome-unknown",
        "The gateway process died after it had sent the command, so the charge point may have acted on it.",
    ),
    "offline": (
        409,
        "offline",
        "The charge point is offline, so nothing was sent; a command with `when=online` waits for it.",
    ),
    "busy": (
        429,
        "busy",
        "Too many commands wait for this charge point, so nothing was sent; try again after Retry-After.",
    ),
    "cancelled": (409, "cancelled", "The command was cancelled before it was sent, so nothing was sent."),
}
"""HTTP status, kind and detail of the problem, by the status of the command that got no answer."""

type WaitFor = Literal["answer", "transaction"]


class Sent(NamedTuple):
    """The state of a command at the moment when the API request stops waiting for it.

    `is_over` means that there is nothing more to wait for.
    """

    command: Command
    answer: CommandAnswer
    is_over: bool


async def send(
    services: Services,
    tenant: str,
    charge_point: str,
    request: Message,
    *,
    timeout_s: float,
    wait_s: float | None = None,
    wait_for: WaitFor = "answer",
    idempotency_key: str | None = None,
    firmware_sha256: bytes | None = None,
    when: When = "now",
    online_s: float = ONLINE_S,
    by: str | None = None,
) -> Sent:
    """Record a command and wait for its end, or for the transaction that begins because of it.

    The wait lasts `wait_s` at most, by default `timeout_s`. With `when="online"`, the command is sent as
    soon as the charge point is online and accepted, at the latest after `online_s`. Then `timeout_s` counts
    from the sending, and the default of `wait_s` is 0. `by` is the id of the API key that sends the command,
    by default that of the present request. Raises Problem: 404 for an unknown charge point,
    409 for a command that must not be sent, 422 for a payload that is too large or an Idempotency-Key that
    another command has used, and 503 if the store does not answer.
    """
    store, action = services.store, actions.OF_REQUEST[type(request)].name
    record = await lookup.charge_point(store, tenant, charge_point)
    try:
        preconditions.check(action, request, record, when)
    except Problem:
        # A request that repeats an Idempotency-Key sends no command. It is not refused here, so that it can
        # read the outcome of the first command.
        key = idempotency_key
        if key is None or await commands.under_key(store, tenant, charge_point, key) is None:
            raise
    waits_s = online_s if when == "online" else None
    warnings = await warnings_for(request, View(store, record, firmware_sha256, waits_s))
    resubmit_s = timeout_s if wait_s is None else min(wait_s, timeout_s)
    if wait_s is None:
        wait_s = timeout_s if waits_s is None else 0.0
    id_ = commands.new_id(tenant, charge_point, idempotency_key)
    payload, sealed = secrets.protect(services.pepper, id_, action, encode(request))
    submit = partial(
        commands.submit,
        store,
        tenant,
        charge_point,
        action=action,
        payload=payload,
        ttl_ms=round(timeout_s * 1000),
        waits_ms=None if waits_s is None else round(waits_s * 1000),
        reply_to=services.inbox.incarnation,
        id_=id_,
        sealed=sealed,
        by=by or g.api_key.id,
    )
    begun = trio.current_time()
    async with secrets.new_password(services, record, request, id_) as password:
        submitted = await _submit(submit, resubmit_s, repeated=idempotency_key is not None)
        password.settle(submitted)
    if isinstance(submitted, Conflict):
        raise Problem(
            422,
            "idempotency-key-reused",
            "The Idempotency-Key was used for another action or body; choose a new key.",
            members={"id": submitted.command_id},
        )
    if services.inbox.waiting >= WAITING_MAX:
        wait_s = 0.0
    # The deadline is kept on our monotonic clock, because the store's clock may be set. It is not before the
    # deadline of the session, which counts from an earlier moment.
    waits = submitted.command.waits_until_ms is not None
    # A command that waits gets the deadline for its answer only when it is sent.
    deadline = math.inf if waits else trio.current_time() + submitted.left_ms / 1000
    until = begun + wait_s
    if submitted.fresh and wait_s >= timeout_s and not waits:
        until = max(until, deadline)
    command = await _follow(services, submitted.command, until, deadline, wait_for)
    if trio.current_time() >= deadline:
        command = await _end_overdue(store, command)
    return Sent(command, answer_of(command, warnings), is_over=_is_over(command, wait_for))


async def _submit(
    submit: partial[Coroutine[None, None, Submitted | Conflict]], resubmit_s: float, *, repeated: bool
) -> Submitted | Conflict:
    """Record a command. If the reply is lost, ask again under the same id until `resubmit_s` have passed.

    A command whose reply was lost may have been recorded, and be sent already. `repeated` means that another
    request may have recorded it under the same id. Raises StoreUnavailable, or Problem (503) with the id if
    it is not known whether the command was recorded.
    """
    until, lost = trio.current_time() + resubmit_s, False
    while True:
        try:
            submitted = await submit()
        except StoreUnavailable as error:
            lost = lost or error.sent
            if not lost:
                raise
            if trio.current_time() >= until:
                raise _unconfirmed(submit.keywords["id_"]) from None
            await trio.sleep(RESUBMIT_S)
        else:
            if lost and not repeated and isinstance(submitted, Submitted):
                return submitted._replace(fresh=True)  # Nobody else knows the id.
            return submitted


def _unconfirmed(command_id: str) -> Problem:
    return Problem(
        503,
        "command-unconfirmed",
        "The store did not confirm that it recorded the command, so the command may be sent. Read it under "
        "`id` before you send another one.",
        members={"id": command_id},
    )


def is_finished(sent: Sent) -> bool:
    """Return whether the charge point has answered. Raises Problem if the command ended without an answer."""
    status = sent.command.status
    if status == "answered":
        return sent.is_over
    if status in WAITING:
        return False
    raise _call_error(sent) if status == "error" else _failure(sent.answer)


def respond(sent: Sent) -> Response:
    """Answer the API request with 200, or with 202 if the charge point has not answered yet.

    Raises Problem.
    """
    return bodies.answer(sent.answer, 200 if is_finished(sent) else 202)


def encode(request: Message) -> bytes:
    """Return the payload of a request. Raises Problem (422) if it is too large."""
    payload = actions.encode(request)
    if len(payload) > PAYLOAD_BYTES_MAX:
        detail = f"The payload has {len(payload):,} bytes; a command may have at most {PAYLOAD_BYTES_MAX:,}."
        raise Problem(422, "payload-too-large", detail)
    return payload


async def _follow(
    services: Services, command: Command, until: float, deadline: float, wait_for: WaitFor
) -> Command:
    """Wait until the command is over, but not after `until`. Raises Problem (503).

    A command that has no end yet at its `deadline` is not waited for any longer.
    """
    store, pause_s = services.store, REREAD_S
    with services.inbox.listen_for(command.id) as wake:
        while True:
            now, away = trio.current_time(), False
            try:
                # Only the record says whether the answer has come. The answer may have come before this
                # process listened, and messages may be lost.
                command = await commands.get(store, command.tenant, command.id) or command
            except StoreUnavailable:
                away = True
            if _is_over(command, wait_for):
                return command
            left_s = (min(until, deadline) if command.status in WAITING else until) - now
            if left_s <= 0:
                if away:
                    raise store_away(id=command.id)
                return command
            if await wake.wait(min(pause_s, left_s)):
                continue
            pause_s = min(pause_s * 1.5, REREAD_MAX_S)
            if command.status == "queued":
                with suppress(StoreUnavailable):
                    await _wake_again(store, command)


async def _end_overdue(store: Store, command: Command) -> Command:
    """Record the end of a command whose deadline has passed, because the caller gets an end.

    Raises Problem (503).
    """
    keys = ChargePointKeys(command.tenant, command.charge_point)
    while command.status in WAITING:
        try:
            await commands.end_overdue(store, keys, command.id)
            found = await commands.get(store, command.tenant, command.id)
        except StoreUnavailable:
            raise store_away(id=command.id) from None
        if found is None:
            raise not_found("command")
        command = found
    return command


def _is_over(command: Command, wait_for: WaitFor) -> bool:
    if command.status in WAITING:
        return False
    if wait_for == "answer" or command.status != "answered" or command.transaction is not None:
        return True
    return command.answer_status != "Accepted"


async def _wake_again(store: Store, command: Command) -> None:
    """Wake the session of a queued command again. If there is no session, mark the command as offline.

    If a session does not send a queued command within a second, the session may have missed its wake-up or
    may be gone, or its node may have left or died. The leases of a dead node are released within seconds. If
    another command of the charge point is first in the queue, the session is not woken.
    """
    keys = ChargePointKeys(command.tenant, command.charge_point)
    held = await leases.get_holding(store, command.tenant, command.charge_point)
    node = None if held is None or not held.online else held.node
    if node is not None and await commands.is_next(store, keys, command.id):
        has_left = not await inbox.wake(store, node, inbox.CommandQueued(keys.member))
    else:
        has_left = node is None
    if has_left:
        await commands.settle(store, keys, command.id, status="offline")


def _failure(answer: CommandAnswer) -> Problem:
    status, kind, detail = _FAILURES[answer.status]
    if answer.reason == "connection_ended":
        detail = _CONNECTION_ENDED
    if answer.when == "online":
        detail = {"busy": _FULL, "expired": _NOT_ONLINE}.get(answer.status, detail)
    headers = {"Retry-After": "5" if answer.when == "now" else "300"} if status == 429 else None
    return Problem(status, kind, detail, headers=headers, members={"id": answer.id, "command": answer})


def _call_error(sent: Sent) -> Problem:
    answer = sent.answer
    error = answer.error or CommandError(code="GenericError")
    members = {"id": answer.id, "command": answer, **msgspec.structs.asdict(error)}
    return Problem(502, "call-error", _explain(error, unreadable=sent.command.unreadable), members=members)


def _explain(error: CommandError, *, unreadable: bool) -> str:
    """Explain the error in one sentence. The code of the error may be empty or very long."""
    if unreadable:
        return f"The charge point's answer cannot be read: {error.description.removeprefix(UNREADABLE)}."
    if not error.code.strip():
        return "The charge point answered with an error that has no code."
    return f"The charge point answered with the error {shorten(error.code, 50)}."
