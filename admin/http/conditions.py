"""Conditional requests (RFC 9110) and merge patches (RFC 7396) for the settings that operators make.

The entity tag of a resource is made of its settings alone. What charge points report about themselves does
not change it.
"""

from hashlib import blake2b
from typing import Any

import msgspec
from quart import request

from admin.http import bodies
from admin.http.problems import Problem

MEDIA_TYPE = "application/merge-patch+json"
_IF_MATCH = {
    "name": "If-Match",
    "in": "header",
    "description": "The `ETag` of the settings on which the change was decided, from the answer to a GET, "
    "PUT or PATCH. `*` stands for any settings.",
    "schema": {"type": "string", "minLength": 1, "examples": ['"Zt1bnqkC9T4Yl2rH"']},
}


def tag_of(settings: msgspec.Struct) -> str:
    """Return the entity tag of these settings, without its quotation marks."""
    return blake2b(msgspec.json.encode(settings), digest_size=12).hexdigest()


def etag(settings: msgspec.Struct) -> dict[str, str]:
    """Return the header of an answer that shows these settings."""
    return {"ETag": f'"{tag_of(settings)}"'}


def is_conditional() -> bool:
    """Return whether the request has the header If-Match."""
    return "If-Match" in request.headers


def require_condition() -> None:
    """Raise Problem (428) unless the request says which settings it changes."""
    if not is_conditional():
        raise Problem(
            428,
            "precondition-required",
            "The header If-Match is absent. Read the resource, and send its ETag as If-Match, so that no "
            "change by another operator is lost.",
        )


def check(settings: msgspec.Struct | None) -> None:
    """Raise Problem (412) if the request has an If-Match that these settings do not meet.

    None stands for a resource that does not exist.
    """
    if not is_conditional():
        return
    wanted = request.if_match
    if settings is not None and (wanted.star_tag or wanted.contains(tag_of(settings))):
        return
    if settings is None:
        detail = "The resource does not exist, and If-Match asks for one that does, so nothing was changed."
        raise Problem(412, "precondition-failed", detail)
    raise Problem(
        412,
        "precondition-failed",
        f"The resource has the ETag {etag(settings)['ETag']}, which If-Match does not name, so nothing was "
        "changed. Read the resource again, and decide on its present settings.",
        headers=etag(settings),
    )


async def read_patch() -> dict[str, msgspec.Raw]:
    """Read a merge patch. Raises Problem: 400, 415 for another media type, 422 unless it is an object."""
    return bodies.read(await bodies.raw_body(MEDIA_TYPE), dict[str, msgspec.Raw])


def patched[Settings: msgspec.Struct](settings: Settings, patch: dict[str, msgspec.Raw]) -> Settings:
    """Return the settings with the patch applied. Raises Problem (422).

    A member that is null in the patch gets its default value. Settings have no members that are objects, so
    no patch goes deeper. A name that the settings do not have is an error, even with null.
    """
    known = type(settings).__struct_encode_fields__
    members = msgspec.json.decode(msgspec.json.encode(settings), type=dict[str, msgspec.Raw])
    for name, value in patch.items():
        if bytes(value) == b"null" and name in known:
            members.pop(name, None)
        else:
            members[name] = value
    return bodies.read(msgspec.json.encode(members), type(settings))


def patch_schema(model: type[msgspec.Struct]) -> dict[str, Any]:
    """Return the schema of a merge patch of these settings: each member may be absent or null."""
    (_,), schemas = msgspec.json.schema_components([model])
    own = schemas[model.__name__]
    properties = {name: _or_null(schema) for name, schema in own["properties"].items()}
    return {
        "type": "object",
        "description": "The settings to change. A member that is null gets its default value, and a member "
        "that is absent stays as it is.",
        "properties": properties,
        "additionalProperties": False,
    }


def describe_patch(model: type[msgspec.Struct]) -> dict[str, Any]:
    """Return what `describes` needs for a PATCH of these settings."""
    content = {MEDIA_TYPE: {"schema": patch_schema(model)}}
    return {
        "parameters": [{**_IF_MATCH, "required": True}],
        "requestBody": {"required": False, "content": content},
        "problems": {
            412: "If-Match does not name the present settings, so nothing was changed. The header ETag has "
            "the present one.",
            415: f"The Content-Type of the body is not {MEDIA_TYPE}.",
            428: "The header If-Match is absent.",
        },
        "etag": True,
    }


def describe_put(problems: dict[int, str] | None = None) -> dict[str, Any]:
    """Return what `describes` needs for a PUT that may be conditional, and has further `problems`."""
    return {
        "parameters": [{**_IF_MATCH, "required": False}],
        "problems": {
            412: "If-Match does not name the present settings, or the resource does not exist, so nothing "
            "was changed. The header ETag has the present one.",
            **(problems or {}),
        },
        "etag": True,
    }


def describe_delete(problems: dict[int, str] | None = None) -> dict[str, Any]:
    """Return what `describes` needs for a DELETE that may be conditional, and has further `problems`."""
    return {
        "parameters": [{**_IF_MATCH, "required": False}],
        "problems": {
            412: "If-Match does not name the present settings, or the resource does not exist, so nothing "
            "was deleted. The header ETag has the present one.",
            **(problems or {}),
        },
    }


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    described: dict[str, Any] = {name: schema[name] for name in ("description", "examples") if name in schema}
    rest = {name: value for name, value in schema.items() if name not in {*described, "default"}}
    choices = rest.pop("anyOf", None) or [rest]
    if {"type": "null"} not in choices:
        choices = [*choices, {"type": "null"}]
    return {**described, "anyOf": choices}
