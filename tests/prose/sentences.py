"""Collect what the project says in English, with the place of each sentence."""

import ast
import io
import json
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, cast

from admin.app import create_app
from admin.services import Services

ROOT = Path(__file__).parents[2]
_ROOMS = ("gateway", "state", "admin", "loadtest", "tests")
_END = re.compile(r"(?<=[.!?])[\"')*`]*\s+(?=[\"'(*`]*[A-Z0-9`])")
_MARK = re.compile(r"^(noqa|type:|ruff:|pragma|!|-\*-|KEYS|\| |-> |WITH |---|fmt:)")


_ROWS: dict[str, str] = {}
"""The rows of tables by their places, as a reader of a cell sees them."""


class Sentence(NamedTuple):
    """A sentence, with the paragraph that it stands in. `place` is `file:line`, or a path in OpenAPI."""

    place: str
    kind: str
    text: str
    paragraph: str


def sentences() -> list[Sentence]:
    """Return every sentence in the order of the files.

    The kinds are docstring, comment, error, help, openapi and page.
    """
    return [
        Sentence(place, kind, one, _ROWS.get(place, paragraph))
        for place, kind, text in _texts()
        for paragraph in _paragraphs(text)
        for one in split(paragraph)
    ]


def test_names() -> list[Sentence]:
    """Return the names of the test functions, as words."""
    return [
        Sentence(
            f"{path.relative_to(ROOT)}:{node.lineno}",
            "test",
            words := node.name.removeprefix("test_").replace("_", " "),
            words,
        )
        for path in _files("tests", "*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name.startswith("test_")
    ]


def split(text: str) -> list[str]:
    """Return the sentences of a text; a text of fewer than three words has none."""
    return [
        one
        for paragraph in _paragraphs(text)
        for one in _END.split(paragraph)
        if len(re.findall(r"[A-Za-z]{2,}", one)) >= 3
    ]


def _paragraphs(text: str) -> list[str]:
    """Return the paragraphs of a text. Each item of a Markdown list is a paragraph of its own."""
    return [" ".join(block.split()) for block in re.split(r"\n\s*\n|(?:^|\n)\s*- ", text)]


def _files(room: str, pattern: str) -> list[Path]:
    return sorted(path for path in (ROOT / room).rglob(pattern) if "build" not in path.parts)


def _texts() -> Iterator[tuple[str, str, str]]:
    for room in _ROOMS:
        for path in _files(room, "*.py"):
            yield from _of_python(path)
        for path in _files(room, "*.lua"):
            yield from _comments_of(path, path.read_text().splitlines(), "--")
    for path in (
        *sorted(ROOT.glob("*.md")),
        *_files("docs", "*.md"),
        *(p for r in _ROOMS for p in _files(r, "*.md")),
    ):
        yield from _of_page(path)
    yield from _of_openapi()


def _of_python(path: Path) -> Iterator[tuple[str, str, str]]:
    source = path.read_text()
    name = path.relative_to(ROOT)
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Expr(value=ast.Constant(value=str(text))):
                yield f"{name}:{node.lineno}", "docstring", text
            case ast.Raise(exc=ast.Call(args=arguments)):
                yield from ((f"{name}:{one.lineno}", "error", _spelt(one)) for one in arguments)
            case ast.keyword(arg="help" | "description"):
                yield f"{name}:{node.value.lineno}", "help", _spelt(node.value)
    comments = {
        token.start[0]: token.string[1:]
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.COMMENT
    }
    lines = [f"#{comments[n]}" if n in comments else "" for n in range(1, source.count("\n") + 2)]
    yield from _comments_of(path, lines, "#")


def _comments_of(path: Path, lines: list[str], mark: str) -> Iterator[tuple[str, str, str]]:
    """Join consecutive comment lines."""
    first, block = 0, [""][:0]
    for number, line in enumerate([*lines, ""], 1):
        text = line.strip().removeprefix(mark).strip() if line.strip().startswith(mark) else ""
        if text and not _MARK.match(text):
            first = first if block else number
            block.append(text)
        elif block:
            yield f"{path.relative_to(ROOT)}:{first}", "comment", " ".join(block)
            block = []


def _spelt(node: ast.expr) -> str:
    """Return a text or f-string as a person sees it, `{}` for each value in it."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(_spelt(part) if isinstance(part, ast.Constant) else "{}" for part in parts)
    return ""


def _of_page(path: Path) -> Iterator[tuple[str, str, str]]:
    """Yield the paragraphs, list items and table cells of a page, without its code blocks."""
    in_code = False
    block: list[str] = []
    head: list[str] = []
    first = 0
    for number, line in enumerate([*path.read_text().splitlines(), ""], 1):
        fence = line.lstrip().startswith("```")
        in_code ^= fence
        starts = bool(re.match(r"\s*([-*|#>]|\d+\.)\s?", line))
        if (fence or in_code or not line.strip() or starts) and block:
            yield f"{path.relative_to(ROOT)}:{first}", "page", " ".join(block)
            block = []
        if not (fence or in_code or not line.strip()):
            first = first if block else number
            text = re.sub(r"^\s*([-*#>]+|\d+\.)\s+", "", line)
            if not line.startswith("|"):
                head = []
                block.append(text)
                continue
            cells = text.strip("| ").split(" | ")
            place, head = f"{path.relative_to(ROOT)}:{number}", head or cells
            _ROWS[place] = "; ".join(f"{name}: {cell}" for name, cell in zip(head, cells, strict=False))
            for cell in cells:
                yield place, "page", cell


def _of_openapi() -> Iterator[tuple[str, str, str]]:
    app = create_app(cast("Services", None))  # The document needs only the routes.
    document = app.extensions["QUART_SCHEMA"].openapi_provider.schema()
    seen: set[str] = set()
    for place, kind, text in _described("", json.loads(json.dumps(document, default=str))):
        if text not in seen:  # Most of the errors are described at each of the routes.
            seen.add(text)
            yield place, kind, text


def _described(place: str, node: Any) -> Iterator[tuple[str, str, str]]:
    if isinstance(node, dict):
        for name in ("description", "summary"):
            if isinstance(node.get(name), str):
                yield place or "/", "openapi", node[name]
    members = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, member in members:
        yield from _described(f"{place}/{key}", member)
