"""Frames and handshakes of a charge point with a fault, and how csms reads and counts them."""

from typing import Any, get_args

import msgspec
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from gateway.ocpp16.faults.table import FaultName as Counted
from gateway.ocpp16.protocol import Protocol, Role
from gateway.ocpp16.received import Ignored, IncomingCall
from gateway.websocket import client
from loadtest.charge_point.fault_changes import Handshake
from loadtest.charge_point.faults import FAULTS, Faults
from loadtest.charge_point.meter import Meter
from loadtest.scenario.dice import Dice
from loadtest.scenario.model import FaultName

TIME = "2026-01-31T12:00:00.125Z"
URL = "ws://host:9000/OCPP16/tenant/CP1"

BOOT = b'[2,"1f-1","BootNotification",{"chargePointVendor":"csms","chargePointModel":"loadtest"}]'
HEARTBEAT = b'[2,"1f-2","Heartbeat",{}]'
STATUS = (
    b'[2,"1f-3","StatusNotification",{"connectorId":1,"errorCode":"NoError","status":"Finishing",'
    b'"timestamp":"2026-01-31T12:00:00.125Z"}]'
)
OF_ZERO = STATUS.replace(b'"connectorId":1', b'"connectorId":0')
START = (
    b'[2,"1f-4","StartTransaction",{"connectorId":1,"idTag":"T","meterStart":5,'
    b'"timestamp":"2026-01-31T12:00:00.125Z"}]'
)
VALUES = (
    b'[2,"1f-5","MeterValues",{"connectorId":1,"transactionId":7,"meterValue":[{"timestamp":'
    b'"2026-01-31T12:00:00.125Z","sampledValue":[{"value":"16.50","measurand":"Current.Import","phase":"L1"}]}]}]'
)
IDLE_VALUES = VALUES.replace(b'"transactionId":7,', b"")
AVAILABLE = (
    b'[2,"1f-6.1","StatusNotification",{"connectorId":1,"errorCode":"NoError","status":"Available",'
    b'"timestamp":"2026-01-31T12:30:00.5Z"}]'
)
STOP = b'[2,"1f-6","StopTransaction",{"transactionId":7,"meterStop":9,"timestamp":"2026-01-31T12:30:00.5Z"}]'
RESULT = (
    b'[3,"q",{"configurationKey":[{"key":"A","readonly":false,"value":"1"},{"key":"B","readonly":true}]}]'
)


def changed(frame: bytes, old: str, new: str) -> list[bytes]:
    assert old.encode() in frame
    return [frame.replace(old.encode(), new.encode())]


def moved(frame: bytes, added: str) -> list[bytes]:
    """Put fields in front of the payload."""
    return [frame.replace(b",{", b",{" + added.encode() + b",", 1)]


