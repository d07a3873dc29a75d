"""The page at `/docs` shows the whole OpenAPI document and loads nothing from other hosts.

The page at `/` has a link to `/docs`.
"""

import base64
import hashlib
import json
import re
import shlex
from html.parser import HTMLParser
from typing import Any

import httpx
import jsonschema  # type: ignore[import-untyped]  # only schemathesis brings it
import msgspec
import pytest

from admin.http import actions, docs
from admin.http.actions import COMMANDS
from tests.admin.api import Api
from tests.admin.problem import is_problem

HOSTILE = '<i onclick="x">&\'</i></pre></style>{{ 7 * 7 }}'


class Page(HTMLParser):
    """The text, the tags and the anchors of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.tags: list[str] = []
        self.links: list[str] = []
        self.anchors: list[str] = []
        self.code: list[str] = []
        self.feed(page)
        self.text = "".join(self.words)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            assert name in {"lang", "charset", "name", "content", "href", "id"}
            if name == "href":
                self.links.append(value or "")
            if name == "id":
                self.anchors.append(value or "")
        if tag == "pre":
            self.code.append("")

    def handle_data(self, data: str) -> None:
        self.words.append(data)
        if self.lasttag == "pre":
            self.code[-1] += data


@pytest.fixture
async def stranger(api: Api) -> httpx.Response:
    async with httpx.AsyncClient(verify=False) as client:
        return await client.get(f"{api.url}/docs")


@pytest.fixture
async def document(api: Api) -> dict[str, Any]:
    found: dict[str, Any] = (await api.client.get("/openapi.json")).json()
    return found


async def test_the_root_page_needs_no_api_key_and_says_what_csms_is_and_links_to_the_documentation(
    api: Api,
) -> None:
    async with httpx.AsyncClient(base_url=api.url, verify=False) as client:
        response = await client.get("/")
        assert response.status_code == 307
        assert response.headers["location"] == "/docs"
        assert "OCPP 1.6" in response.text
        is_problem(await client.post("/"), 405, "method-not-allowed")


async def test_the_documentation_page_needs_no_api_key_and_no_scripts_and_no_other_hosts(
    stranger: httpx.Response,
) -> None:
    assert stranger.status_code == 200
    assert stranger.headers["content-type"] == "text/html; charset=utf-8"
    page = Page(stranger.text)
    assert not {"script", "link", "img", "iframe", "object", "form", "base"} & set(page.tags)
    assert {link for link in page.links if not link.startswith("#")} == {"/openapi.json"}
    assert "url(" not in stranger.text
    assert "@import" not in stranger.text


async def test_the_content_security_policy_allows_only_the_style_sheet_in_the_documentation_page_itself(
    stranger: httpx.Response,
) -> None:
    (style,) = re.findall(r"<style>(.*?)</style>", stranger.text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    rules = dict(rule.split(" ", 1) for rule in stranger.headers["content-security-policy"].split("; "))
    assert rules.pop("style-src") == f"'sha256-{digest}'"
    assert rules.pop("default-src") == "'none'"
    assert set(rules.values()) == {"'none'"}


async def test_the_documentation_page_shows_every_operation_and_parameter_and_status_and_schema_member(
    stranger: httpx.Response, document: dict[str, Any]
) -> None:
    page = Page(stranger.text)
    assert set(page.links) - {"/openapi.json"} <= {f"#{anchor}" for anchor in page.anchors}
    assert len(page.anchors) == len(set(page.anchors))
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            assert f"{method.upper()} {path}" in page.text
            assert f"#{operation['operationId']}" in page.links
            for text in (operation["summary"], *(each["name"] for each in operation["parameters"])):
                assert text in page.text
            assert all(status in page.text for status in operation["responses"])
    for name, schema in document["components"]["schemas"].items():
        assert name in page.anchors
        assert all(member in page.text for member in schema.get("properties", {}))


async def test_every_operation_has_an_example_that_its_schema_allows(
    stranger: httpx.Response, document: dict[str, Any]
) -> None:
    shown = [shlex.split(code) for code in Page(stranger.text).code if code.startswith("curl ")]
    assert len(shown) == sum(len(methods) for methods in document["paths"].values())
    bodies = {(words[3], words[6]): json.loads(words[-1]) for words in shown if "-d" in words}
    assert not [words[6] for words in shown if re.search(r"[{}<>\s]", words[6])]
    found = 0
    for path, methods in document["paths"].items():
        pattern = re.compile(re.sub(r"\\{\w+\\}", "[^/]+", re.escape("$CSMS" + path)) + r"(\?.*)?")
        for method, operation in methods.items():
            if "requestBody" in operation:
                (body,) = (
                    v for (m, url), v in bodies.items() if m == method.upper() and pattern.fullmatch(url)
                )
                (content,) = operation["requestBody"]["content"].values()
                schema = {**content["schema"], "components": document["components"]}
                jsonschema.Draft202012Validator(schema).validate(body)
                found += 1
    assert found == len(bodies)


async def test_the_example_of_each_command_is_a_payload_that_csms_sends(stranger: httpx.Response) -> None:
    shown = [shlex.split(code) for code in Page(stranger.text).code if "/commands/" in code]
    examples = {words[6].rpartition("/")[2]: words[-1] for words in shown if "-d" in words}
    assert examples.keys() == COMMANDS.keys()
    for action, example in examples.items():
        actions.read(action, example.encode())


async def test_the_documentation_page_escapes_every_text_from_the_openapi_document_for_html(
    document: dict[str, Any],
) -> None:
    def spoil(value: Any) -> Any:
        match value:
            case dict():
                return {key: spoil(inner) for key, inner in value.items()}
            case list():
                return [spoil(inner) for inner in value]
            case str() if not value.startswith("#/"):
                return value + HOSTILE
        return value

    hostile = spoil(document)
    hostile["paths"] = {f"{path}{HOSTILE}": methods for path, methods in hostile["paths"].items()}
    page = Page(docs.render(msgspec.json.encode(hostile)))
    assert "i" not in page.tags
    assert HOSTILE in page.text
