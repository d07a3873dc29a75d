"""The OpenAPI 3.1 document: what quart-schema makes, with nested schemas, problems and descriptions added."""

import re
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from quart import Blueprint
from quart_schema import tag_blueprint
from quart_schema.openapi import OpenAPIProvider
from quart_schema.validation import DataSource
from werkzeug.routing.converters import BaseConverter

from admin.http.actions import COMMANDS, request_body
from admin.http.names import CONNECTABLE, DIGEST, NAME_BYTES, NUMBER
from admin.http.problems import ProblemDocument

_REF = "#/components/schemas/{name}"
_PROBLEM = {"application/problem+json": {"schema": {"$ref": _REF.format(name="ProblemDocument")}}}

_ALWAYS = {
    400: "The path or the JSON of the body cannot be read.",
    401: "The request has no API key, or the API key is unknown or was revoked.",
    429: "Too many requests from this address had a wrong API key. Retry-After says when to try again.",
    500: "There was an error in csms. The log has a line about it with the `request_id` of the answer.",
    503: "The store does not answer. The header Retry-After says when to try again.",
}
_WITH_NAMES = {404: "The resource does not exist, or the API key may not see it."}
_OF_ALL_TENANTS = {404: "The resource does not exist, or the API key is limited to some tenants."}
_INPUT = {422: "The request is not valid. `errors` lists each error with its place in the request."}
_WITH_BODY = {
    408: "The body did not arrive in time.",
    413: "The body is larger than 256 KiB.",
    415: "The Content-Type of the body does not say JSON.",
}

_ETAG = {
    "description": "Names the settings of the answer. Send it as If-Match to change only these settings.",
    "schema": {"type": "string"},
}

_PATH: dict[str, tuple[str, str]] = {
    "tenant": ("Name of the tenant.", "demo"),
    "token_id": (
        "Id of the token, as the list of tokens shows it. The id is not the secret.",
        "2f8d41c0",
    ),
    "charge_point": ("Identity of the charge point: the last part of its websocket path.", "CP-1"),
    "serial_number": (
        "Serial number of the certificate, as the list of issued certificates shows it.",
        "3f8a",
    ),
    "tag": ("Id tag. Upper and lower case are the same.", "04A2B3C4D5"),
    "transaction": ("Public id of the transaction: `<charge point>.<n>`.", "CP-1.7"),
    "orphan": ("Id of the orphaned stop, as the list of orphaned stops shows it.", "kD3x0aQz1v9bW5eT"),
    "hold": ("Id of the hold, as the list of holds shows it.", "CP-1.kD3x0aQz1v9bW5eT"),
    "fact": ("Id of the unreadable fact, as the list of unreadable facts shows it.", "kD3x0aQz1v9bW5eT"),
    "reservation": ("Id of the reservation, a whole number.", "7"),
    "charging_profile": ("The chargingProfileId, a whole number.", "1"),
    "command": (
        "Id of the command, from the answer to the POST that sent the command.",
        "a3.Zt1bnqkC9T4Yl2rH0dW5uA",
    ),
    "batch": ("Id of the batch, from the answer to the POST that began it.", "Zt1bnqkC9T4Yl2rH0dW5uA"),
    "job": ("Id of the job, which is the id of the command that began the job.", "a3.Zt1bnqkC9T4Yl2rH0dW5uA"),
    "certificate": (
        "Id of a certificate that the charge point reported, as the list of certificates shows it.",
        "kD3x0aQz1v9bW5eT",
    ),
    "denied": ("Name of a denied certificate, as the list of denied certificates shows it.", "CN=x|3f07"),
    "node": ("Id of a gateway or admin process, as the list of nodes shows it.", "3f9c0a5d7e21b846"),
    "security_event": (
        "Id of the security event, as the list of security events shows it.",
        "kD3x0aQz1v9bW5eT",
    ),
    "data_transfer": (
        "Id of the received DataTransfer, as the list of DataTransfers shows it.",
        "1795935600000-0",
    ),
    "vendor": ("Vendor id of DataTransfer. Upper and lower case are the same.", "com.example"),
    "action": ("OCPP 1.6 action that a central system may send.", "RemoteStopTransaction"),
}
"""Description and example of each part of a path, by its name."""
_ID = f"^{DIGEST}$"
_COMMAND = r"^[0-9a-f]{2}\.[A-Za-z0-9_-]{22}$"
_WHOLE = f"^{NUMBER.pattern}$"
_PATTERNS = {
    "tenant": CONNECTABLE,
    "charge_point": CONNECTABLE,
    "token_id": "^[A-Za-z0-9]{8}$",
    "serial_number": "^[0-9a-f]+$",
    "transaction": r"^[^:/\x00-\x1f\x7f-\xa0]+\.[0-9]{1,10}$",
    "orphan": _ID,
    "fact": _ID,
    "certificate": _ID,
    "reservation": _WHOLE,
    "charging_profile": _WHOLE,
    "command": _COMMAND,
    "batch": "^[A-Za-z0-9_-]{22}$",
    "job": _COMMAND,
    "node": "^[0-9a-f]{16}$",
    "security_event": _ID,
    "data_transfer": "^[0-9]+-[0-9]+$",
}
"""Pattern of each part of a path. What does not match names nothing that exists."""
_LENGTHS = {"tag": 20}
_PRINTABLE = r"^[^\x00-\x1f\x7f-\xa0]+$"
_ACTION = "{action}"