SAMPLE = '{"value":"16.50","measurand":"Current.Import","phase":"L1"}'
WIRE: list[tuple[FaultName, bytes, list[bytes], set[Counted]]] = [
    ("empty_frame", HEARTBEAT, [b"", HEARTBEAT], {"empty_frame"}),
    ("id_short", HEARTBEAT, [b'[2,"1","Heartbeat",{}]'], set()),
    ("id_not_text", HEARTBEAT, [b'[2,1,"Heartbeat",{}]'], {"id_not_text"}),
    ("call_unanswered", HEARTBEAT, [HEARTBEAT], set()),
    ("early_heartbeat", BOOT, [b'[2,"1f-1.1","Heartbeat",{}]', BOOT], set()),
    ("repeated_start", START, [START, START.replace(b"1f-4", b"1f-4.2")], set()),
    ("available_while_charging", STOP, [AVAILABLE, STOP], set()),
    (
        "connector_zero",
        STATUS,
        [STATUS, OF_ZERO.replace(b"1f-3", b"1f-3.2")],
        set(),
    ),
    ("connector_zero", OF_ZERO, [OF_ZERO], set()),
    ("finishing_error", STATUS, changed(STATUS, "NoError", "OtherError"), set()),
    ("time_no_zone", START, changed(START, ".125Z", ".125"), set()),
    ("time_no_zone", VALUES, changed(VALUES, ".125Z", ".125"), set()),
    ("time_format", STOP, changed(STOP, ".5Z", ".5+00"), set()),
    ("time_seven_digits", STOP, changed(STOP, ".5Z", ".5000000Z"), set()),
    ("time_before_2015", STATUS, changed(STATUS, TIME, "1970-01-01T00:00:05Z"), set()),
    ("time_before_2015", START, [START], set()),
    ("no_status_time", STATUS, changed(STATUS, f',"timestamp":"{TIME}"', ""), set()),
    ("null_for_absent", STATUS, moved(STATUS, '"info":null,"vendorId":null'), {"null_for_absent"}),
    ("null_for_absent", START, moved(START, '"reservationId":null'), {"null_for_absent"}),
    ("null_for_absent", VALUES, moved(IDLE_VALUES, '"transactionId":7'), set()),
    ("null_payload", HEARTBEAT, [b'[2,"1f-2","Heartbeat",null]'], set()),
    ("empty_value", IDLE_VALUES, moved(IDLE_VALUES, '"transactionId":'), {"empty_value", "null_for_absent"}),
    ("empty_value", VALUES, moved(IDLE_VALUES, '"transactionId":7'), set()),
    ("number_for_text", VALUES, changed(VALUES, '"16.50"', "16.50"), {"number_for_text"}),
    (
        "empty_samples",
        STOP,
        changed(
            STOP,
            '.5Z"',
            '.5Z","transactionData":[{"timestamp":"2026-01-31T12:30:00.5Z","sampledValue":[]}]',
        ),
        set(),
    ),
    (
        "wrong_context",
        VALUES,
        changed(VALUES, SAMPLE, SAMPLE + ',{"value":"16","context":"Sample.Alfen"}'),
        {"item_left_out"},
    ),
    (
        "wrong_unit",
        VALUES,
        changed(VALUES, SAMPLE, SAMPLE + ',{"value":"1","unit":"Watts"},{"value":"2","unit":null}'),
        {"item_left_out", "null_for_absent"},
    ),
    ("wrong_phase", VALUES, changed(VALUES, '"L1"', '"L1-N"'), set()),
    ("unknown_enum", STATUS, changed(STATUS, "NoError", "Error"), {"unknown_enum"}),
    (
        "object_for_list",
        VALUES,
        [VALUES.replace(b"[{", b"{").replace(b"}]}]}]", b"}}}]")],
        {"object_for_list"},
    ),
    (
        "required_absent",
        RESULT,
        [b'[3,"q",{"configurationKey":[{"key":"A","value":"1"},{"key":"B"}]}]'],
        set(),
    ),
    ("transaction_zero", IDLE_VALUES, moved(IDLE_VALUES, '"transactionId":0'), set()),
    ("transaction_zero", VALUES, moved(IDLE_VALUES, '"transactionId":7'), set()),
    ("reservation_zero", START, moved(START, '"reservationId":0'), set()),
]
OVER_CONNECTIONS: set[FaultName] = {"values_after_stop", "repeated_stop"}
HANDSHAKES: dict[FaultName, Handshake] = {
    "no_subprotocol": Handshake(URL, ()),
    "many_subprotocols": Handshake(URL, ("ocpp2.0.1", "ocpp1.6", "ocpp1.5")),
    "origin": Handshake(URL, headers=(("Origin", "https://github.com"),)),
    "double_slash": Handshake("ws://host:9000/OCPP16/tenant//CP1"),
    "trailing_slash": Handshake("ws://host:9000/OCPP16/tenant/CP1/"),
    "id_twice": Handshake("ws://host:9000/OCPP16/tenant/CP1/CP1"),
}


def same(frame: bytes) -> Any:
    """Return the frame in a form in which the order of fields does not matter."""
    try:
        return msgspec.json.decode(frame)
    except msgspec.DecodeError:
        return frame


def test_every_fault_has_a_row_in_the_table_and_a_test_of_what_goes_over_the_wire() -> None:
    names = get_args(FaultName.__value__)
    assert list(FAULTS) == list(names)
    assert {row[0] for row in WIRE} | OVER_CONNECTIONS | HANDSHAKES.keys() == set(names)


@pytest.mark.parametrize(("name", "frame", "wire", "_counted"), WIRE)
def test_a_fault_changes_what_goes_over_the_wire(
    name: FaultName, frame: bytes, wire: list[bytes], _counted: set[Counted]
) -> None:
    sent = Faults([name]).outgoing(frame)
    assert [same(one) for one in sent] == [same(one) for one in wire]


