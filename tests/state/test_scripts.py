"""Each Lua file and what is said about it: its header, its declaration, its size."""

import importlib
import pkgutil
import re
from pathlib import Path

import pytest

import state
from state.scripts import REGISTRY, read_header, script

ROOM = Path(state.__file__).parent
STEPS = sorted(
    file.relative_to(ROOM).with_suffix("").as_posix()
    for file in ROOM.rglob("*.lua")
    if not file.name.startswith("_")
)


def test_every_file_is_declared_by_a_module_and_every_declaration_has_a_file() -> None:
    for module in pkgutil.walk_packages(state.__path__, "state."):
        importlib.import_module(module.name)
    assert sorted(REGISTRY) == STEPS


@pytest.mark.parametrize("name", STEPS)
def test_a_step_uses_the_keys_and_arguments_that_its_header_names(name: str) -> None:
    body = (ROOM / f"{name}.lua").read_text()
    keys, args = read_header(name, body)
    for table, names in (("KEYS", keys), ("ARGV", args)):
        used = [int(number) for number in re.findall(rf"\b{table}\[(\d+)\]", body)]
        assert names.variadic or max(used, default=0) <= len(names.names), table
        # One used nowhere is a mistake, but for the first three, which the prelude's fence uses.
        whole = re.search(rf"\b{table}\b(?!\[\d)", body.split("->", 1)[1])
        unused = set(range(4, len(names.names) + 1)) - set(used)
        assert whole or names.variadic or not unused, (table, unused)


@pytest.mark.parametrize("name", STEPS)
def test_a_step_is_one_atomic_idea_of_at_most_40_lines(name: str) -> None:
    assert len((ROOM / f"{name}.lua").read_text().splitlines()) <= 40


@pytest.mark.parametrize("name", STEPS)
def test_a_step_takes_its_time_from_the_server(name: str) -> None:
    assert "os.time" not in (ROOM / f"{name}.lua").read_text()


def test_a_header_names_keys_and_arguments_over_several_lines() -> None:
    keys, args = read_header(
        "x", "-- KEYS lease held\n--   events... | ARGV epoch\n-- -> {'ok'}\nreturn {'ok'}"
    )
    assert keys.names == ("lease", "held", "events...")
    assert [keys.admits(n) for n in (1, 2, 3, 9)] == [False, True, True, True]
    assert args.names == ("epoch",)
    assert [args.admits(n) for n in (0, 1, 2)] == [False, True, False]
    assert read_header("x", "-- KEYS a -> {'ok'}")[1].names == ()


@pytest.mark.parametrize(
    "body", ["return 1", "-- KEYS a | ARGV b", "-- KEYS a... b -> {}", "-- KEYS A -> {}"]
)
def test_a_header_that_cannot_be_read_names_the_file(body: str) -> None:
    with pytest.raises(ValueError, match=r"x\.lua"):
        read_header("x", body)


def test_a_step_without_a_file_cannot_be_declared() -> None:
    with pytest.raises(FileNotFoundError):
        script("no_such_step")
