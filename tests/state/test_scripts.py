"""Each Lua file and what is said about it: its header, its declaration, its size."""

import ast
import re
from pathlib import Path

import pytest

import state
from state.scripts import SCRIPTS, Names, head, read_header

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
    """Read a step without its comments and strings."""
    return _NO_CODE.sub("", (ROOM / f"{name}.lua").read_text())


def words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text))


def called(file: Path) -> set[str]:
    """Find the steps that a module runs: the first arguments of `step`, `steps` and `Prepared`."""
    calls = [node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Call)]
    return {
        str(call.args[0].value)
        for call in calls
        if (getattr(call.func, "attr", None) or getattr(call.func, "id", None))
        in {"step", "steps", "Prepared"}
        if call.args and isinstance(call.args[0], ast.Constant)
    }


def test_every_file_is_run_by_a_module_beside_it_and_every_name_has_a_file() -> None:
    assert sorted(SCRIPTS) == STEPS
    assert {name for file in ROOM.rglob("*.py") for name in called(file)} == set(STEPS)
    for name in STEPS:
        assert any(name in called(file) for file in (ROOM / name).parent.glob("*.py"))


@pytest.mark.parametrize("name", STEPS)
def test_a_step_uses_every_name_of_its_header_and_gives_none_of_them_away(name: str) -> None:
    body = code(name)
    keys, args = read_header(name, (ROOM / f"{name}.lua").read_text())
    names = {*keys.bare, *args.bare}
    assert names <= words(body)
    declared = [name for found in _DECLARED.findall(body) for name in words(" ".join(found))]
    assert not names.intersection(declared)


@pytest.mark.parametrize("name", [*STEPS, *PARTS])
def test_keys_and_arguments_have_names_and_no_numbers(name: str) -> None:
    assert not words(code(name)) & {"KEYS", "ARGV"}


@pytest.mark.parametrize("name", STEPS)
def test_a_step_begins_with_a_sentence_that_says_its_purpose(name: str) -> None:
    assert re.match(r"-- [A-Z][^|>]+\.\n-- KEYS ", (ROOM / f"{name}.lua").read_text())


@pytest.mark.parametrize("name", STEPS)
def test_a_step_is_one_atomic_idea_of_at_most_40_lines(name: str) -> None:
    assert len((ROOM / f"{name}.lua").read_text().splitlines()) <= 40


@pytest.mark.parametrize("name", STEPS)
def test_a_step_takes_its_time_from_the_server(name: str) -> None:
    assert "os.time" not in (ROOM / f"{name}.lua").read_text()


def test_a_header_names_keys_and_arguments_over_several_lines() -> None:
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
def test_a_header_that_cannot_be_read_names_the_file(body: str) -> None:
    with pytest.raises(ValueError, match=r"x\.lua"):
        read_header("x", body)


@pytest.mark.parametrize(
    "header", ["KEYS a b | ARGV c a", "KEYS a a", "KEYS a | ARGV b b", "KEYS a | ARGV a..."]
)
def test_a_header_that_gives_two_things_one_name_is_refused(header: str) -> None:
    with pytest.raises(ValueError, match=r"x\.lua: the header must give each"):
        read_header("x", f"-- {header} -> {{'ok'}}")


@pytest.mark.parametrize("name", ["type", "error", "redis", "end", "fence", "now_ms"])
def test_a_header_that_hides_a_word_of_lua_or_a_function_of_ours_is_refused(name: str) -> None:
    for keys, args in ((Names((name,)), Names(())), (Names(("a",)), Names(("b", f"{name}...")))):
        with pytest.raises(ValueError, match=rf"x\.lua: the header must not use {name}"):
            head("x", keys, args, PRELUDE)


def test_the_head_gives_keys_and_arguments_the_names_of_the_header() -> None:
    assert head("x", Names(("a", "b")), Names(("c", "rest...")), PRELUDE) == (
        "local a, b = KEYS[1], KEYS[2] local c, rest = ARGV[1], {unpack(ARGV, 2)}"
    )
    assert head("x", Names(("a",)), Names(()), PRELUDE) == "local a = KEYS[1]"


@pytest.mark.parametrize("name", STEPS)
def test_the_head_moves_no_line_of_the_body(name: str) -> None:
    before, _, _ = SCRIPTS[name].source.rpartition((ROOM / f"{name}.lua").read_text())
    assert before.splitlines()[-1].startswith("local ")
    assert before.endswith(" ")
