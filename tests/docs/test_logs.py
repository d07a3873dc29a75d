"""docs/logs.md lists every log event of the product with its levels and fields."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from gateway.service.log_bound import LINES_PER_SECOND, OTHER_BOUNDS
from gateway.service.masking import mask

ROOT = Path(__file__).parents[2]
_LEVELS = {"critical", "debug", "info", "warning", "error", "exception"}
_LOGGER = re.compile(r"get_?[lL]ogger\(")
_NAME = re.compile(r"[a-z]+(_[a-z]+)*\.[a-z]+(_[a-z]+)*")
_ROW = re.compile(r"^\| `([a-z_.]+)` \| ([a-z, ]+) \|(.*?)\|", re.MULTILINE)


def _calls() -> Iterator[tuple[str, str, set[str]]]:
    """Yield name, level and fields of each log event. Keywords such as `**ports` are one field with the name
    `the ports`.
    """
    for call, level in _log_calls():
        # A second positional argument would become a part of the name. Such a value must be a field.
        [name] = call.args
        fields = {word.arg or "the ports" for word in call.keywords}
        traced = level == "exception"
        for one in _names(name):
            yield (one, "error", fields | {"exc_info"}) if traced else (one, level, fields)


def _log_calls() -> Iterator[tuple[ast.Call, str]]:
    """Yield each call that logs an event, with its level, whatever the name of the logger is."""
    for room in ("gateway", "state", "admin", "loadtest"):
        for path in (ROOT / room).rglob("*.py"):
            tree = ast.parse(path.read_text())
            loggers = {
                target.id
                for node in ast.walk(tree)
                if isinstance(node, ast.Assign) and _LOGGER.search(ast.unparse(node.value))
                for target in node.targets
                if isinstance(target, ast.Name)
            }
            for node in ast.walk(tree):
                match node:
                    case ast.Call(func=ast.Attribute(value=ast.Name(id=logger), attr=level)):
                        if logger in loggers and level in _LEVELS:
                            yield node, level


def _names(node: ast.expr) -> list[str]:
    """Return the names that the expression can yield. A name must not be put together from parts."""
    match node:
        case ast.Constant(value=str(name)):
            return [name]
        case ast.IfExp(body=body, orelse=other):
            return _names(body) + _names(other)
    raise AssertionError(f"{ast.unparse(node)} is not the name of a log event")


def _rows() -> dict[str, tuple[set[str], set[str]]]:
    page = (ROOT / "docs" / "logs.md").read_text()
    return {
        name: (set(levels.split(", ")), {field.strip("` ") for field in fields.split(",")} - {""})
        for name, levels, fields in _ROW.findall(page)
    }


def test_the_page_of_log_events_lists_every_log_event_with_its_levels_and_fields() -> None:
    found: dict[str, tuple[set[str], set[str]]] = {}
    for name, level, fields in _calls():
        levels, all_fields = found.setdefault(name, (set(), set()))
        levels.add(level)
        all_fields |= fields
    assert _rows() == found


def test_the_page_of_log_events_names_the_bound_of_the_lines_in_a_second() -> None:
    page = " ".join((ROOT / "docs" / "logs.md").read_text().split())
    assert f"at most {LINES_PER_SECOND} lines a second of each event" in page
    for event in OTHER_BOUNDS.keys() - {"handshake.refused"}:
        assert f"at most {OTHER_BOUNDS[event]} of `{event}`" in page
    assert OTHER_BOUNDS.keys() <= _rows().keys()


def test_the_name_of_every_log_event_is_a_noun_and_a_verb() -> None:
    assert [name for name, _, _ in _calls() if not _NAME.fullmatch(name)] == []
    assert len(set(_rows())) > 30


def test_no_log_event_has_a_field_whose_name_makes_the_masking_hide_the_value_of_the_field() -> None:
    for name, (_, fields) in _rows().items():
        line = dict.fromkeys(fields, "Ftxqj7qs")
        assert mask(None, "info", dict(line)) == line, name
