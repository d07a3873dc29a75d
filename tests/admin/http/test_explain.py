"""Whatever is wrong in a body or a query, the answer says what would be right, in words of no library."""

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
import pytest

from admin.http.explain import explain
from admin.http.problems import InputError

MOMENT = "must be a date and time with zone, such as 2026-01-31T12:00:00Z."


class Entry(msgspec.Struct, forbid_unknown_fields=True):
    status: Literal["Accepted", "Blocked"]
    tag: Annotated[str, msgspec.Meta(min_length=1, max_length=3)] = "a"


class Model(msgspec.Struct, forbid_unknown_fields=True):
    count: Annotated[int, msgspec.Meta(ge=1, le=5)]
    at: Annotated[datetime, msgspec.Meta(tz=True)] | None = None
    entries: Annotated[tuple[Entry, ...], msgspec.Meta(max_length=2)] | None = None
    share: Annotated[float, msgspec.Meta(ge=0.0)] | None = None
    word: Annotated[str, msgspec.Meta(pattern="^x$")] = "x"
    on: bool = False
    names: dict[Annotated[str, msgspec.Meta(max_length=2)], int] = {}


class Nothing(msgspec.Struct, forbid_unknown_fields=True):
    pass


@pytest.mark.parametrize(
    ("body", "detail", "pointer"),
    [
        ("[]", "The body must be an object, not a list.", ""),
        ("{}", "count: required, but absent.", "/count"),
        ('{"count": "1"}', "count: must be a whole number, not text.", "/count"),
        ('{"count": 1.5}', "count: must be a whole number, not a fraction.", "/count"),
        ('{"count": 1e999}', "count: larger than any number can be here.", "/count"),
        ('{"count": 9}', "count: must be at most 5.", "/count"),
        ('{"count": 0}', "count: must be at least 1.", "/count"),
        ('{"count": 1, "at": "noon"}', f"at: {MOMENT}", "/at"),
        ('{"count": 1, "at": "2026-01-31T12:00:00"}', f"at: {MOMENT}", "/at"),
        ('{"count": 1, "share": -1}', "share: must be at least 0.", "/share"),
        ('{"count": 1, "share": "x"}', "share: must be a number or null, not text.", "/share"),
        ('{"count": 1, "on": 1}', "on: must be true or false, not a whole number.", "/on"),
        ('{"count": 1, "word": "y"}', "word: must match the pattern '^x$'.", "/word"),
        ('{"count": 1, "names": {"abc": 1}}', "names: each name must have at most 2 characters.", "/names"),
        ('{"count": 1, "entries": [{}]}', "entries[0].status: required, but absent.", "/entries/0/status"),
        (
            '{"count": 1, "entries": [{"status": "accepted"}]}',
            'entries[0].status: "accepted" is not allowed; did you mean Accepted? one of Accepted, Blocked.',
            "/entries/0/status",
        ),
        (
            '{"count": 1, "entries": [{"status": "Blocked", "tag": ""}]}',
            "entries[0].tag: must not be empty.",
            "/entries/0/tag",
        ),
        (
            '{"count": 1, "entries": [{"status": "Blocked", "tags": "a"}]}',
            "entries[0].tags: not known here; did you mean tag? known are status, tag.",
            "/entries/0/tags",
        ),
    ],
)
def test_a_body_that_is_wrong(body: str, detail: str, pointer: str) -> None:
    with pytest.raises(msgspec.ValidationError) as refused:
        msgspec.json.decode(body, type=Model)
    assert explain(refused.value, Model) == InputError(detail=detail, pointer=pointer)


@pytest.mark.parametrize(
    ("query", "model", "detail"),
    [
        ({}, Model, "count: required, but absent."),
        ({"count": "x"}, Model, "count: must be a whole number."),
        ({"count": "1", "on": "perhaps"}, Model, "on: must be true or false."),
        ({"count": "1", "share": "x"}, Model, "share: must be a number."),
        ({"page": "1"}, Nothing, "page: not known here; nothing is."),
    ],
)
def test_a_query_that_is_wrong(query: dict[str, str], model: Any, detail: str) -> None:
    with pytest.raises(msgspec.ValidationError) as refused:
        msgspec.convert(query, model, strict=False)
    name = detail.partition(":")[0]
    assert explain(refused.value, model, in_query=True) == InputError(detail=detail, parameter=name)


def test_a_name_of_any_length_is_told_in_part_only() -> None:
    with pytest.raises(msgspec.ValidationError) as refused:
        msgspec.convert({"x" * 10_000: 1}, Nothing)
    assert len(explain(refused.value, Nothing).detail) < 100
