"""A command as the API shows it: what it asked, what came back, and no key in either."""

from typing import Annotated, Any

import msgspec

from admin.http import times
from gateway.service.frame_masking import FrameMasker
from gateway.service.secrets import MASK, names_secret
from state.commands import Command
from state.commands.table import Status

_WITH_LOCATION = frozenset({"GetDiagnostics", "GetLog", "SignedUpdateFirmware", "UpdateFirmware"})


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
        Status,
        msgspec.Meta(
            description="queued: waits for its turn. sent: on the wire. answered: see `response`, which "
            "may say Rejected. error: the charge point answered with a CALLERROR or what cannot be read, see "
            "`error`. expired: the deadline passed before it was sent. timeout: sent, no answer yet. "
            "offline, busy: never sent. unknown: our node died after sending. timeout and unknown may still "
            "become answered or error."
        ),
    ]
    response: Annotated[
        Any,
        msgspec.Meta(
            description="The OCPP response, as the charge point sent it; secrets, and credentials of a "
            "location, are masked.",
            examples=[{"status": "Accepted"}],
            extra_json_schema={"type": ["object", "null"]},
        ),
    ]
    error: CommandError | None
    payload: Annotated[
        Any,
        msgspec.Meta(
            description="The OCPP request; a key or credentials of a location are masked.",
            extra_json_schema={"type": "object"},
        ),
    ]
    transaction_id: Annotated[
        str | None,
        msgspec.Meta(
            description="The transaction that an accepted RemoteStartTransaction became, once it began.",
            examples=["CP-1.59961600"],
        ),
    ]
    warnings: Annotated[
        tuple[str, ...],
        msgspec.Meta(
            description="What looked odd when the command was sent; nothing is held back for it. Only in the "
            "answer to the POST.",
            examples=[["Transaction 7 has stopped already."]],
        ),
    ]
    created_at: str
    deadline_at: str
    sent_at: str | None
    settled_at: str | None


def answer_of(command: Command, warnings: tuple[str, ...] = ()) -> CommandAnswer:
    masker = FrameMasker(locations=command.action in _WITH_LOCATION)
    payload, response, error = masker.mask_json(command.payload), command.response, command.error
    if response is not None:
        response = masker.mask_json(response)
    shown = None if error is None else msgspec.json.decode(masker.mask_json(error), type=CommandError | None)
    if shown is not None and _sets_secret(command):
        # Charge points quote what they refuse.
        shown = CommandError(shown.code, MASK, MASK)
    return CommandAnswer(
        id=command.id,
        charge_point=command.charge_point,
        action=command.action,
        status=command.status,
        response=response,
        error=shown,
        payload=payload,
        transaction_id=command.transaction,
        warnings=warnings,
        created_at=times.text(command.created_ms),
        deadline_at=times.text(command.deadline_ms),
        sent_at=times.maybe_text(command.sent_ms),
        settled_at=times.maybe_text(command.settled_ms),
    )


def _sets_secret(command: Command) -> bool:
    """OCPP-J 1.6 6: AuthorizationKey is the charge point's password, and nothing to read back."""
    if command.action != "ChangeConfiguration":
        return False
    key = msgspec.json.decode(command.payload, type=dict[str, Any]).get("key")
    return isinstance(key, str) and names_secret(key)
