"""Tests of the differences that a playbook notices, and of the texts of its errors."""

import sys

import pytest

from gateway.ocpp16.messages import core
from gateway.ocpp16.protocol import Protocol, Role
from gateway.ocpp16.received import IncomingCall
from tests.support.playbook import Answer, Like, Playbook, Tick

HEARTBEAT = b'[2,"a","Heartbeat",{}]'
RESULT = core.HeartbeatResult(current_time="now")


def central() -> Playbook:
    return Playbook(Protocol(Role.CENTRAL_SYSTEM))


def test_the_error_of_a_playbook_shows_what_happened_instead_of_the_expected_outcome() -> None:
    with pytest.raises(AssertionError) as caught:
        assert central() >> HEARTBEAT << Like(IncomingCall) >> Answer(RESULT) << b"[]" >> Tick(1)
    lines = str(caught.value).splitlines()
    assert [line for line in lines if line[0] in "-+"] == [
        "- << b'[]'",
        """+ << b'[3,"a",{"currentTime":"now"}]'""",
    ]


def test_a_playbook_fails_if_an_outcome_is_missing_and_if_there_is_one_outcome_too_many() -> None:
    for playbook in (central() >> HEARTBEAT, central() >> HEARTBEAT << Like(IncomingCall) << {}):
        with pytest.raises(AssertionError, match="not what happened"):
            assert playbook


def test_a_test_fails_if_it_never_asserts_its_playbook(monkeypatch: pytest.MonkeyPatch) -> None:
    raised: list[sys.UnraisableHookArgs] = []
    monkeypatch.setattr(sys, "unraisablehook", raised.append)
    _ = central() >> HEARTBEAT
    del _
    [one] = raised
    assert "never asserted" in str(one.exc_value)
