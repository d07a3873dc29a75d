"""The kinds that operators are told of are those that the steps emit."""

import re
from itertools import chain
from pathlib import Path

from admin.routes.event_kinds import KINDS

STATE = Path(__file__).parents[3] / "state"
EMITTED = re.compile(r"""emit\([^'\n]*'([a-z_.]+)'""")
NAMED = re.compile(r'"(?!valkey\.|store\.)([a-z_]+\.[a-z_]+)"')  # Files and log events too.


def test_every_kind_that_is_emitted_is_told_and_no_other() -> None:
    found: set[str] = set()
    for file in chain(STATE.rglob("*.py"), STATE.rglob("*.lua")):
        text = file.read_text()
        found.update(EMITTED.findall(text) if file.suffix == ".lua" else NAMED.findall(text))
    whole = {kind for kind in found if not kind.endswith(".")}
    # A step puts these together from what it did: the status of a command, what became of a profile.
    beginnings = tuple(found - whole)
    assert beginnings
    assert whole <= KINDS.keys()
    for kind in KINDS.keys() - whole:
        assert kind.startswith(beginnings), kind
    for beginning in beginnings:
        assert any(kind.startswith(beginning) for kind in KINDS), beginning
