"""The exchange, one rule a test."""

import json
from time import process_time
from typing import Any

import pytest

from gateway.ocpp16.errors import CallOutstanding
from gateway.ocpp16.faults.table import FaultName
from gateway.ocpp16.messages import core
from gateway.ocpp16.messages.types import IdTagInfo
from gateway.ocpp16.protocol import (
    UNREADABLE,
    CallAnswered,
    CallRefused,
    Ignored,
    IncomingCall,
    Protocol,
    Received,
    Reply,
    Role,
)

TIME = "2026-01-31T12:00:00.000Z"


@pytest.fixture
def protocol() -> Protocol:
    return Protocol(Role.CENTRAL_SYSTEM)


def strict() -> Protocol:
    return Protocol(Role.CENTRAL_SYSTEM, strict=True)


def error_of(received: Received) -> list[Any]:
    assert isinstance(received, Reply), received
    frame: list[Any] = json.loads(received.frame)
    rest = frame[1:]
    assert frame[0] == 4
    assert len(rest) == 4
    assert len(rest[2]) <= 255
    assert isinstance(rest[3], dict)
    return rest


def called(received: Received) -> IncomingCall:
    assert isinstance(received, IncomingCall), received
    return received


# --- Calls of the charge point ----------------------------------------------------------------------


def test_a_call_is_read_and_answered(protocol: Protocol) -> None:
    call = called(protocol.receive(b'[2,"a","Heartbeat",{}]'))
    assert (call.id, call.action, call.request, call.payload) == ("a", "Heartbeat", core.Heartbeat(), b"{}")
    assert protocol.answer(
        call, core.HeartbeatResult(current_time=TIME)
    ) == b'[3,"a",{"currentTime":"%b"}]' % (TIME.encode())
    assert not protocol.faults


def test_text_is_as_good_as_bytes(protocol: Protocol) -> None:
    call = called(protocol.receive('[2,"ä","Authorize",{"idTag":"ß"}]'))
    assert call.request == core.Authorize(id_tag="ß")
    assert call.payload == '{"idTag":"ß"}'.encode()
    answer = protocol.answer(call, core.AuthorizeResult(id_tag_info=IdTagInfo(status="Invalid")))
    assert json.loads(answer) == [3, "ä", {"idTagInfo": {"status": "Invalid"}}]


def test_a_null_payload_is_an_empty_one_even_strictly() -> None:
    protocol = strict()
    assert called(protocol.receive(b'[2,"a","Heartbeat",null]')).payload == b"{}"
    assert not protocol.faults


def test_a_payload_left_out_is_a_fault(protocol: Protocol) -> None:
    assert called(protocol.receive(b'[2,"a","Heartbeat"]')).request == core.Heartbeat()
    assert protocol.take_faults() == {"payload_missing": 1}
    assert not protocol.faults
    assert error_of(strict().receive(b'[2,"a","Heartbeat"]'))[:2] == ["a", "FormationViolation"]


def test_a_refusal_is_cut_to_the_limit(protocol: Protocol) -> None:
    call = called(protocol.receive(b'[2,"a","Heartbeat",{}]'))
    frame = protocol.refuse(call, "InternalError", "x" * 300, {"why": 1})
    assert json.loads(frame) == [4, "a", "InternalError", "x" * 252 + "...", {"why": 1}]
    assert protocol.refuse(call, "SecurityError") == b'[4,"a","SecurityError","",{}]'


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ('[2,"a","StartTransaction",{}]', "OccurenceConstraintViolation"),
        ('[2,"a","Authorize",{"idTag":[]}]', "TypeConstraintViolation"),
        (
            '[2,"a","StatusNotification",{"connectorId":1,"errorCode":"NoError","status":"Gone"}]',
            "PropertyConstraintViolation",
        ),
        ('[2,"a","Authorize",[]]', "FormationViolation"),
        ('[2,"a","Authorize","x"]', "FormationViolation"),
        ('[2,"a","Authorise",{"idTag":"x"}]', "NotImplemented"),
        ('[2,"a","Reset",{"type":"Hard"}]', "NotSupported"),
        ('[2,"a","SetChargingProfile",{"connectorId":1}]', "NotSupported"),
        ('[2,"a","Authorize",{"idTag":]', "FormationViolation"),
        ('[2,"a","Authorize",{"idTag":"\ud800"}]', "FormationViolation"),
        ('[2,"a","Authorize",{"idTag":"\\ud800"}]', "FormationViolation"),
        ('[2,"a",5,{}]', "FormationViolation"),
        ('[2,"a"]', "FormationViolation"),
    ],
)
@pytest.mark.parametrize("protocol", [Protocol(Role.CENTRAL_SYSTEM), strict()], ids=["repairing", "strict"])
def test_the_code_of_each_fault(protocol: Protocol, frame: str, code: str) -> None:
    for form in (frame, frame.encode(errors="surrogatepass")):
        assert error_of(protocol.receive(form))[:2] == ["a", code]
    assert protocol.take_faults().total() == 2


