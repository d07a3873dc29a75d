"""A command as the API shows it: the request and the response, both without secrets."""

from typing import Annotated, Any

import msgspec

from admin.commands.preconditions import When
from admin.commands.secrets import WITH_LOCATION
from admin.http import times
from admin.http.times import Time
from gateway.service.frame_masking import FrameMasker
from gateway.service.secrets import MASK, names_secret
from state.commands import Command
from state.commands.record import Why
from state.commands.table import Status


class CommandError(msgspec.Struct, frozen=True):
    """A CALLERROR, as the charge point sent it."""

    code: Annotated[str, msgspec.Meta(description="The error code of OCPP-J.", examples=["NotSupported"])]
    description: Annotated[
        str, msgspec.Meta(description="The errorDescription of the CALLERROR, which may be empty.")
    ] = ""
    details: Annotated[
        Any, msgspec.Meta(description="The errorDetails of the CALLERROR, which can be any JSON.")
    ] = None


class CommandAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A command and its progress."""

    id: Annotated[str, msgspec.Meta(description="Id of the command.", examples=["a3.Zt1bnqkC9T4Yl2rH0dW5uA"])]
    charge_point: Annotated[str, msgspec.Meta(description="Identity of the charge point.", examples=["CP-1"])]
    action: Annotated[str, msgspec.Meta(description="The OCPP action.", examples=["RemoteStopTransaction"])]
    when: Annotated[
        When,
        msgspec.Meta(
            description="`now` means that the command was to be sent at once. `online` means that it may "
            "wait until the charge point is online.",
            examples=["now"],
        ),
    ]
    status: Annotated[
        Status,
        msgspec.Meta(
            description="Progress of the command.\n\n"
            "- `waiting`: the command waits until the charge point is online and accepted, and for its "
            "turn.\n"
            "- `queued`: the command waits for its turn.\n"
            "- `sent`: the command was sent, and csms waits for the answer.\n"
            "- `answered`: the charge point answered. The member `response` has the answer, which may say "
            "Rejected.\n"
            "- `error`: the charge point answered with a CALLERROR, or csms could not read the answer. See "
            "`error`.\n"
            "- `expired`: the deadline passed before the command was sent.\n"
            "- `timeout`: the command was sent, and the deadline passed without an answer.\n"
            "- `offline`: the command was not sent, because the charge point was not connected.\n"
            "- `busy`: the command was not sent, because too many commands waited.\n"
            "- `unknown`: the command was sent, but the connection or the gateway process ended before the "
            "answer came. `reason` says which.\n"
            "- `cancelled`: an operator cancelled the command before it was sent, or deleted the charge "
            "point while the command was waiting.\n\n"
            "A command in status `timeout` or `unknown` may still become `answered` or `error`."
        ),
    ]
    response: Annotated[
        Any,
        msgspec.Meta(
            description="The OCPP response, as the charge point sent it. null means that no response has "
            "arrived. Secrets, and credentials in URLs, are masked.",
            examples=[{"status": "Accepted"}],
            extra_json_schema={"type": ["object", "null"]},
        ),
    ]
    error: Annotated[
        CommandError | None,
        msgspec.Meta(
            description="The CALLERROR with which the charge point answered. null means that the charge "
            "point sent no CALLERROR."
        ),
    ]
    payload: Annotated[
        Any,
        msgspec.Meta(
            description="The OCPP request. Secrets, and credentials in URLs, are masked.",
            extra_json_schema={"type": "object"},
        ),
    ]
    transaction_id: Annotated[
        str | None,
        msgspec.Meta(
            description="Public id of the transaction that a RemoteStartTransaction began. null means that "
            "no transaction has begun.",
            examples=["CP-1.59961600"],
        ),
    ]
    warnings: Annotated[
        tuple[str, ...],
        msgspec.Meta(
            description="What csms found doubtful about the command when csms sent it. csms sends the "
            "command in spite of the warnings. Only the answer to the POST has the warnings.",
            examples=[["Transaction 7 has stopped already."]],
        ),
    ]
    api_key: Annotated[
        str | None,
        msgspec.Meta(
            description="Id of the API key that sent the command. null means that csms itself sent the "
            "command, or that an older release recorded it.",
            examples=["Xk20dPq9"],
        ),
    ]
    created_at: Annotated[Time, msgspec.Meta(description="When the API accepted the command.")]
    deadline_at: Annotated[
        Time,
        msgspec.Meta(
            description="Deadline for the answer of the charge point. While the status is `waiting`, this is "
            "the time at which csms gives up waiting for the charge point."
        ),
    ]
    sent_at: Annotated[
        Time | None,
        msgspec.Meta(description="When the command was sent. null means that the command was not sent."),
    ]
    reason: Annotated[
        Why | None,
        msgspec.Meta(
            description="Why the status is `unknown`. `connection_ended` means that the connection of the "
            "charge point ended before the answer came, and `node_lost` that the gateway process died. null "
            "means that the status is another one."
        ),
    ]
    settled_at: Annotated[
        Time | None,
        msgspec.Meta(description="When the command ended. null means that the command has not ended yet."),
    ]


def answer_of(command: Command, warnings: tuple[str, ...] = ()) -> CommandAnswer:
    masker = FrameMasker(locations=command.action in WITH_LOCATION)
    payload, response, error = masker.mask_json(command.payload), command.response, command.error
    if response is not None:
        response = masker.mask_json(response)
    shown = None if error is None else msgspec.json.decode(masker.mask_json(error), type=CommandError | None)
    if shown is not None and _sets_secret(command):
        # The error may repeat the secret, because charge points quote values that they refuse.
        shown = CommandError(shown.code, MASK, MASK)
    return CommandAnswer(
        id=command.id,
        charge_point=command.charge_point,
        action=command.action,
        when="now" if command.waits_until_ms is None else "online",
        status=command.status,
        response=response,
        error=shown,
        payload=payload,
        transaction_id=command.transaction,
        warnings=warnings,
        api_key=command.by,
        created_at=times.text(command.created_ms),
        deadline_at=times.text(command.deadline_ms),
        sent_at=times.maybe_text(command.sent_ms),
        reason=command.why,
        settled_at=times.maybe_text(command.settled_ms),
    )


def _sets_secret(command: Command) -> bool:
    """Return whether the command sets a secret, such as the AuthorizationKey of OCPP-J 1.6 section 6."""
    if command.action != "ChangeConfiguration":
        return False
    key = msgspec.json.decode(command.payload, type=dict[str, Any]).get("key")
    return isinstance(key, str) and names_secret(key)
