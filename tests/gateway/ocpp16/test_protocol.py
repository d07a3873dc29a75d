"""How the protocol handles a charge point's frames, one rule in each test.

The tests of our own calls are in test_protocol_calls.py.
"""

from time import process_time

import msgspec
import pytest

from gateway.ocpp16.faults.table import FaultName
from gateway.ocpp16.messages import core
from gateway.ocpp16.messages.types import IdTagInfo
from gateway.ocpp16.protocol import FACTS, Protocol, Role
from gateway.ocpp16.received import CallAnswered, CallRefused, Ignored, IncomingCall, Reply
from tests.support.playbook import Answer, Call, Like, Playbook, Refuse, central, refused

TIME = "2026-01-31T12:00:00.000Z"


def test_a_call_from_a_charge_point_is_read_and_answered() -> None:
    assert (
        central()
        >> b'[2,"a","Heartbeat",{}]'
        << Like(IncomingCall, id="a", action="Heartbeat", request=core.Heartbeat(), payload=b"{}")
        >> Answer(core.HeartbeatResult(current_time=TIME))
        << b'[3,"a",{"currentTime":"2026-01-31T12:00:00.000Z"}]'
    )


def test_a_frame_may_be_given_as_text_or_as_bytes() -> None:
    assert (
        central()
        >> '[2,"ä","Authorize",{"idTag":"ß"}]'
        << Like(IncomingCall, request=core.Authorize(id_tag="ß"), payload='{"idTag":"ß"}'.encode())
        >> Answer(core.AuthorizeResult(id_tag_info=IdTagInfo(status="Invalid")))
        << [3, "ä", {"idTagInfo": {"status": "Invalid"}}]
    )


def test_a_payload_of_null_is_read_as_an_empty_object_even_in_strict_mode() -> None:
    assert central(strict=True) >> b'[2,"a","Heartbeat",null]' << Like(IncomingCall, id="a", payload=b"{}")


def test_a_missing_payload_is_repaired_in_normal_mode_and_refused_in_strict_mode() -> None:
    frame = b'[2,"a","Heartbeat"]'
    assert central() >> frame << Like(IncomingCall, request=core.Heartbeat()) << {"payload_missing": 1}
    assert (
        central(strict=True)
        >> frame
        << refused("a", "FormationViolation")
        << {"payload_missing": 1, "payload_invalid": 1}
    )


def test_the_description_of_a_callerror_is_cut_to_255_characters() -> None:
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
        ('[2,"a","Authorize",{}]', "OccurenceConstraintViolation", "payload_invalid"),
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
        ('[2,"a",5,{}]', "FormationViolation", "not_a_call"),
        ('[2,"a"]', "FormationViolation", "not_a_call"),
    ],
)
@pytest.mark.parametrize("strict", [False, True], ids=["repairing", "strict"])
def test_each_fault_in_a_call_is_answered_with_the_right_error_code(
    *, strict: bool, frame: str, code: str, fault: FaultName
) -> None:
    playbook = central(strict=strict) >> frame << refused("a", code) << {fault: 1}
    # If a frame with a lone surrogate is a text, it is not read as JSON at all. If the same frame is in
    # bytes, only its payload is invalid.
    in_bytes = "payload_invalid" if "\ud800" in frame else fault
    assert playbook >> frame.encode(errors="surrogatepass") << refused("a", code) << {in_bytes: 1}


def test_a_payload_that_is_repaired_in_normal_mode_is_refused_in_strict_mode() -> None:
    frame = b'[2,"a","Authorize",{"idTag":"x","more":1}]'
    text = "more: unknown property; this object may have idTag"
    assert (
        central() >> frame << Like(IncomingCall, request=core.Authorize(id_tag="x")) << {"extra_property": 1}
    )
    assert (
        central(strict=True)
        >> frame
        << [4, "a", "PropertyConstraintViolation", text, {}]
        << {"payload_invalid": 1}
    )


def test_a_protocol_object_in_the_role_of_a_charge_point_never_repairs_a_payload() -> None:
    assert (
        Playbook(Protocol(Role.CHARGE_POINT))
        >> b'[2,"a","UnlockConnector",{"connectorId":"1"}]'
        << refused("a", "TypeConstraintViolation")
        << {"payload_invalid": 1}
    )


def test_a_protocol_object_in_the_role_of_a_charge_point_checks_formats_only_in_strict_mode() -> None:
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


def test_the_formats_of_times_are_checked_only_in_strict_mode() -> None:
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
def test_a_broken_frame_that_cannot_be_answered_is_ignored_and_counted_as_a_fault(
    frame: bytes, reason: FaultName
) -> None:
    assert central() >> frame << Ignored(reason) << {reason: 1}


@pytest.mark.parametrize(
    ("frame", "fault"),
    [
        (b'[2,"a","Authorize",' + b"[" * 50_000, "nested_too_deeply"),
        (b'[2,"a","Authorize",{"idTag":"\xff"}]', "payload_invalid"),
        (b'[2,"a","x', "not_json"),
    ],
)
def test_an_unreadable_frame_with_a_readable_message_id_is_answered(frame: bytes, fault: FaultName) -> None:
    assert central() >> frame << refused("a", "FormationViolation") << {fault: 1}


def test_a_json_member_that_lacks_the_value_after_its_colon_is_read_as_null() -> None:
    frame = b'[2,"a","MeterValues",{"connectorId":1,"transactionId":,"meterValue":[]}]'  # Q32
    assert (
        central()
        >> frame
        << Like(IncomingCall, request=core.MeterValues(connector_id=1, meter_value=()))
        << {"empty_value": 1, "null_for_absent": 1}
    )
    assert central(strict=True) >> frame << refused("a", "FormationViolation") << {"not_json": 1}


