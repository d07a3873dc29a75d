"""The OCPP actions that an operator may send, and the check of the body against the action."""

import re
from functools import cache
from typing import Any

import msgspec

from admin.http.bodies import with_whole_numbers
from admin.http.input_errors import find_errors_in_json, summarise
from admin.http.problems import InputError, Problem, pointer
from gateway.ocpp16 import actions
from gateway.ocpp16.errors import PayloadInvalid
from gateway.ocpp16.faults.reading import not_one_of
from gateway.ocpp16.messages.types import Message

COMMANDS = actions.actions_of(actions.Sender.CENTRAL_SYSTEM)

_EXAMPLES: dict[str, Any] = {"RemoteStopTransaction": {"transactionId": 7}, "Reset": {"type": "Soft"}}
_STEP = re.compile(r"[^.\[\]]+")


def read(action: str, payload: bytes) -> Message:
    """Read a payload strictly, without repairing anything.

    Raises Problem: 404 for an unknown action, 422 with all errors of the payload.
    """
    if action not in COMMANDS:
        text = not_one_of(action, tuple(COMMANDS), "not an action of a central system in OCPP 1.6")
        raise Problem(404, "unknown-action", f"{text}.")
    try:
        return actions.decode_request(action, payload)
    except PayloadInvalid:
        payload = with_whole_numbers(payload)
    try:
        return actions.decode_request(action, payload)
    except PayloadInvalid as error:
        first = InputError(f"{error.text}.", pointer(_STEP.findall(error.path)))
        found = find_errors_in_json(payload, COMMANDS[action].request, formats=True)
        detail, errors = summarise(found, first)
        members = {"code": error.code, "path": error.path}
        raise Problem(422, "invalid-payload", detail, errors=errors, members=members) from None


def read_member(action: str, payload: dict[str, Any]) -> Message:
    """Read a payload that is the member `payload` of the body. Raises Problem as `read` does."""
    try:
        return read(action, msgspec.json.encode(payload))
    except Problem as problem:
        faults = [InputError(fault.detail, f"/payload{fault.pointer or ''}") for fault in problem.errors]
        raise Problem(
            problem.status, problem.kind, problem.detail, errors=faults, members=problem.members
        ) from None


def request_body(action: str) -> dict[str, Any]:
    """Describe the body for OpenAPI: the OCPP request `action`."""
    example = _EXAMPLES.get(action)
    required = bool(schemas()[action].get("required"))
    return {
        "required": required,
        "description": f"Payload of the OCPP 1.6 request {action}."
        + ("" if required else " An absent body counts as `{}`."),
        "content": {
            "application/json": {
                "schema": {"$ref": f"#/components/schemas/{action}"},
                **({"examples": {action: {"value": example}}} if example else {}),
            }
        },
    }


@cache
def schemas() -> dict[str, Any]:
    """Return the OpenAPI schema of each request, by the name of its action."""
    requests = [action.request for action in COMMANDS.values()]
    return msgspec.json.schema_components(requests, ref_template="#/components/schemas/{name}")[1]
