"""Our calls to a charge point and its answers, one rule in each test."""

import pytest

from gateway.ocpp16.errors import CallOutstanding
from gateway.ocpp16.faults.table import FaultName
from gateway.ocpp16.messages import core
from gateway.ocpp16.protocol import UNREADABLE, Protocol, Role
from gateway.ocpp16.received import CallAnswered, CallRefused, Ignored, IncomingCall, OutgoingCall
from tests.support.playbook import Call, Like, Playbook, Tick, central

UNLOCK = core.UnlockConnector(connector_id=1)
UNLOCK_FRAME = b'[2,"a","UnlockConnector",{"connectorId":1}]'
UNLOCKED = core.UnlockConnectorResult(status="Unlocked")


def test_a_call_that_csms_sends_ends_when_its_answer_arrives() -> None:
    call = OutgoingCall("a", "UnlockConnector", UNLOCK, made=10.0, deadline=40.0)
    assert (
        central()
        >> Call(UNLOCK, "a", now=10.0)
        << UNLOCK_FRAME
        >> Tick(39.9)
        >> b'[3,"a",{"status":"Unlocked"}]'
        << CallAnswered(call, UNLOCKED, b'{"status":"Unlocked"}')
        >> Tick(1e9)
    )


def test_an_absent_field_is_not_written_to_the_frame() -> None:
    assert (
        central()
        >> Call(core.RemoteStartTransaction(id_tag="x"), "a")
        << b'[2,"a","RemoteStartTransaction",{"idTag":"x"}]'
    )


def test_sending_a_second_call_raises_an_error_as_long_as_the_first_call_is_not_answered() -> None:
    protocol = Protocol(Role.CENTRAL_SYSTEM)
    protocol.call(UNLOCK, "a", 0)
    with pytest.raises(CallOutstanding, match="UnlockConnector"):
        protocol.call(UNLOCK, "b", 0)
    assert (
        Playbook(protocol)
        >> b'[2,"a","Heartbeat",{}]'
        << Like(IncomingCall, id="a")  # The peer may use the same id as we do.
        >> b'[3,"a",{"status":"Unlocked"}]'
        << Like(CallAnswered, result=UNLOCKED)
        >> Call(UNLOCK, "b")
        << [2, "b", "UnlockConnector", {"connectorId": 1}]
    )


def test_a_call_times_out_only_once_and_an_answer_that_arrives_later_is_still_returned() -> None:
    call = OutgoingCall("a", "UnlockConnector", UNLOCK, made=0, deadline=5)
    assert (
        central()
        >> Call(UNLOCK, "a", timeout=5)
        << UNLOCK_FRAME
        >> Tick(4.9)
        >> Tick(5)
        << call
        << {"call_unanswered": 1}
        >> Tick(6)
        >> Call(UNLOCK, "b", now=6)
        << [2, "b", "UnlockConnector", {"connectorId": 1}]
        >> b'[3,"a",{"status":"Unlocked"}]'
        << Ignored("late_answer", CallAnswered(call, UNLOCKED, b'{"status":"Unlocked"}'))
        << {"late_answer": 1}
        >> b'[3,"a",{"status":"Unlocked"}]'
        << Ignored("unknown_answer")
        << {"unknown_answer": 1}
        >> b'[3,"b",{"status":"Unlocked"}]'
        << Like(CallAnswered, call=Like(OutgoingCall, id="b"))
    )


def test_only_the_last_four_calls_that_timed_out_are_remembered() -> None:
    playbook = central()
    for number in range(5):
        playbook = playbook >> Call(UNLOCK, str(number), timeout=1) << Like(bytes)
        playbook = playbook >> Tick(1) << Like(OutgoingCall, id=str(number)) << {"call_unanswered": 1}
    playbook = playbook >> b'[3,"0",{"status":"Unlocked"}]' << Ignored("unknown_answer")
    playbook = playbook << {"unknown_answer": 1}
    for number in range(1, 5):
        playbook = playbook >> b'[3,"%d",{"status":"Unlocked"}]' % number
        playbook = playbook << Like(Ignored, reason="late_answer") << {"late_answer": 1}
    assert playbook


@pytest.mark.parametrize(
    ("frame", "code", "description", "details", "faults"),
    [
        (b'[4,"7","NotSupported","no such thing",{"x":1}]', "NotSupported", "no such thing", b'{"x":1}', []),
        (b'[4,"7"]', "", "", b"{}", ["error_code_unknown"]),
        (b'[4,"7","InternalError"]', "InternalError", "", b"{}", []),
        (b'[4,"7","InternalError",null,null]', "InternalError", "", b"{}", []),
        (b'[4,"7","InternalError","",{"x":"\xff"}]', "InternalError", "", b"{}", ["details_unreadable"]),
        (b'[4,7,"InternalError","",{}]', "InternalError", "", b"{}", []),
        (b'[4,"7","FormatViolation","",{}]', "FormationViolation", "", b"{}", []),
        (b'[4,"7","OccurrenceConstraintViolation","",{}]', "OccurenceConstraintViolation", "", b"{}", []),
        (b'[4,"7","Grumpy","",{}]', "Grumpy", "", b"{}", ["error_code_unknown"]),
        (b'[4,"7","GenericError",5,{}]', "GenericError", "", b"{}", ["error_misformed"]),
        (b'[4,"7",5,"",{}]', "", "", b"{}", ["error_misformed", "error_code_unknown"]),
    ],
)
def test_a_short_or_malformed_callerror_ends_the_call(
    frame: bytes, code: str, description: str, details: bytes, faults: list[FaultName]
) -> None:
    protocol = Protocol(Role.CENTRAL_SYSTEM)
    playbook = (
        Playbook(protocol)
        >> Call(UNLOCK, "7")
        << Like(bytes)
        >> frame
        << CallRefused(OutgoingCall("7", "UnlockConnector", UNLOCK, 0.0, 30.0), code, description, details)
    )
    assert playbook << dict.fromkeys(faults, 1) if faults else playbook
    assert protocol.outstanding is None


@pytest.mark.parametrize(
    "frame",
    [
        b'[3,"7",{"status":"Ajar"}]',
        b'[3,"7"]',
        b'[3,"7",[]]',
        b'[3,"7",{"status":',
        b'[3,"7",' + b"[" * 50_000,
    ],
)
def test_an_unreadable_answer_ends_the_call(frame: bytes) -> None:
    protocol = Protocol(Role.CENTRAL_SYSTEM)
    protocol.call(UNLOCK, "7", 0)
    received = protocol.receive(frame)
    assert isinstance(received, CallRefused)
    assert received.unreadable
    assert received.description.startswith(UNREADABLE)
    assert protocol.outstanding is None


def test_a_faulty_answer_to_a_call_from_csms_is_repaired() -> None:
    assert (
        central()
        >> Call(UNLOCK, "7")
        << Like(bytes)
        >> b'[3,7,{"status":"Unlocked","mood":"good"}]'
        << Like(CallAnswered, result=UNLOCKED)
        << {"extra_property": 1}
    )