def test_a_frame_with_many_unclosed_quotes_is_read_quickly() -> None:
    protocol = Protocol(Role.CENTRAL_SYSTEM)
    began = process_time()
    for end in (b'"', b'\\"', b'"\\', b':"', b": "):
        protocol.receive(b'[2,"a","Heartbeat",' + end * (60_000 // len(end)))
    # One pass takes some milliseconds. A search from each quote to the end would take half a minute.
    assert process_time() - began < 2


def test_the_answer_to_a_call_with_a_number_as_message_id_repeats_that_number() -> None:
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


def test_the_answer_to_a_call_with_a_message_id_that_is_too_long_repeats_the_first_255_characters() -> None:
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


HEARTBEAT = '[2,"2","Heartbeat",{}]'


def test_a_text_frame_with_several_messages_is_read_message_by_message() -> None:
    protocol = Protocol(Role.CENTRAL_SYSTEM)
    first = protocol.receive(f'[2,"1","Heartbeat",{{}}]\n{HEARTBEAT}[3,"nobody",{{}}]')
    assert isinstance(first, IncomingCall)
    assert first.id == "1"
    second = protocol.receive(protocol.rest)
    assert isinstance(second, IncomingCall)
    assert second.id == "2"
    assert protocol.receive(protocol.rest) == Ignored("unknown_answer")
    assert protocol.take_faults() == {"frames_joined": 2, "unknown_answer": 1}


@pytest.mark.parametrize("action", sorted(FACTS))
@pytest.mark.parametrize(
    "frame",
    [
        '[2,"a","{}",{{"x":1 2}}]',
        '[2,"a","{}",{{"x":"unfinished}}]',
        '[2,"a","{}",{{"x":1}}',
        '[2,"a","{}",{{"x":1 "y":2}}]',
        '[2,"a","{}",{{x:1}}]',
        '[2,"a","{}"',
        '[2,7,"{}",{{]',
        '[2,null,"{}",{{}}]',
        '{{"action":"{}"}}',
        '["{}"]',
        '[2,{{}},"{}",{{}}]',
    ],
)
def test_an_unreadable_frame_that_names_a_fact_is_handed_over_as_text(frame: str, action: str) -> None:
    text = frame.format(action)
    received = Protocol(Role.CENTRAL_SYSTEM).receive(text.encode())
    assert isinstance(received, Reply | Ignored)
    assert received.unread_fact == text
    assert isinstance(received, Reply) == text.startswith(('[2,"a"', "[2,7"))
    strict = Protocol(Role.CENTRAL_SYSTEM, strict=True).receive(text.encode())
    assert isinstance(strict, Reply | Ignored)
    assert strict.unread_fact == ""


def test_a_fact_whose_json_was_repaired_shows_its_frame() -> None:
    text = '[2,"a","StopTransaction",{"transactionId":1,"meterStop":NaN,"timestamp":"x"}]'
    received = Protocol(Role.CENTRAL_SYSTEM).receive(text)
    assert isinstance(received, IncomingCall)
    assert received.as_sent is not None
    assert msgspec.json.decode(received.as_sent.fields) == {"meterStop": None, "frame": text}


@pytest.mark.parametrize(
    "action", [" StopTransaction", "StopTransaction\\n", "stoptransaction", "STOPTRANSACTION\\u0020"]
)
def test_an_action_in_another_case_or_with_blanks_around_it_is_read(action: str) -> None:
    frame = f'[2,"1","{action}",{{"transactionId":1,"meterStop":2,"timestamp":"2026-01-01T00:00:00Z"}}]'
    lenient, strict = (Protocol(Role.CENTRAL_SYSTEM, strict=strict) for strict in (False, True))
    received = lenient.receive(frame)
    assert isinstance(received, IncomingCall)
    assert received.action == "StopTransaction"
    assert lenient.take_faults() == {"enum_case": 1}
    refused = strict.receive(frame)
    assert isinstance(refused, Reply)
    assert refused.unread_fact == ""
    assert strict.take_faults() == {"action_unknown": 1}


@pytest.mark.parametrize(
    "frame",
    [
        f'[2,"{"x" * 300}","StopTransaction",{{}}]',
        '[2,"1","StopTransaction7",{}]',
        '[2,"1","xMeterValues",{}]',
        '[2,"1","x","MeterValues",{}]',
        '[2,"1","MeterValues,{"connectorId":1}]',
        '[2,"1",StartTransaction",{"connectorId":1}]',
        "[2,'1','StartTransaction',{'connectorId':1}]",
        '[2,"1","SecurityEventNotification',
        '[2,null,"StopTransaction",{}]',
        '[2,{},"StopTransaction",{}]',
        '[2,"1","StopTransaction",{"transactionId":1 1}]',
    ],
    ids=lambda text: text[-30:],
)
def test_the_text_of_a_frame_that_names_a_fact_but_is_not_read_is_kept(frame: str) -> None:
    lenient, strict = (Protocol(Role.CENTRAL_SYSTEM, strict=strict) for strict in (False, True))
    received = lenient.receive(frame)
    assert isinstance(received, Reply | Ignored)
    assert received.unread_fact == frame
    assert lenient.faults["fact_kept_as_text"] == 1
    received = strict.receive(frame)
    assert isinstance(received, Reply | Ignored)
    assert received.unread_fact == ""


def test_the_text_of_a_refused_call_that_is_not_a_fact_is_not_kept() -> None:
    protocol = Protocol(Role.CENTRAL_SYSTEM)
    for action in ("RemoteStartTransaction", "RemoteStopTransaction", "Nothing", "TriggerMessage"):
        received = protocol.receive(f'[2,"1","{action}",{{}}]')
        assert isinstance(received, Reply)
        assert received.unread_fact == ""