def test_strict_refuses_what_is_repaired_otherwise(protocol: Protocol) -> None:
    frame = b'[2,"a","Authorize",{"idTag":"x","more":1}]'
    assert called(protocol.receive(frame)).request == core.Authorize(id_tag="x")
    assert protocol.faults == {"extra_property": 1}
    code, text = error_of(strict().receive(frame))[1:3]
    assert (code, text) == ("PropertyConstraintViolation", "more: unknown property; known are idTag")


def test_the_charge_point_role_never_repairs() -> None:
    protocol = Protocol(Role.CHARGE_POINT)
    assert error_of(protocol.receive(b'[2,"a","UnlockConnector",{"connectorId":"1"}]'))[1] == (
        "TypeConstraintViolation"
    )


def test_the_charge_point_role_checks_formats_only_strictly() -> None:
    frame = b'[3,"a",{"currentTime":"noon"}]'
    for strictly, kind in ((False, CallAnswered), (True, CallRefused)):
        protocol = Protocol(Role.CHARGE_POINT, strict=strictly)
        protocol.call(core.Heartbeat(), "a", 0)
        assert isinstance(protocol.receive(frame), kind)


def test_only_strict_reading_checks_times(protocol: Protocol) -> None:
    frame = b'[2,"a","StartTransaction",{"connectorId":1,"idTag":"x","meterStart":0,"timestamp":"now"}]'
    called(protocol.receive(frame))
    assert error_of(strict().receive(frame))[1] == "PropertyConstraintViolation"


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (b"", "empty_frame"),
        (b" \n", "empty_frame"),
        (b"x", "not_json"),
        (b'{"a":1}', "not_a_frame"),
        (b"[]", "not_a_frame"),
        (b'[9,"a","Heartbeat",{}]', "message_type_unknown"),
        (b'["2","a","Heartbeat",{}]', "message_type_unknown"),
        (b'[2,null,"Heartbeat",{}]', "id_unreadable"),
        (b'[2,1.5,"Heartbeat",{}]', "id_unreadable"),
        (b'[2,true,"Heartbeat",{}]', "id_unreadable"),
        (b'[2,{},"Heartbeat",{}]', "id_unreadable"),
        (b"[2]", "id_unreadable"),
        (b"[" * 50_000, "nested_too_deeply"),
        (b'\xff[2,"a","Heartbeat",{}]', "not_utf8"),
        (b'[3,"nobody",{}]', "unknown_answer"),
        (b'[4,"nobody","GenericError","",{}]', "unknown_answer"),
    ],
)
def test_what_cannot_be_answered_is_ignored_by_name(
    protocol: Protocol, frame: bytes, reason: FaultName
) -> None:
    assert protocol.receive(frame) == Ignored(reason)
    assert protocol.take_faults() == {reason: 1}


def test_an_unreadable_frame_with_a_readable_id_is_answered(protocol: Protocol) -> None:
    for frame in (
        b'[2,"a","MeterValues",' + b"[" * 50_000,
        b'[2,"a","Authorize",{"idTag":"\xff"}]',
        b'[2,"a","x',
    ):
        assert error_of(protocol.receive(frame))[:2] == ["a", "FormationViolation"]


def test_a_value_left_out_reads_as_null(protocol: Protocol) -> None:
    frame = b'[2,"a","MeterValues",{"connectorId":1,"transactionId":,"meterValue":[]}]'  # Q32
    assert called(protocol.receive(frame)).request == core.MeterValues(connector_id=1, meter_value=())
    assert protocol.faults == {"empty_value": 1, "null_for_absent": 1}
    assert error_of(strict().receive(frame))[1] == "FormationViolation"


