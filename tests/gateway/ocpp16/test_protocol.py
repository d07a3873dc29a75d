"""The exchange, one rule a test."""

from time import process_time
from typing import Any, override
from unittest.mock import ANY

import pytest

from gateway.ocpp16.errors import CallOutstanding
from gateway.ocpp16.faults.table import FaultName
from gateway.ocpp16.messages import core
from gateway.ocpp16.messages.types import IdTagInfo, Message
from gateway.ocpp16.protocol import (
    UNREADABLE,
    CallAnswered,
    CallRefused,
    Ignored,
    IncomingCall,
    OutgoingCall,
    Protocol,
    Role,
)
from tests.support.playbook import Answer, Call, Like, Playbook, Refuse, Tick

TIME = "2026-01-31T12:00:00.000Z"


def central(*, strict: bool = False) -> Playbook:
    return Playbook(Protocol(Role.CENTRAL_SYSTEM, strict=strict))


class _Text:
    """Any text that a CALLERROR may carry."""

    __hash__ = None  # type: ignore[assignment]

    @override
    def __eq__(self, other: object) -> bool:
        return isinstance(other, str) and len(other) <= 255


def refused(id_: str | int, code: str) -> list[Any]:
    return [4, id_, code, _Text(), {}]


# --- Calls of the charge point ----------------------------------------------------------------------


def test_a_call_is_read_and_answered() -> None:
    assert (
        central()
        >> b'[2,"a","Heartbeat",{}]'
        << Like(IncomingCall, id="a", action="Heartbeat", request=core.Heartbeat(), payload=b"{}")
        >> Answer(core.HeartbeatResult(current_time=TIME))
        << b'[3,"a",{"currentTime":"2026-01-31T12:00:00.000Z"}]'
    )


def test_text_is_as_good_as_bytes() -> None:
    assert (
        central()
        >> '[2,"ä","Authorize",{"idTag":"ß"}]'
        << Like(IncomingCall, request=core.Authorize(id_tag="ß"), payload='{"idTag":"ß"}'.encode())
        >> Answer(core.AuthorizeResult(id_tag_info=IdTagInfo(status="Invalid")))
        << [3, "ä", {"idTagInfo": {"status": "Invalid"}}]
    )


def test_a_null_payload_is_an_empty_one_even_strictly() -> None:
    assert central(strict=True) >> b'[2,"a","Heartbeat",null]' << Like(IncomingCall, id="a", payload=b"{}")


def test_a_payload_left_out_is_a_fault() -> None:
    frame = b'[2,"a","Heartbeat"]'
    assert central() >> frame << Like(IncomingCall, request=core.Heartbeat()) << {"payload_missing": 1}
    assert (
        central(strict=True)
        >> frame
        << refused("a", "FormationViolation")
        << {"payload_missing": 1, "payload_invalid": 1}
    )


def test_a_refusal_is_cut_to_the_limit() -> None:
    assert (
        central()
        >> b'[2,"a","Heartbeat",{}]'
        << Like(IncomingCall)
        >> Refuse("InternalError", "x" * 300, {"why": 1})
        << [4, "a", "InternalError", "x" * 252 + "...", {"why": 1}]
        >> Refuse("SecurityError")
        << b'[4,"a","SecurityError","",{}]'
    )


