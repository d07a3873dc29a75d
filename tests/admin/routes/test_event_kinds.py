"""The API documentation lists the kinds of events that the code in state/ emits, and no others."""

import re
from itertools import chain
from pathlib import Path

from admin.routes.event_kinds import KINDS, MEMBERS

STATE = Path(__file__).parents[3] / "state"
EMITTED = re.compile(r"""emit\([^'\n]*'([a-z_.]+)'""")
# These beginnings belong to names of files, loggers and log events, not to kinds.
_FILES = "valkey|store|events|appendonly|packing|housekeeping|csms|manifest|restore|backup"
NAMED = re.compile(rf'"(?!(?:{_FILES})\.)([a-z_]+\.[a-z_]+)"')


def test_the_documented_kinds_of_events_are_exactly_those_that_the_lua_scripts_emit() -> None:
    found: set[str] = set()
    for file in chain(STATE.rglob("*.py"), STATE.rglob("*.lua")):
        text = file.read_text()
        found.update(EMITTED.findall(text) if file.suffix == ".lua" else NAMED.findall(text))
    whole = {kind for kind in found if not kind.endswith(".")}
    # Some kinds are composed: a Lua step appends an outcome, such as a command's status, to a beginning.
    beginnings = tuple(found - whole)
    assert beginnings
    assert whole <= KINDS.keys()
    for kind in KINDS.keys() - whole:
        assert kind.startswith(beginnings), kind
    for beginning in beginnings:
        assert any(kind.startswith(beginning) for kind in KINDS), beginning


def test_the_test_helpers_list_the_members_of_each_kind_of_event() -> None:
    """In each test that uses it, the fixture `store` compares the events with the members listed here."""
    assert MEMBERS.keys() == KINDS.keys()