def test_quotes_without_end_are_read_once(protocol: Protocol) -> None:
    began = process_time()
    for end in (b'"', b'\\"', b'"\\', b':"', b": "):
        protocol.receive(b'[2,"a","Heartbeat",' + end * (60_000 // len(end)))
    assert process_time() - began < 2  # Each quote to the end takes some milliseconds, or else half a minute.


def test_a_number_for_an_id_comes_back_as_a_number(protocol: Protocol) -> None:
    call = called(protocol.receive(b'[2,17,"Heartbeat",{}]'))
    assert protocol.answer(call, core.HeartbeatResult(current_time="x")).startswith(b"[3,17,")
    assert protocol.faults == {"id_not_text": 1}
    assert error_of(strict().receive(b'[2,17,"Heartbeat",{}]'))[:2] == [17, "FormationViolation"]


def test_an_id_of_more_than_36_characters(protocol: Protocol) -> None:
    long, longer = "x" * 37, "x" * 256
    assert called(protocol.receive(f'[2,"{long}","Heartbeat",{{}}]')).id == long
    assert error_of(protocol.receive(f'[2,"{longer}","Heartbeat",{{}}]'))[1] == "FormationViolation"
    assert error_of(strict().receive(f'[2,"{long}","Heartbeat",{{}}]'))[:2] == [long, "FormationViolation"]
    called(strict().receive(f'[2,"{"x" * 36}","Heartbeat",{{}}]'))


# --- Repeats ----------------------------------------------------------------------------------------

AUTHORIZE = b'[2,"a","Authorize",{"idTag":"x"}]'
INVALID = core.AuthorizeResult(id_tag_info=IdTagInfo(status="Invalid"))


def test_a_repeated_call_gets_the_stored_answer(protocol: Protocol) -> None:
    answer = protocol.answer(called(protocol.receive(AUTHORIZE)), INVALID)
    assert protocol.receive(bytes(bytearray(AUTHORIZE))) == Reply(answer)
    assert protocol.faults == {"repeated_call": 1}


@pytest.mark.parametrize(
    "other",
    [
        b'[2,"a","Authorize",{"idTag":"y"}]',
        b'[2,"b","Authorize",{"idTag":"x"}]',
        b'[2,"a","DataTransfer",{"vendorId":"x"}]',
    ],
)
def test_the_same_id_alone_is_no_repeat(protocol: Protocol, other: bytes) -> None:
    protocol.answer(called(protocol.receive(AUTHORIZE)), INVALID)
    called(protocol.receive(other))


def test_a_refused_call_is_tried_anew(protocol: Protocol) -> None:
    protocol.refuse(called(protocol.receive(AUTHORIZE)), "InternalError")
    called(protocol.receive(AUTHORIZE))


def test_an_unanswered_call_is_no_repeat(protocol: Protocol) -> None:
    called(protocol.receive(AUTHORIZE))
    called(protocol.receive(AUTHORIZE))


@pytest.mark.parametrize(
    ("frame", "result", "faults"),
    [
        (b'[2,"a","Heartbeat",{}]', core.HeartbeatResult(current_time=TIME), {}),
        (
            b'[2,"a","BootNotification",{"chargePointVendor":"v","chargePointModel":"m"}]',
            core.BootNotificationResult(status="Accepted", current_time=TIME, interval=300),
            {"repeated_call": 2},
        ),
    ],
)
def test_times_are_answered_afresh(
    protocol: Protocol, frame: bytes, result: Any, faults: dict[str, int]
) -> None:
    for _ in range(3):
        protocol.answer(called(protocol.receive(frame)), result)
    assert protocol.faults == faults


def test_only_the_last_few_answers_are_kept(protocol: Protocol) -> None:
    frames = [b'[2,"%d","Authorize",{"idTag":"x"}]' % number for number in range(5)]
    for frame in frames:
        protocol.answer(called(protocol.receive(frame)), INVALID)
    assert isinstance(protocol.receive(frames[1]), Reply)
    called(protocol.receive(frames[0]))


# --- Our calls --------------------------------------------------------------------------------------

UNLOCK = core.UnlockConnector(connector_id=1)
UNLOCKED = core.UnlockConnectorResult(status="Unlocked")


def test_our_call_and_its_answer(protocol: Protocol) -> None:
    assert protocol.call(UNLOCK, "a", 10.0) == b'[2,"a","UnlockConnector",{"connectorId":1}]'
    assert protocol.tick(39.9) is None
    answered = protocol.receive(b'[3,"a",{"status":"Unlocked"}]')
    assert isinstance(answered, CallAnswered)
    assert (answered.call.id, answered.call.request, answered.result) == ("a", UNLOCK, UNLOCKED)
    assert answered.payload == b'{"status":"Unlocked"}'
    assert protocol.outstanding is None
    assert protocol.tick(1e9) is None


def test_an_absent_field_is_not_written(protocol: Protocol) -> None:
    frame = protocol.call(core.RemoteStartTransaction(id_tag="x"), "a", 0)
    assert frame == b'[2,"a","RemoteStartTransaction",{"idTag":"x"}]'


def test_one_call_at_a_time(protocol: Protocol) -> None:
    protocol.call(UNLOCK, "a", 0)
    with pytest.raises(CallOutstanding, match="UnlockConnector"):
        protocol.call(UNLOCK, "b", 0)
    called(protocol.receive(b'[2,"a","Heartbeat",{}]'))  # Their id is not ours.
    protocol.receive(b'[3,"a",{"status":"Unlocked"}]')
    assert protocol.call(UNLOCK, "b", 0)


def test_a_time_out_comes_once_and_its_late_answer_is_only_shown(protocol: Protocol) -> None:
    protocol.call(UNLOCK, "a", 0, timeout=5)
    assert protocol.tick(4.9) is None
    timed_out = protocol.tick(5)
    assert timed_out is not None
    assert timed_out.id == "a"
    assert protocol.tick(6) is None
    protocol.call(UNLOCK, "b", 6)
    late = protocol.receive(b'[3,"a",{"status":"Unlocked"}]')
    assert late == Ignored("late_answer", CallAnswered(timed_out, UNLOCKED, b'{"status":"Unlocked"}'))
    assert protocol.receive(b'[3,"a",{"status":"Unlocked"}]') == Ignored("unknown_answer")
    assert protocol.faults == {"call_unanswered": 1, "late_answer": 1, "unknown_answer": 1}
    assert isinstance(protocol.receive(b'[3,"b",{"status":"Unlocked"}]'), CallAnswered)


def test_only_the_last_few_late_calls_are_remembered(protocol: Protocol) -> None:
    for number in range(5):
        protocol.call(UNLOCK, str(number), 0, timeout=1)
        assert protocol.tick(1)
    assert protocol.receive(b'[3,"0",{"status":"Unlocked"}]') == Ignored("unknown_answer")
    for number in range(1, 5):
        late = protocol.receive(b'[3,"%d",{"status":"Unlocked"}]' % number)
        assert isinstance(late, Ignored)
        assert late.reason == "late_answer"


@pytest.mark.parametrize(
    ("frame", "code", "description", "details"),
    [
        (b'[4,"7","NotSupported","no such thing",{"x":1}]', "NotSupported", "no such thing", b'{"x":1}'),
        (b'[4,"7"]', "", "", b"{}"),
        (b'[4,"7","InternalError"]', "InternalError", "", b"{}"),
        (b'[4,"7","InternalError",null,null]', "InternalError", "", b"{}"),
        (b'[4,"7","InternalError","",{"x":"\xff"}]', "InternalError", "", b"{}"),
        (b'[4,7,"InternalError","",{}]', "InternalError", "", b"{}"),
        (b'[4,"7","FormatViolation","",{}]', "FormationViolation", "", b"{}"),
        (b'[4,"7","OccurrenceConstraintViolation","",{}]', "OccurenceConstraintViolation", "", b"{}"),
        (b'[4,"7","Grumpy","",{}]', "Grumpy", "", b"{}"),
        (b'[4,"7","GenericError",5,{}]', "GenericError", "", b"{}"),
        (b'[4,"7",5,"",{}]', "", "", b"{}"),
    ],
)
def test_errors_short_and_misformed_end_the_call(
    protocol: Protocol, frame: bytes, code: str, description: str, details: bytes
) -> None:
    protocol.call(UNLOCK, "7", 0)
    refused = protocol.receive(frame)
    assert isinstance(refused, CallRefused)
    assert (refused.code, refused.description, refused.details) == (code, description, details)
    assert not refused.unreadable
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
def test_an_unreadable_answer_ends_the_call_too(protocol: Protocol, frame: bytes) -> None:
    protocol.call(UNLOCK, "7", 0)
    refused = protocol.receive(frame)
    assert isinstance(refused, CallRefused)
    assert refused.unreadable
    assert refused.description.startswith(UNREADABLE)
    assert protocol.outstanding is None


def test_an_answer_in_need_of_repair(protocol: Protocol) -> None:
    protocol.call(UNLOCK, "7", 0)
    answered = protocol.receive(b'[3,7,{"status":"Unlocked","mood":"good"}]')
    assert isinstance(answered, CallAnswered)
    assert answered.result == UNLOCKED
    assert protocol.faults == {"extra_property": 1}
