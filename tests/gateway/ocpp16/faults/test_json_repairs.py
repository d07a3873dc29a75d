"""Frames that are nearly JSON: each repair by name, and texts that are not repaired."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.ocpp16.faults.json_repairs import repair


def wrapped(payload: str) -> str:
    return f'[2,"1","DataTransfer",{payload}]'


@pytest.mark.parametrize(
    ("sent", "read", "faults"),
    [
        ('{"a":"x\x00\x00"}', {"a": "x\x00\x00"}, ["control_character"]),
        ('{"a":"line\nline\ttab\x1f"}', {"a": "line\nline\ttab\x1f"}, ["control_character"]),
        ('{"a\x07":1}', {"a\x07": 1}, ["control_character"]),
        ('{"a":1,}', {"a": 1}, ["trailing_comma"]),
        ('{"a":[1,2,],}', {"a": [1, 2]}, ["trailing_comma"]),
        ('{"a":[1 , \n]}', {"a": [1]}, ["trailing_comma"]),
        ('{,"a":1,,"b":2,,}', {"a": 1, "b": 2}, ["comma_too_many", "trailing_comma"]),
        ('{"a":[,{"b":1},,{"c":2}]}', {"a": [{"b": 1}, {"c": 2}]}, ["comma_too_many"]),
        ('{"a":\x0b1\x0c,\u00a0"b"\u3000:2\x7f}', {"a": 1, "b": 2}, ["blank_unknown"]),
        ('{"a":\x001\ufeff}', {"a": 1}, ["nul_outside_text", "byte_order_mark"]),
        ('{"a":,"b":}', {"a": None, "b": None}, ["empty_value"]),
        ('{"a": ,}', {"a": None}, ["empty_value", "trailing_comma"]),
        ('{"a":"it\\\'s"}', {"a": "it's"}, ["escape_unknown"]),
        ('{"a":"C:\\User\\x"}', {"a": "C:\\User\\x"}, ["escape_unknown"]),
        ('{"a":"\\x41\\u12"}', {"a": "A\\u12"}, ["escape_unknown"]),
        ('{"a":"\\ud800"}', {"a": "\\ud800"}, ["escape_unknown"]),
        ('{"a":"\\ud83d\\ude00\x01"}', {"a": "\U0001f600\x01"}, ["control_character"]),
        ('{"a":NaN,"b":-nan}', {"a": None, "b": None}, ["not_a_number"]),
        ('{"a":Infinity,"b":-INF}', {"a": None, "b": None}, ["not_a_number"]),
        ('{"a":01,"b":-007.50,"c":00}', {"a": 1, "b": -7.5, "c": 0}, ["leading_zero"]),
        ('{"a":+5,"b":+1e3}', {"a": 5, "b": 1000}, ["plus_sign"]),
        ('{"a":.5,"b":5.,"c":-.5}', {"a": 0.5, "b": 5, "c": -0.5}, ["bare_point"]),
        (
            '{"a":True,"b":FALSE,"c":None,"d":undefined}',
            {"a": True, "b": False, "c": None, "d": None},
            ["literal_spelling"],
        ),
        (
            '{"a":"\x01","b":NaN,"c":+01,}',
            {"a": "\x01", "b": None, "c": 1},
            ["control_character", "not_a_number", "plus_sign", "leading_zero", "trailing_comma"],
        ),
    ],
)
def test_a_frame_that_is_nearly_json_is_repaired_and_each_repair_is_named(
    sent: str, read: object, faults: list[str]
) -> None:
    repaired = repair(wrapped(sent))
    assert repaired is not None
    assert json.loads(repaired.text) == [2, "1", "DataTransfer", read]
    assert (list(repaired.faults), repaired.rest) == (faults, "")


@pytest.mark.parametrize(
    ("around", "faults", "rest"),
    [
        ("{}\x00", ["nul_outside_text"], ""),
        ("{}\r\n\x00\x00 ", ["nul_outside_text"], ""),
        ("\x00 {}", ["nul_outside_text"], ""),
        ("\ufeff{}", ["byte_order_mark"], ""),
        ("{}\ufeff", ["byte_order_mark"], ""),
        ('{}[2,"2","Heartbeat",{{}}]', ["frames_joined"], '[2,"2","Heartbeat",{}]'),
        ('{}\n[3,"2",', ["frames_joined"], '[3,"2",'),
        ("{}]", ["mark_after_frame"], ""),
        ("{}}}\n", ["mark_after_frame"], ""),
        ("{}];\r\n", ["mark_after_frame"], ""),
        ("{},", ["mark_after_frame"], ""),
        ("{},\n[3", ["mark_after_frame", "frames_joined"], "[3"),
        ("\x0b{}\x1a", ["blank_unknown"], ""),
        ("{}\u00a0", ["blank_unknown"], ""),
        ("{}\x00[x", ["nul_outside_text", "frames_joined"], "[x"),
    ],
)
def test_text_around_a_frame_is_ignored_or_is_the_next_frame(
    around: str, faults: list[str], rest: str
) -> None:
    frame = wrapped("{}")
    repaired = repair(around.format(frame))
    assert repaired == (frame, tuple(faults), rest)


@pytest.mark.parametrize(
    "payload",
    [
        '{"a":1,5}',
        "[1,,2]",
        "[,1]",
        "[,]",
        '["a",,"b"]',
        "[{},,[1]]",
        '{"a":1 2}',
        '{"a" 1}',
        "{a:1}",
        "{'a':1}",
        '{"a":1e}',
        '{"a":--1}',
        '{"a":1_000}',
        '{"a":0x10}',
        '{"a":1.2.3}',
        '{"a":yes}',
        '{"a":"b}',
        '{"a":[1}',
        '{"a":1',
        '{"a":.}',
    ],
)
def test_a_text_that_may_mean_several_things_is_not_repaired(payload: str) -> None:
    assert repair(wrapped(payload)) is None


@pytest.mark.parametrize(
    "text", ["", "x", '"', ":,:,", '{"a":,', "[", "[x", "[[[[", "[2", "[2,", "5", "null"]
)
def test_a_text_that_is_no_frame_is_not_repaired(text: str) -> None:
    for times in (1, 20_000):
        assert repair(text * times) is None


def test_a_frame_with_too_many_levels_is_not_repaired() -> None:
    assert repair(wrapped("[" * 998 + "01" + "]" * 998)) is not None
    assert repair(wrapped("[" * 1_010 + "01" + "]" * 1_010)) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(JSON, st.booleans())
def test_valid_json_is_not_changed(value: object, ascii_only: bool) -> None:  # noqa: FBT001  Drawn.
    text = json.dumps([2, "1", "X", value], ensure_ascii=ascii_only)
    repaired = repair(text)
    assert repaired is not None
    assert json.loads(repaired.text) == json.loads(text)
    assert repaired.faults == ()


@given(
    JSON, st.lists(st.tuples(st.integers(0, 200), st.sampled_from([*'[]{}:,"\\+0.eN\x00\x01 '])), max_size=4)
)
def test_a_repaired_text_is_always_json(value: object, damage: list[tuple[int, str]]) -> None:
    text = json.dumps([2, "1", "X", value])
    for at, extra in damage:
        text = text[: at % len(text)] + extra + text[at % len(text) + 1 :]
    repaired = repair(text)
    if repaired is not None:
        json.loads(repaired.text)
        assert len(repaired.rest) < len(text)