@pytest.mark.parametrize(
    ("frame", "code", "fault"),
    [
        ('[2,"a","StartTransaction",{}]', "OccurenceConstraintViolation", "payload_invalid"),
        ('[2,"a","Authorize",{"idTag":[]}]', "TypeConstraintViolation", "payload_invalid"),
        (
            '[2,"a","StatusNotification",{"connectorId":1,"errorCode":"NoError","status":"Gone"}]',
            "PropertyConstraintViolation",
            "payload_invalid",
        ),
        ('[2,"a","Authorize",[]]', "FormationViolation", "payload_invalid"),
        ('[2,"a","Authorize","x"]', "FormationViolation", "payload_invalid"),
        ('[2,"a","Authorise",{"idTag":"x"}]', "NotImplemented", "action_unknown"),
        ('[2,"a","Reset",{"type":"Hard"}]', "NotSupported", "action_from_wrong_side"),
        ('[2,"a","SetChargingProfile",{"connectorId":1}]', "NotSupported", "action_from_wrong_side"),
        ('[2,"a","Authorize",{"idTag":]', "FormationViolation", "not_json"),
        ('[2,"a","Authorize",{"idTag":"\ud800"}]', "FormationViolation", "not_json"),
        ('[2,"a","Authorize",{"idTag":"\\ud800"}]', "FormationViolation", "not_json"),
        ('[2,"a",5,{}]', "FormationViolation", "not_a_call"),
        ('[2,"a"]', "FormationViolation", "not_a_call"),
    ],
)
@pytest.mark.parametrize("strict", [False, True], ids=["repairing", "strict"])
def test_the_code_of_each_fault(*, strict: bool, frame: str, code: str, fault: FaultName) -> None:
    playbook = central(strict=strict) >> frame << refused("a", code) << {fault: 1}
    # A lone surrogate cannot be searched for JSON as text; as bytes it spoils the payload alone.
    in_bytes = "payload_invalid" if "\ud800" in frame else fault
    assert playbook >> frame.encode(errors="surrogatepass") << refused("a", code) << {in_bytes: 1}


def test_strict_refuses_what_is_repaired_otherwise() -> None:
    frame = b'[2,"a","Authorize",{"idTag":"x","more":1}]'
    text = "more: unknown property; known are idTag"
    assert (
        central() >> frame << Like(IncomingCall, request=core.Authorize(id_tag="x")) << {"extra_property": 1}
    )
    assert (
        central(strict=True)
        >> frame
        << [4, "a", "PropertyConstraintViolation", text, {}]
        << {"payload_invalid": 1}
    )


def test_the_charge_point_role_never_repairs() -> None:
    assert (
        Playbook(Protocol(Role.CHARGE_POINT))
        >> b'[2,"a","UnlockConnector",{"connectorId":"1"}]'
        << refused("a", "TypeConstraintViolation")
        << {"payload_invalid": 1}
    )


def test_the_charge_point_role_checks_formats_only_strictly() -> None:
    heartbeat, answer = Call(core.Heartbeat(), "a"), b'[3,"a",{"currentTime":"noon"}]'
    frame = b'[2,"a","Heartbeat",{}]'
    assert Playbook(Protocol(Role.CHARGE_POINT)) >> heartbeat << frame >> answer << Like(CallAnswered)
    assert (
        Playbook(Protocol(Role.CHARGE_POINT, strict=True))
        >> heartbeat
        << frame
        >> answer
        << Like(CallRefused)
        << {"answer_invalid": 1}
    )


def test_only_strict_reading_checks_times() -> None:
    frame = b'[2,"a","StartTransaction",{"connectorId":1,"idTag":"x","meterStart":0,"timestamp":"now"}]'
    assert central() >> frame << Like(IncomingCall)
    assert (
        central(strict=True) >> frame << refused("a", "PropertyConstraintViolation") << {"payload_invalid": 1}
    )


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
def test_what_cannot_be_answered_is_ignored_by_name(frame: bytes, reason: FaultName) -> None:
    assert central() >> frame << Ignored(reason) << {reason: 1}


@pytest.mark.parametrize(
    ("frame", "fault"),
    [
        (b'[2,"a","MeterValues",' + b"[" * 50_000, "nested_too_deeply"),
        (b'[2,"a","Authorize",{"idTag":"\xff"}]', "payload_invalid"),
        (b'[2,"a","x', "not_json"),
    ],
)
def test_an_unreadable_frame_with_a_readable_id_is_answered(frame: bytes, fault: FaultName) -> None:
    assert central() >> frame << refused("a", "FormationViolation") << {fault: 1}


def test_a_value_left_out_reads_as_null() -> None:
    frame = b'[2,"a","MeterValues",{"connectorId":1,"transactionId":,"meterValue":[]}]'  # Q32
    assert (
        central()
        >> frame
        << Like(IncomingCall, request=core.MeterValues(connector_id=1, meter_value=()))
        << {"empty_value": 1, "null_for_absent": 1}
    )
    assert central(strict=True) >> frame << refused("a", "FormationViolation") << {"not_json": 1}


