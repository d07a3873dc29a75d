"""The answer to a wrong body or query says what would be right, and names no library."""

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
import pytest

from admin.http.explain import explain, explain_unknown
from admin.http.input_errors import find_errors, find_errors_in_json
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
            'entries[0].status: "accepted" is not allowed; did you mean Accepted?',
            "/entries/0/status",
        ),
        (
            '{"count": 1, "entries": [{"status": "Blocked", "tag": ""}]}',
            "entries[0].tag: must not be empty.",
            "/entries/0/tag",
        ),
        (
            '{"count": 1, "entries": [{"status": "Blocked", "tags": "a"}]}',
            "entries[0].tags: unknown member; did you mean tag?",
            "/entries/0/tags",
        ),
        (
            '{"count": 1, "entries": [{"status": "Blocked", "direction": "a"}]}',
            "entries[0].direction: unknown member; known are status, tag.",
            "/entries/0/direction",
        ),
        (
            '{"count": 1, "entries": [{"status": "Gone"}]}',
            'entries[0].status: must be Accepted or Blocked, not "Gone".',
            "/entries/0/status",
        ),
    ],
)
def test_the_error_for_a_wrong_body_gives_the_place_of_the_mistake_and_says_what_would_be_right(
    body: str, detail: str, pointer: str
) -> None:
    assert list(find_errors_in_json(body.encode(), Model)) == [InputError(detail=detail, pointer=pointer)]


def test_the_error_for_unreadable_json_gives_the_place_at_which_the_json_decoder_stopped() -> None:
    with pytest.raises(msgspec.ValidationError) as refused:
        msgspec.json.decode('{"count": 1, "entries": [{"status": "Blocked"}, 1e999]}', type=Model)
    detail = "entries[1]: must be a smaller number."
    assert explain(refused.value) == InputError(detail=detail, pointer="/entries/1")


@pytest.mark.parametrize(
    ("query", "model", "detail"),
    [
        ({}, Model, "count: required, but absent."),
        ({"count": "x"}, Model, "count: must be a whole number."),
        ({"count": "1", "on": "perhaps"}, Model, "on: must be true or false."),
        ({"count": "1", "share": "x"}, Model, "share: must be a number."),
        ({"page": "1"}, Nothing, "page: unknown parameter; this route takes none."),
    ],
)
def test_the_error_for_a_wrong_query_names_the_parameter_and_says_what_would_be_right(
    query: dict[str, str], model: Any, detail: str
) -> None:
    name = detail.partition(":")[0]
    assert list(find_errors(query, model, in_query=True)) == [InputError(detail=detail, parameter=name)]


def test_the_error_for_a_long_unknown_name_quotes_only_the_beginning_of_the_name() -> None:
    (found,) = find_errors({"x" * 10_000: 1}, Nothing)
    assert len(found.detail) < 100


@pytest.mark.parametrize(
    ("given", "known", "suggested"),
    [
        ("limt", "limit", True),
        ("id_tag", "idTag", True),
        ("vendor", "vendorId", True),
        ("RemoteStart", "RemoteStartTransaction", True),
        ("location", "remoteLocation", True),
        ("kW", "W", False),
        ("direction", "action", False),
        ("limits", "minutes", False),
        ("name", "frames", False),
        ("state", "status", False),
        ("tag", "voltage", False),
    ],
)
def test_a_known_name_is_suggested_only_if_the_unknown_name_is_similar_to_it(
    given: str,
    known: str,
    suggested: bool,  # noqa: FBT001
) -> None:
    text = explain_unknown(given, [known], in_query=False)
    wanted = f"did you mean {known}?" if suggested else f"known are {known}"
    assert text == f"unknown member; {wanted}"
