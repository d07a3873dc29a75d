"""The pages for people: `/docs` shows the OpenAPI document, and `/` redirects to `/docs`.

The page needs neither scripts nor another host, so it works offline and under a strict
Content-Security-Policy.
"""

import base64
import hashlib
import re
import shlex
from functools import cache
from operator import itemgetter
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
from jinja2 import Environment
from markupsafe import Markup, escape
from quart import Blueprint, Response, current_app
from quart_schema import hide
from quart_schema.openapi import OpenAPIProvider

blueprint = Blueprint("docs", __name__)

_TEMPLATE = Path(__file__).with_suffix(".html").read_text("utf-8")
_STYLE = _TEMPLATE.partition("<style>")[2].partition("</style>")[0]
_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_POLICY = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
_POLICY += f"style-src 'sha256-{_HASH}'"
_GREETING = """\
csms is a central system for charge points that speak OCPP 1.6-J. This is its admin API.

/docs          how to use it, for people
/openapi.json  the same for programs (OpenAPI 3.1)

Every path under /v1 needs an API key. `csms api-key create` makes one.
"""
_LIMITS = (
    *("format", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
    *("minLength", "maxLength", "pattern", "maxItems"),
)
_SAMPLES = {"boolean": True, "object": {}, "null": None, "integer": 1, "number": 1}


@blueprint.get("/")
@hide
async def root() -> Response:
    return Response(_GREETING, 307, {"Location": "/docs"}, content_type="text/plain; charset=utf-8")


@blueprint.get("/docs")
@hide
async def docs() -> Response:
    page = _render_once(current_app.extensions["QUART_SCHEMA"].openapi_provider)
    return Response(page, 200, {"Content-Security-Policy": _POLICY}, content_type="text/html; charset=utf-8")


@cache
def _render_once(provider: OpenAPIProvider) -> str:
    return render(msgspec.json.encode(provider.schema()))


def render(encoded: bytes) -> str:
    """Write the page `/docs`. The template escapes every text of the OpenAPI document."""
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"kind": describe_kind, "markdown": write_markdown}
    environment.globals |= {"curl": write_curl}
    return environment.from_string(_TEMPLATE).render(msgspec.json.decode(encoded))


def write_markdown(text: str) -> Markup:
    """Turn Markdown into HTML. Descriptions use only paragraphs, lists and code."""
    blocks = []
    for block in text.strip().split("\n\n"):
        words = re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(block)))
        before, *items = re.split(r"^- ", words, flags=re.MULTILINE)
        blocks += [f"<p>{before}</p>"] if before else []
        blocks += [f"<ul>{''.join(f'<li>{item}</li>' for item in items)}</ul>"] if items else []
    return Markup("".join(blocks))  # noqa: S704  escaped above


def describe_kind(schema: dict[str, Any]) -> Markup:
    """Say which values a schema allows, with links to the schemas that it names."""
    if reference := schema.get("$ref"):
        return Markup('<a href="#{0}">{0}</a>').format(reference.rpartition("/")[2])
    if choices := schema.get("anyOf"):
        return Markup(" or ").join(map(describe_kind, choices))
    if choices := schema.get("enum"):
        return Markup(" or ").join(Markup("<code>{}</code>").format(choice) for choice in choices)
    text = escape(schema.get("type", "any JSON"))
    if inner := schema.get("items") or schema.get("additionalProperties"):
        text += Markup(" of {}").format(describe_kind(inner))
    limits = ", ".join(f"{name} {schema[name]}" for name in _LIMITS if name in schema)
    return text + (f" ({limits})" if limits else "")


def write_curl(method: str, path: str, operation: dict[str, Any], schemas: dict[str, Any]) -> str:
    """Write a curl command line for an operation, with a sample of each value that the operation requires."""
    for parameter in filter(itemgetter("required"), operation["parameters"]):
        value = quote(str(sample(parameter["schema"], schemas)), safe="")
        if parameter["in"] == "query":
            path += f"{'&' if '?' in path else '?'}{parameter['name']}={value}"
        path = path.replace(f"{{{parameter['name']}}}", value)
    command = f'curl -N -X {method.upper()} -H "$KEY" "$CSMS{path}"'
    if body := operation.get("requestBody"):
        (content,) = body["content"].values()
        values = [example["value"] for example in content.get("examples", {}).values()]
        given = msgspec.json.encode(values[0] if values else sample(content["schema"], schemas)).decode()
        command += f' \\\n  -H "Content-Type: application/json" -d {shlex.quote(given)}'
    return command


def sample(schema: dict[str, Any], schemas: dict[str, Any]) -> Any:
    """Make a value that the schema allows: the first example, or a value with only the required members."""
    if values := schema.get("examples") or schema.get("enum"):
        return values[0]
    if reference := schema.get("$ref"):
        return sample(schemas[reference.rpartition("/")[2]], schemas)
    if members := schema.get("properties"):
        wanted = {k: v for k, v in members.items() if k in schema.get("required", ()) or "examples" in v}
        return {name: sample(member, schemas) for name, member in wanted.items()}
    if "items" in schema:
        return [sample(schema["items"], schemas)]
    if schema.get("format") == "date-time":
        return "2030-01-01T00:00:00Z"
    return schema.get("minimum", _SAMPLES.get(schema.get("type", ""), "text"))