def test_quotes_without_end_are_read_once() -> None:
    protocol = Protocol(Role.CENTRAL_SYSTEM)
    began = process_time()
    for end in (b'"', b'\\"', b'"\\', b':"', b": "):
        protocol.receive(b'[2,"a","Heartbeat",' + end * (60_000 // len(end)))
    # Each quote to the end takes some milliseconds, or else half a minute.
    assert process_time() - began < 2


def test_a_number_for_an_id_comes_back_as_a_number() -> None:
    frame = b'[2,17,"Heartbeat",{}]'
    assert (
        central()
        >> frame
        << Like(IncomingCall, id=17)
        << {"id_not_text": 1}
        >> Answer(core.HeartbeatResult(current_time="x"))
        << b'[3,17,{"currentTime":"x"}]'
    )
    assert central(strict=True) >> frame << refused(17, "FormationViolation") << {"id_not_text": 1}


def test_an_id_of_more_than_36_characters() -> None:
    long, longer = "x" * 37, "x" * 256
    assert (
        central()
        >> f'[2,"{long}","Heartbeat",{{}}]'
        << Like(IncomingCall, id=long)
        << {"id_too_long": 1}
        >> f'[2,"{longer}","Heartbeat",{{}}]'
        << refused(longer, "FormationViolation")
        << {"id_too_long": 1}
    )
    assert (
        central(strict=True)
        >> f'[2,"{long}","Heartbeat",{{}}]'
        << refused(long, "FormationViolation")
        << {"id_too_long": 1}
        >> f'[2,"{"x" * 36}","Heartbeat",{{}}]'
        << Like(IncomingCall, id="x" * 36)
    )


# --- Repeats ----------------------------------------------------------------------------------------

AUTHORIZE = b'[2,"a","Authorize",{"idTag":"x"}]'
INVALID = core.AuthorizeResult(id_tag_info=IdTagInfo(status="Invalid"))
INVALID_FRAME = b'[3,"a",{"idTagInfo":{"status":"Invalid"}}]'


def test_a_repeated_call_gets_the_stored_answer() -> None:
    assert (
        central()
        >> AUTHORIZE
        << Like(IncomingCall)
        >> Answer(INVALID)
        << INVALID_FRAME
        >> bytes(bytearray(AUTHORIZE))
        << INVALID_FRAME
        << {"repeated_call": 1}
    )


@pytest.mark.parametrize(
    "other",
    [
        b'[2,"a","Authorize",{"idTag":"y"}]',
        b'[2,"b","Authorize",{"idTag":"x"}]',
        b'[2,"a","DataTransfer",{"vendorId":"x"}]',
    ],
)
def test_the_same_id_alone_is_no_repeat(other: bytes) -> None:
    assert (
        central()
        >> AUTHORIZE
        << Like(IncomingCall)
        >> Answer(INVALID)
        << INVALID_FRAME
        >> other
        << Like(IncomingCall)
    )


def test_a_refused_call_is_tried_anew() -> None:
    assert (
        central()
        >> AUTHORIZE
        << Like(IncomingCall)
        >> Refuse("InternalError")
        << refused("a", "InternalError")
        >> AUTHORIZE
        << Like(IncomingCall)
    )


def test_an_unanswered_call_is_no_repeat() -> None:
    assert central() >> AUTHORIZE << Like(IncomingCall) >> AUTHORIZE << Like(IncomingCall)


@pytest.mark.parametrize(
    ("frame", "result", "repeated"),
    [
        (b'[2,"a","Heartbeat",{}]', core.HeartbeatResult(current_time=TIME), {}),
        (
            b'[2,"a","BootNotification",{"chargePointVendor":"v","chargePointModel":"m"}]',
            core.BootNotificationResult(status="Accepted", current_time=TIME, interval=300),
            {"repeated_call": 1},
        ),
    ],
)
def test_times_are_answered_afresh(frame: bytes, result: Message, repeated: dict[FaultName, int]) -> None:
    playbook = central() >> frame << Like(IncomingCall) >> Answer(result) << Like(bytes)
    for _ in range(2):
        playbook = playbook >> frame << Like(IncomingCall)
        playbook = (playbook << repeated if repeated else playbook) >> Answer(result) << Like(bytes)
    assert playbook


def test_only_the_last_few_answers_are_kept() -> None:
    frames = [b'[2,"%d","Authorize",{"idTag":"x"}]' % number for number in range(5)]
    playbook = central()
    for frame in frames:
        playbook = playbook >> frame << Like(IncomingCall) >> Answer(INVALID) << Like(bytes)
    kept = playbook >> frames[1] << [3, "1", ANY] << {"repeated_call": 1}
    assert kept >> frames[0] << Like(IncomingCall, id="0")


# --- Our calls --------------------------------------------------------------------------------------

UNLOCK = core.UnlockConnector(connector_id=1)
UNLOCK_FRAME = b'[2,"a","UnlockConnector",{"connectorId":1}]'
UNLOCKED = core.UnlockConnectorResult(status="Unlocked")


def test_our_call_and_its_answer() -> None:
    call = OutgoingCall("a", "UnlockConnector", UNLOCK, deadline=40.0)
    assert (
        central()
        >> Call(UNLOCK, "a", now=10.0)
        << UNLOCK_FRAME
        >> Tick(39.9)
        >> b'[3,"a",{"status":"Unlocked"}]'
        << CallAnswered(call, UNLOCKED, b'{"status":"Unlocked"}')
        >> Tick(1e9)
    )


def test_an_absent_field_is_not_written() -> None:
    assert (
        central()
        >> Call(core.RemoteStartTransaction(id_tag="x"), "a")
        << b'[2,"a","RemoteStartTransaction",{"idTag":"x"}]'
    )


def test_one_call_at_a_time() -> None:
    protocol = Protocol(Role.CENTRAL_SYSTEM)
    protocol.call(UNLOCK, "a", 0)
    with pytest.raises(CallOutstanding, match="UnlockConnector"):
        protocol.call(UNLOCK, "b", 0)
    assert (
        Playbook(protocol)
        >> b'[2,"a","Heartbeat",{}]'
        << Like(IncomingCall, id="a")  # Their id is not ours.
        >> b'[3,"a",{"status":"Unlocked"}]'
        << Like(CallAnswered, result=UNLOCKED)
        >> Call(UNLOCK, "b")
        << [2, "b", "UnlockConnector", {"connectorId": 1}]
    )


def test_a_time_out_comes_once_and_its_late_answer_is_only_shown() -> None:
    call = OutgoingCall("a", "UnlockConnector", UNLOCK, deadline=5)
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


def test_only_the_last_few_late_calls_are_remembered() -> None:
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
def test_errors_short_and_misformed_end_the_call(
    frame: bytes, code: str, description: str, details: bytes, faults: list[FaultName]
) -> None:
    protocol = Protocol(Role.CENTRAL_SYSTEM)
    playbook = (
        Playbook(protocol)
        >> Call(UNLOCK, "7")
        << Like(bytes)
        >> frame
        << CallRefused(OutgoingCall("7", "UnlockConnector", UNLOCK, 30.0), code, description, details)
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
def test_an_unreadable_answer_ends_the_call_too(frame: bytes) -> None:
    protocol = Protocol(Role.CENTRAL_SYSTEM)
    protocol.call(UNLOCK, "7", 0)
    received = protocol.receive(frame)
    assert isinstance(received, CallRefused)
    assert received.unreadable
    assert received.description.startswith(UNREADABLE)
    assert protocol.outstanding is None


def test_an_answer_in_need_of_repair() -> None:
    assert (
        central()
        >> Call(UNLOCK, "7")
        << Like(bytes)
        >> b'[3,7,{"status":"Unlocked","mood":"good"}]'
        << Like(CallAnswered, result=UNLOCKED)
        << {"extra_property": 1}
    )