@pytest.mark.parametrize(("name", "frame", "_wire", "counted"), WIRE)
def test_csms_reads_every_frame_of_a_faulty_charge_point_and_counts_its_fault(
    name: FaultName, frame: bytes, _wire: list[bytes], counted: set[Counted]
) -> None:
    csms, answers = Protocol(Role.CENTRAL_SYSTEM), frame.startswith(b"[3")
    received = [csms.receive(one) for one in Faults([name]).outgoing(frame)]
    kinds = {type(one) for one in received}
    assert kinds <= ({Ignored} if answers else {IncomingCall, Ignored})
    assert answers or IncomingCall in kinds
    assert csms.faults.keys() - {"unknown_answer"} == counted


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_leaves_the_frames_alone_that_it_does_not_concern(name: FaultName) -> None:
    concerned = {frame for row, frame, _, _ in WIRE if row == name}
    everywhere: set[FaultName] = {"empty_frame", "id_short", "id_not_text"}
    error = b'[4,"q","NotImplemented","",{}]'
    assert Faults([name]).outgoing(error) == [error]
    if name not in everywhere:
        heartbeat = Faults([name]).outgoing(HEARTBEAT)
        assert HEARTBEAT in concerned or heartbeat == [HEARTBEAT]
        result = b'[3,"q",{"status":"Accepted"}]'
        assert Faults([name]).outgoing(result) == [result]


def test_values_of_an_ended_transaction_follow_its_stop_with_the_time_of_the_stop() -> None:
    faults = Faults(["values_after_stop"])
    assert faults.outgoing(STOP) == [STOP]
    faults.outgoing(VALUES)
    stop, values = faults.outgoing(STOP)
    assert stop == STOP
    late = VALUES.replace(TIME.encode(), b"2026-01-31T12:30:00.5Z")
    assert same(values) == same(late.replace(b"1f-5", b"1f-6.4"))
    other = STOP.replace(b'"transactionId":7', b'"transactionId":8')
    assert faults.outgoing(other) == [other]


def test_the_last_stop_is_sent_again_after_the_first_call_on_each_connection() -> None:
    faults = Faults(["repeated_stop"])
    faults.handshake(URL)
    assert faults.outgoing(BOOT) == [BOOT]
    assert faults.outgoing(STOP) == [STOP]
    assert faults.outgoing(HEARTBEAT) == [HEARTBEAT]
    for _ in range(2):
        faults.handshake(URL)
        first, again = faults.outgoing(HEARTBEAT)
        assert first == HEARTBEAT
        assert same(again) == same(STOP.replace(b"1f-6", b"1f-2.2"))
        assert faults.outgoing(HEARTBEAT) == [HEARTBEAT]


@pytest.mark.parametrize("name", ["repeated_start", "early_heartbeat", "connector_zero"])
def test_the_answer_to_a_call_that_only_a_fault_made_never_reaches_the_charge_point(name: FaultName) -> None:
    faults = Faults([name])
    for frame in (START, BOOT, STATUS):
        sent = faults.outgoing(frame)
        ids = [msgspec.json.decode(one)[1] for one in sent]
        own = msgspec.json.decode(frame)[1]
        passed_on = [faults.incoming(b'[3,"%b",{}]' % id_.encode()) for id_ in ids]
        assert [one for one in passed_on if one is not None] == [b'[3,"%b",{}]' % own.encode()]
        refused = [faults.incoming(b'[4,"%b","InternalError","",{}]' % id_.encode()) for id_ in ids]
        assert None not in refused  # An answer that comes twice is the central system's fault, and is shown.


@pytest.mark.parametrize(("name", "first", "second"), [("id_short", '"1"', '"2"'), ("id_not_text", "1", "2")])
def test_changed_message_ids_start_again_on_each_connection_and_are_changed_back(
    name: FaultName, first: str, second: str
) -> None:
    faults = Faults([name])
    for _ in range(2):
        faults.handshake(URL)
        [one] = faults.outgoing(HEARTBEAT)
        [other] = faults.outgoing(START)
        assert one.startswith(f"[2,{first},".encode())
        assert other.startswith(f"[2,{second},".encode())
        refused = f'[4,{second},"InternalError","no",{{}}]'.encode()
        assert faults.incoming(refused) == b'[4,"1f-4","InternalError","no",{}]'
        assert faults.incoming(f"[3,{first}, {{}}]".encode()) == b'[3,"1f-2",{}]'
        assert faults.incoming(f"[3,{first},{{}}]".encode()) == f"[3,{first},{{}}]".encode()
    faults.outgoing(HEARTBEAT)
    faults.handshake(URL)
    assert faults.incoming(b'[3,"3",{}]') == b'[3,"3",{}]'


