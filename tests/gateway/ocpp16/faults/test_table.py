"""The table of faults and the code that counts them agree."""

import ast
from collections.abc import Iterator
from pathlib import Path

from gateway.ocpp16.faults.table import FAULTS

TABLE = Path("gateway/ocpp16/faults/table.py")
SOURCES = [path for path in Path("gateway").rglob("*.py") if path != TABLE]


def _texts(node: ast.AST) -> Iterator[str]:
    for one in ast.walk(node):
        if isinstance(one, ast.Constant) and isinstance(one.value, str):
            yield one.value


def _counted(tree: ast.AST) -> Iterator[str]:
    """What is counted by `x.fault("name")`, `self.faults["name"]` and `repairs.append("name")`."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(attr="fault"), args=[argument]):
                yield from _texts(argument)
            case ast.Call(
                func=ast.Attribute(
                    attr="append", value=ast.Attribute(attr="repairs") | ast.Name(id="repairs")
                ),
                args=[argument],
            ):
                yield from _texts(argument)
            case ast.Subscript(value=ast.Attribute(attr="faults") | ast.Name(id="faults"), slice=argument):
                yield from _texts(argument)


def test_what_is_counted_is_in_the_table() -> None:
    counted = {name for path in SOURCES for name in _counted(ast.parse(path.read_text()))}
    assert len(counted) > 30
    assert counted <= set(FAULTS)


def test_what_is_in_the_table_is_counted_somewhere() -> None:
    texts = {text for path in SOURCES for text in _texts(ast.parse(path.read_text()))}
    assert set(FAULTS) <= texts


def test_a_meaning_is_a_sentence() -> None:
    for name, fault in FAULTS.items():
        assert fault.meaning.endswith("."), name
        assert "|" not in fault.meaning, name
