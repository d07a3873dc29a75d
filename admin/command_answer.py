"""A command as the API shows it: what it asked, what came back, and no key in either."""

from typing import Annotated, Any, Literal

import msgspec

from admin import times
from gateway.service.masking import mask_location
from state.commands import Command
from state.configuration import MASK, is_secret

_WITH_LOCATION = frozenset({"GetDiagnostics", "GetLog", "SignedUpdateFirmware", "UpdateFirmware"})
_HIDDEN = msgspec.Raw(b'{"key":"AuthorizationKey","value":"***"}')


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
            description="The OCPP response, as the charge point sent it; a key or credentials of a location "
            "are masked.",
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
    error = None if command.error is None else msgspec.json.decode(command.error, type=CommandError)
    payload, response = command.payload, command.response
    if _sets_key(command):
        payload = _HIDDEN
        # Charge points quote what they refuse.
        error = error and CommandError(error.code, MASK, MASK)
    elif command.action == "GetConfiguration" and response is not None:
        response = _without_keys(response)
    elif command.action in _WITH_LOCATION:
        payload = _without_credentials(payload)
        response = response and _without_credentials(response)
        error = error and msgspec.json.decode(
            _without_credentials(msgspec.Raw(msgspec.json.encode(error))), type=CommandError
        )
    return CommandAnswer(
        id=command.id,
        charge_point=command.charge_point,
        action=command.action,
        status=command.status,
        response=response,
        error=error,
        payload=payload,
        transaction_id=command.transaction,
        warnings=warnings,
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
    keys = [one for one in settings or () if isinstance(one, dict) and is_secret(str(one.get("key")))]
    for one in keys:
        one["value"] = MASK
    return msgspec.Raw(msgspec.json.encode(read)) if keys else response


def _without_credentials(written: msgspec.Raw) -> msgspec.Raw:
    """Mask what would let others into where a charge point fetches or uploads; it may quote that."""
    try:
        return msgspec.Raw(msgspec.json.encode(_masked(msgspec.json.decode(written))))
    except (msgspec.DecodeError, RecursionError):
        return msgspec.Raw(b"null")


def _masked(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _masked(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_masked(part) for part in value]
    return mask_location(value) if isinstance(value, str) else value