def new_blueprint(name: str, tag: str) -> Blueprint:
    """Make the blueprint of one file of routes, which the document lists under `tag`."""
    blueprint = Blueprint(name, __name__)
    tag_blueprint(blueprint, [tag])
    return blueprint


def describes[View: Callable[..., Any]](**extra: Any) -> Callable[[View], View]:
    """Add to the OpenAPI operation of a route what the signature of the route does not say.

    `parameters`, `requestBody`, `responses` and `schemas` have the same form as in the OpenAPI document.
    `problems` maps a status to its description. With `etag`, the answer has the header ETag.
    """

    def decorate(view: View) -> View:
        view.openapi_extra = extra  # type: ignore[attr-defined]  # as quart-schema's own decorators do
        return view

    return decorate


# ruff: noqa: ARG002  quart-schema defines the arguments of these methods
class Document(OpenAPIProvider):
    _schema: dict[str, Any] | None = None

    def schema(self) -> dict[str, Any]:
        if (
            self._schema is None
        ):  # The document is made once, because the routes never change after the app is made.
            schema = super().schema()
            _, schemas = components(ProblemDocument)
            schema["components"]["schemas"].update(schemas)
            _drop_null_defaults(schema["components"]["schemas"])
            schema["paths"] = dict(sorted(schema["paths"].items()))
            self._schema = schema
        return self._schema

    def build_paths(self, rule: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        paths, schemas = super().build_paths(rule)
        extra = getattr(self._app.view_functions[rule.endpoint], "openapi_extra", {})
        for path, methods in paths.items():
            for operation in methods.values():
                _complete(operation, path, extra)
        if any(_ACTION in path for path in paths):
            paths = _by_action(paths)
        return paths, {**schemas, **extra.get("schemas", {})}

    def build_path_parameter(self, name: str, converter: BaseConverter) -> dict[str, Any]:
        description, example = _PATH[name]
        pattern = _PATTERNS.get(name, _PRINTABLE)
        schema = {
            "type": "string",
            "minLength": 1,
            "maxLength": _LENGTHS.get(name, NAME_BYTES),
            "pattern": pattern,
            "examples": [example],
        }
        return {"name": name, "in": "path", "required": True, "description": description, "schema": schema}

    def build_querystring_parameters(self, model: Any) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        _, schemas = components(model)
        own = schemas.pop(model.__name__)
        parameters = []
        for name, schema in own["properties"].items():
            required = name in own.get("required", ())
            parameter = {"name": name, "in": "query", "required": required, "schema": schema}
            if description := schema.pop("description", None):
                parameter["description"] = description
            if schema.get("default", ...) is None:
                del schema["default"]  # A query has no null: a parameter is given or absent.
            if len(choices := [one for one in schema.get("anyOf", ()) if one != {"type": "null"}]) == 1:
                schema.pop("anyOf")
                schema.update(choices[0])
            parameters.append(parameter)
        return parameters, schemas

    def build_request_body(self, model: Any, source: DataSource) -> tuple[dict[str, Any], dict[str, Any]]:
        reference, schemas = components(model)
        content = {"application/json": {"schema": reference}}
        # An absent body counts as `{}`.
        own = schemas.get(getattr(model, "__name__", ""), reference)
        needed = bool(own.get("required") or own.get("minProperties"))
        return {"required": needed, "content": content}, schemas

    def build_response_object(self, model: Any, headers_model: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        if model is None:
            return {"description": "Done. The answer has no body."}, {}
        reference, schemas = components(model)
        description = " ".join((model.__doc__ or "The answer.").split())
        return {"description": description, "content": {"application/json": {"schema": reference}}}, schemas

    def operation_id(self, method: str, path: str, func: Any) -> str:
        return str(func.__name__)


def _by_action(paths: dict[str, Any]) -> dict[str, Any]:
    """Describe the route of commands once for each action, because each action has a body of its own."""
    ((path, methods),) = paths.items()
    ((method, operation),) = methods.items()
    found: dict[str, Any] = {}
    for action in COMMANDS:
        others = (p for p in operation["parameters"] if p["name"] != "action")
        described = {
            **operation,
            "operationId": f"{operation['operationId']}_{action}",
            "summary": f"Send {action} to a charge point.",
            "parameters": [_for_action(p, action) for p in others if _fits(p, action)],
            "requestBody": request_body(action),
        }
        found[path.replace(_ACTION, action)] = {method: described}
    return found


def _fits(parameter: dict[str, Any], action: str) -> bool:
    return parameter["name"] != "firmware_sha256" or action == "SignedUpdateFirmware"


def _for_action(parameter: dict[str, Any], action: str) -> dict[str, Any]:
    if parameter["name"] != "wait_for" or action == "RemoteStartTransaction":
        return parameter
    return {**parameter, "schema": {**parameter["schema"], "enum": ["answer"]}}


def components(model: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a reference to the schema of the model, and all schemas that the schema uses."""
    (reference,), schemas = msgspec.json.schema_components([model], ref_template=_REF)
    return reference, schemas


def describe_choices(
    model: type[msgspec.Struct], choices: Sequence[dict[str, Any]], example: dict[str, Any]
) -> dict[str, Any]:
    """Return what `describes` needs for a required body that must also fit exactly one of the choices."""
    reference, schemas = components(model)
    content = {"schema": reference, "examples": {model.__name__: {"value": example}}}
    return {
        "requestBody": {"required": True, "content": {"application/json": content}},
        "schemas": {model.__name__: {**schemas[model.__name__], "oneOf": list(choices)}},
    }


def _drop_null_defaults(schemas: dict[str, Any]) -> None:
    """Delete a default of null if null is not allowed. Such a member can only be left out."""
    for schema in schemas.values():
        for member in schema.get("properties", {}).values():
            if member.get("default", ...) is None and not _allows_null(member):
                del member["default"]


def _allows_null(schema: dict[str, Any]) -> bool:
    if "anyOf" in schema:
        return {"type": "null"} in schema["anyOf"]
    return schema.get("type", "null") == "null" and not {"enum", "$ref"} & schema.keys()


def _complete(operation: dict[str, Any], path: str, extra: dict[str, Any]) -> None:
    responses = operation["responses"] = dict(operation["responses"])
    operation["parameters"] = [*operation["parameters"], *extra.get("parameters", ())]
    # Every route refuses unknown parameters of the query.
    errors = _ALWAYS | _INPUT
    if "{tenant}" in path:
        errors |= _WITH_NAMES
    elif path != "/v1/tenants":
        errors |= _OF_ALL_TENANTS
    has_body = "requestBody" in operation or "requestBody" in extra
    if has_body:
        errors |= _WITH_BODY
    for status, description in {**errors, **extra.get("problems", {})}.items():
        responses.setdefault(status, {"description": description, "content": _PROBLEM})
    responses.update(extra.get("responses", {}))
    if extra.get("etag"):
        for status in responses.keys() & {200, 201, "200", "201"}:
            responses[status] = {**responses[status], "headers": {"ETag": _ETAG}}
    if "requestBody" in extra:
        operation["requestBody"] = extra["requestBody"]
    operation["responses"] = {str(status): responses[status] for status in sorted(responses, key=str)}
    operation["security"] = [{"apiKey": []}]
    if operation.get("description"):
        operation["description"] = re.sub(r"(?<!\n)\n(?!\n)", " ", operation["description"].strip())
    else:
        operation.pop("description", None)