def test_a_deaf_charge_point_reads_one_call_on_each_connection_and_all_answers() -> None:
    faults, call, answer = Faults(["call_unanswered"]), b'[2,"c","ClearCache",{}]', b'[3,"1f-2",{}]'
    for _ in range(2):
        faults.handshake(URL)
        assert [faults.incoming(call) for _ in range(3)] == [call, None, None]
        assert faults.incoming(answer) == answer


@given(st.binary() | st.sampled_from([b"[3]", b"[3,null,{}]", b'[3,["x"],{}]', b"7", b'[4,"1"]', b'[3,"1"]']))
def test_a_frame_that_cannot_be_read_is_passed_on_as_it_is(frame: bytes) -> None:
    assert Faults(["id_not_text", "call_unanswered"]).incoming(frame) == frame


def test_what_a_charge_point_remembers_of_its_calls_is_bounded() -> None:
    faults = Faults(["id_short", "repeated_start"])
    for _ in range(1_000):
        faults.outgoing(START)
    assert len(faults._awaited) <= 64
    assert faults.incoming(b'[3,"1999",{}]') == b'[3,"1f-4",{}]'


def test_several_faults_of_one_charge_point_add_up() -> None:
    names: list[FaultName] = [
        "id_not_text",
        "time_no_zone",
        "repeated_start",
        "empty_frame",
        "reservation_zero",
    ]
    start = (
        b'"StartTransaction",{"reservationId":0,"connectorId":1,"idTag":"T","meterStart":5,'
        b'"timestamp":"2026-01-31T12:00:00.125"}]'
    )
    assert Faults(names).outgoing(START) == [b"", b"[2,1," + start, b"", b"[2,2," + start]
    names += ["null_payload", "null_for_absent"]
    assert Faults(names).outgoing(HEARTBEAT)[-1] == b'[2,1,"Heartbeat",null]'


def test_the_meter_values_of_the_load_test_keep_all_digits_as_numbers() -> None:
    meter = Meter("ac_three_phases", Dice(1, 0, "meter"))
    meter.begin(0.0)
    sample = meter.sample(60.0)
    payload = (
        b'{"connectorId":1,"meterValue":[{"timestamp":"2026-01-31T12:00:00Z","sampledValue":%b}]}' % sample
    )
    [sent] = Faults(["number_for_text"]).outgoing(b'[2,"1","MeterValues",%b]' % payload)
    texts = [one["value"] for one in msgspec.json.decode(sample)]
    assert all(f'"value":{text},'.encode() in sent for text in texts)


@pytest.mark.parametrize("value", ["", "OK", "007", "1.", "1e3", "NaN", "-"])
def test_a_value_that_is_not_a_number_stays_text(value: str) -> None:
    frame = VALUES.replace(b"16.50", value.encode())
    assert Faults(["number_for_text"]).outgoing(frame) == [frame]


@pytest.mark.parametrize("name", HANDSHAKES)
async def test_a_fault_of_the_handshake_is_in_the_upgrade_request(name: FaultName) -> None:
    assert Faults([name]).handshake(URL) == HANDSHAKES[name]
    listener = (await trio.open_tcp_listeners(0, host="127.0.0.1"))[0]
    port = listener.socket.getsockname()[1]
    heads: list[str] = []

    async def refuse() -> None:
        stream = await listener.accept()
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += await stream.receive_some()
        heads.append(head.decode())
        await stream.send_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
        await stream.aclose()

    url, subprotocols, headers = Faults([name]).handshake(URL.replace("host:9000", f"127.0.0.1:{port}"))
    with trio.fail_after(60):
        async with listener, trio.open_nursery() as nursery:
            nursery.start_soon(refuse)
            with pytest.raises(client.UpgradeRefused):
                async with client.connect(url, subprotocols=subprotocols, headers=headers):
                    pass
    [head] = heads
    path = HANDSHAKES[name].url.removeprefix("ws://host:9000")
    assert head.startswith(f"GET {path} HTTP/1.1\r\n")
    lower = head.lower()
    assert ("origin: https://github.com" in lower) == (name == "origin")
    offered = ", ".join(HANDSHAKES[name].subprotocols)
    assert (f"sec-websocket-protocol: {offered}\r\n" if offered else "sec-websocket") in lower
    assert ("sec-websocket-protocol" in lower) == (name != "no_subprotocol")
