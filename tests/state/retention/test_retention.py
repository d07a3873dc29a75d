"""Every kind of key has a row in the table of state/retention, and the tests that a row names exist."""

import ast
import inspect
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

from state import keys
from state.keys import ChargePointKeys
from state.retention import KINDS, Kind
from state.store import Store
from tests.support.owned_keys import find_unowned, kind_of

TESTS = Path(__file__).parents[2]
ROWS = [kind for kinds in KINDS.values() for kind in kinds]
PREFIXES = {"LIVENESS"}
"""Constants of keys.py that are the beginning of several keys."""


def _call(make: Any) -> object:
    """Call a function that makes a key, with arguments for its parameters."""
    parameters = inspect.signature(make).parameters.values()
    return make(*(7 if parameter.annotation is int else "0a" for parameter in parameters))


def find_keys() -> set[str]:
    """Return one key of each kind that keys.py can make."""
    of = ChargePointKeys("acme", "CP-1")
    found: list[object] = [
        value for name, value in vars(keys).items() if name.isupper() and name not in PREFIXES
    ]
    found += [
        _call(value)
        for name, value in vars(keys).items()
        if not name.startswith("_")
        and (isinstance(value, partial) or (inspect.isfunction(value) and value.__module__ == keys.__name__))
    ]
    for name in dir(of):
        if not name.startswith("_") and name != "of":
            value = getattr(of, name)
            found += [_call(value)] if inspect.ismethod(value) else [value]
    texts = {one for one in found if isinstance(one, str)}
    texts |= {text for one in found if isinstance(one, tuple) for text in one if isinstance(text, str)}
    return {text for text in texts if kind_of(text)}


def test_the_table_has_a_row_for_each_kind_of_key_and_no_other_row() -> None:
    assert {kind_of(key) for key in find_keys()} == {row.name for row in ROWS}


def test_each_kind_of_key_has_one_row() -> None:
    assert [name for name, times in Counter(row.name for row in ROWS).items() if times > 1] == []


async def test_a_key_of_an_unknown_kind_in_a_store_is_found(store: Store) -> None:
    """The fixture `store` looks for such keys after each test."""
    made = [keys.node("a"), keys.events(3, "acme"), ChargePointKeys("acme", "CP-1").transaction(1)]
    strange = [f"{keys.tag(3)}:strange:acme", "csms:stranger"]
    for key in (*made, *strange):
        await store.execute("SET", key, "x")
    assert await find_unowned(store) == {"strange", "stranger"}
    await store.execute("UNLINK", strange[0], strange[1])


def test_each_row_says_when_a_key_goes_and_how_much_it_holds_and_names_tests_that_exist() -> None:
    exist = {
        node.name
        for file in TESTS.rglob("test_*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    for row in ROWS:
        assert all(row[:5]), row
        assert row.tests, row
        assert [test for test in row.tests if test not in exist] == [], row.name


def test_all_keys_that_are_deleted_with_a_charge_point_say_so() -> None:
    of = ChargePointKeys("acme", "CP-1")
    names = {name for key in of.deleted_with_it if (name := kind_of(key))}
    rows: dict[str, Kind] = {row.name: row for row in ROWS}
    for name in names - {"open", "pending", "charging-profile-promises", "remote-starts"}:
        assert "with the charge point" in rows[name].ends, name
