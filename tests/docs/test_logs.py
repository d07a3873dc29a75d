"""docs/logs.md lists every log event of the product with its levels and fields."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from gateway.service.masking import mask

ROOT = Path(__file__).parents[2]
_LEVELS = {"debug", "info", "warning", "error", "exception"}
_NAME = re.compile(r"[a-z]+(_[a-z]+)*\.[a-z]+(_[a-z]+)*")
_ROW = re.compile(r"^\| `([a-z_.]+)` \| ([a-z, ]+) \|(.*?)\|", re.MULTILINE)


def _calls() -> Iterator[tuple[str, str, set[str]]]:
    """Yield name, level and fields of each log event; `**ports` is the field `the ports`."""
    for room in ("gateway", "state", "admin", "loadtest"):
        for path in (ROOT / room).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                match node:
                    case ast.Call(
                        func=ast.Attribute(value=ast.Name(id="log" | "_log"), attr=level), args=[first]
                    ):
                        if level in _LEVELS:
                            fields = {word.arg or "the ports" for word in node.keywords}
                            if level == "exception":
                                level, fields = "error", fields | {"exc_info"}
                            for name in _names(first):
                                yield name, level, fields


def _names(node: ast.expr) -> list[str]:
    return [str(part.value) for part in ast.walk(node) if isinstance(part, ast.Constant)]


def _rows() -> dict[str, tuple[set[str], set[str]]]:
    page = (ROOT / "docs" / "logs.md").read_text()
    return {
        name: (set(levels.split(", ")), {field.strip("` ") for field in fields.split(",")} - {""})
        for name, levels, fields in _ROW.findall(page)
    }


def test_every_log_event_is_listed_with_its_levels_and_fields() -> None:
    found: dict[str, tuple[set[str], set[str]]] = {}
    for name, level, fields in _calls():
        levels, all_fields = found.setdefault(name, (set(), set()))
        levels.add(level)
        all_fields |= fields
    assert _rows() == found


def test_every_log_event_is_a_noun_and_a_verb() -> None:
    assert [name for name, _, _ in _calls() if not _NAME.fullmatch(name)] == []
    assert len(set(_rows())) > 30


def test_no_field_of_a_log_event_is_masked_for_its_name() -> None:
    for name, (_, fields) in _rows().items():
        line = dict.fromkeys(fields, "Ftxqj7qs")
        assert mask(None, "info", dict(line)) == line, name
