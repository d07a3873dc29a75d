"""Each Lua step has a caller in the same folder.

It begins with a sentence about its purpose and a header with all its names, and it is short.
"""

import ast
import re
from pathlib import Path

import pytest

import state
from state.scripts import SCRIPTS, Names, head, read_header, select

ROOM = Path(state.__file__).parent
STEPS = sorted(
    file.relative_to(ROOM).with_suffix("").as_posix()
    for file in ROOM.rglob("*.lua")
    if not file.name.startswith("_")
)
PARTS = sorted(f"lua/{file.stem}" for file in ROOM.glob("lua/_*.lua"))
PRELUDE = (ROOM / "lua/_prelude.lua").read_text()

_NO_CODE = re.compile(r"--[^\n]*|'(?:\\.|[^'\\])*'")
_DECLARED = re.compile(r"\b(?:local|for) ([\w, ]+?)(?= =| in\b|\n)|\bfunction \w+\(([\w, ]*)\)")


def code(name: str) -> str:
    """Read a Lua step without its comments and strings."""
    return _NO_CODE.sub("", (ROOM / f"{name}.lua").read_text())


def words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text))


def find_steps(file: Path) -> set[str]:
    """Return the Lua steps that a module runs: the first arguments of `step`, `steps` and `Prepared`."""
    calls = [node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Call)]
    return {
        str(call.args[0].value)
        for call in calls
        if (getattr(call.func, "attr", None) or getattr(call.func, "id", None))
        in {"step", "steps", "Prepared"}
        if call.args and isinstance(call.args[0], ast.Constant)
    }


def test_every_lua_step_is_run_by_a_module_in_its_folder_and_every_step_that_is_run_has_a_file() -> None:
    assert sorted(SCRIPTS) == STEPS
    assert {name for file in ROOM.rglob("*.py") for name in find_steps(file)} == set(STEPS)
    for name in STEPS:
        assert any(name in find_steps(file) for file in (ROOM / name).parent.glob("*.py"))


@pytest.mark.parametrize("name", STEPS)
def test_a_lua_step_uses_every_name_in_the_header_of_its_file_and_declares_no_such_name_again(
    name: str,
) -> None:
    body = code(name)
    keys, args = read_header(name, (ROOM / f"{name}.lua").read_text())
    names = {*keys.bare, *args.bare}
    assert names <= words(body)
    declared = [name for found in _DECLARED.findall(body) for name in words(" ".join(found))]
    assert not names.intersection(declared)


@pytest.mark.parametrize("name", [*STEPS, *PARTS])
def test_a_lua_step_uses_its_keys_and_arguments_only_by_their_names(name: str) -> None:
    assert not words(code(name)) & {"KEYS", "ARGV"}


@pytest.mark.parametrize("name", STEPS)
def test_a_lua_step_begins_with_a_sentence_about_its_purpose(name: str) -> None:
    assert re.match(r"-- [A-Z][^|>]+\.\n-- KEYS ", (ROOM / f"{name}.lua").read_text())


@pytest.mark.parametrize("name", STEPS)
def test_a_lua_step_has_at_most_40_lines(name: str) -> None:
    assert len((ROOM / f"{name}.lua").read_text().splitlines()) <= 40


@pytest.mark.parametrize("name", STEPS)
def test_a_lua_step_does_not_call_the_function_os_time(name: str) -> None:
    assert "os.time" not in (ROOM / f"{name}.lua").read_text()


def test_the_header_of_a_lua_step_may_list_names_on_several_lines() -> None:
    keys, args = read_header(
        "x", "-- Do it.\n-- KEYS lease held\n--   events... | ARGV epoch\n-- -> {'ok'}\nreturn {'ok'}"
    )
    assert keys.names == ("lease", "held", "events...")
    assert [keys.admits(n) for n in (1, 2, 3, 9)] == [False, True, True, True]
    assert args.names == ("epoch",)
    assert [args.admits(n) for n in (0, 1, 2)] == [False, True, False]
    assert read_header("x", "-- KEYS a -> {'ok'}")[1].names == ()


@pytest.mark.parametrize(
    "body",
    [
        "return 1",
        "return 1\n-- KEYS a -> {'ok'}",
        "-- KEYS a | ARGV b",
        "-- KEYS a... b -> {}",
        "-- KEYS A -> {}",
    ],
)
def test_the_error_for_an_unreadable_header_of_a_lua_step_names_the_file(body: str) -> None:
    with pytest.raises(ValueError, match=r"x\.lua"):
        read_header("x", body)


@pytest.mark.parametrize(
    "header", ["KEYS a b | ARGV c a", "KEYS a a", "KEYS a | ARGV b b", "KEYS a | ARGV a..."]
)
def test_a_header_that_uses_a_name_twice_is_refused(header: str) -> None:
    with pytest.raises(ValueError, match=r"x\.lua: the header uses a name twice"):
        read_header("x", f"-- {header} -> {{'ok'}}")


@pytest.mark.parametrize("name", ["type", "error", "redis", "end", "fence", "now_ms"])
def test_a_header_with_the_name_of_a_lua_keyword_or_a_shared_function_is_refused(name: str) -> None:
    for keys, args in ((Names((name,)), Names(())), (Names(("a",)), Names(("b", f"{name}...")))):
        with pytest.raises(ValueError, match=rf"x\.lua: the header must not use {name}"):
            head("x", keys, args, PRELUDE)


def test_the_generated_first_line_of_a_script_declares_the_names_in_the_header_of_the_script() -> None:
    assert head("x", Names(("a", "b")), Names(("c", "rest...")), PRELUDE) == (
        "local a, b = KEYS[1], KEYS[2] local c, rest = ARGV[1], {unpack(ARGV, 2)}"
    )
    assert head("x", Names(("a",)), Names(()), PRELUDE) == "local a = KEYS[1]"


def test_a_script_has_only_the_shared_definitions_that_it_uses() -> None:
    limit = "local ONE, LIMIT = 1, 2"
    inner = "local function inner(x)\n  if x then\n    return LIMIT\n  end\nend"
    outer = "local function outer() -- not unused\n  return inner(1)\nend"
    unused = "local function unused()\n  return 'x'\nend"
    shared = f"-- unused\n{limit}\n\n{inner}\n{unused}\n-- An outer function.\n{outer}\n"
    assert select(shared, "-- unused\nreturn outer()") == f"{limit}\n{inner}\n{outer}"
    assert select(shared, "return ONE") == limit
    assert select(shared, "return 1") == ""


@pytest.mark.parametrize("name", PARTS)
def test_every_shared_definition_can_be_selected(name: str) -> None:
    shared = (ROOM / f"{name}.lua").read_text()
    begun = [line for line in shared.splitlines() if line.startswith("local ")]
    kept = select(shared, code(name)).splitlines()
    assert [line for line in kept if line.startswith("local ")] == begun


@pytest.mark.parametrize("name", STEPS)
def test_the_generated_first_line_of_a_script_does_not_change_the_line_numbers_after_it(name: str) -> None:
    before, _, _ = SCRIPTS[name].source.rpartition((ROOM / f"{name}.lua").read_text())
    assert before.splitlines()[-1].startswith("local ")
    assert before.endswith(" ")
