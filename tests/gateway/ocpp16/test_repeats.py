"""Repeated calls: the protocol counts them, and passes all but two actions on like new calls."""

import msgspec
import pytest

from gateway.ocpp16.faults.table import FaultName
from gateway.ocpp16.messages import core
from gateway.ocpp16.messages.types import IdTagInfo, Message
from gateway.ocpp16.protocol import Protocol, Role
from gateway.ocpp16.received import IncomingCall, Reply
from tests.support.playbook import Answer, Like, Refuse, central, refused

TIME = "2026-01-31T12:00:00.000Z"


AUTHORIZE = b'[2,"a","Authorize",{"idTag":"x"}]'
INVALID = core.AuthorizeResult(id_tag_info=IdTagInfo(status="Invalid"))
INVALID_FRAME = b'[3,"a",{"idTagInfo":{"status":"Invalid"}}]'


DATA = b'[2,"a","DataTransfer",{"vendorId":"x"}]'
TAKEN = core.DataTransferResult(status="Accepted")
TAKEN_FRAME = b'[3,"a",{"status":"Accepted"}]'


def test_a_repeated_call_is_counted_and_handled_again() -> None:
    assert (
        central()
        >> AUTHORIZE
        << Like(IncomingCall)
        >> Answer(INVALID)
        << INVALID_FRAME
        >> bytes(bytearray(AUTHORIZE))
        << Like(IncomingCall)
        << {"repeated_call": 1}
    )


def test_a_repeated_data_transfer_gets_the_stored_answer() -> None:
    assert (
        central()
        >> DATA
        << Like(IncomingCall)
        >> Answer(TAKEN)
        << TAKEN_FRAME
        >> bytes(bytearray(DATA))
        << TAKEN_FRAME
        << {"repeated_call": 1}
    )


def test_a_data_transfer_that_is_repeated_after_another_call_is_handled_again() -> None:
    assert (
        central()
        >> DATA
        << Like(IncomingCall)
        >> Answer(TAKEN)
        << TAKEN_FRAME
        >> AUTHORIZE
        << Like(IncomingCall)
        >> Answer(INVALID)
        << INVALID_FRAME
        >> DATA
        << Like(IncomingCall)
        << {"repeated_call": 1}
    )


@pytest.mark.parametrize(("after_s", "kept"), [(60.0, True), (60.1, False)])
def test_the_answer_to_a_data_transfer_is_kept_for_60_seconds(after_s: float, kept: bool) -> None:  # noqa: FBT001
    protocol = Protocol(Role.CENTRAL_SYSTEM)
    call = protocol.receive(DATA, 100.0)
    assert isinstance(call, IncomingCall)
    protocol.answer(call, TAKEN)
    assert isinstance(protocol.receive(DATA, 100.0 + after_s), Reply) == kept


@pytest.mark.parametrize(
    "other",
    [
        b'[2,"a","Authorize",{"idTag":"y"}]',
        b'[2,"b","Authorize",{"idTag":"x"}]',
        b'[2,"a","DataTransfer",{"vendorId":"x"}]',
    ],
)
def test_a_call_with_the_same_message_id_and_another_payload_is_not_a_repeat(other: bytes) -> None:
    assert (
        central()
        >> AUTHORIZE
        << Like(IncomingCall)
        >> Answer(INVALID)
        << INVALID_FRAME
        >> other
        << Like(IncomingCall)
    )


def test_a_call_that_was_refused_is_handled_again_when_it_is_repeated() -> None:
    assert (
        central()
        >> AUTHORIZE
        << Like(IncomingCall)
        >> Refuse("InternalError")
        << refused("a", "InternalError")
        >> AUTHORIZE
        << Like(IncomingCall)
    )


def test_a_repeat_that_arrives_before_the_first_call_is_answered_is_handled_as_a_new_call() -> None:
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
def test_a_repeated_heartbeat_or_boot_notification_is_handled_again(
    frame: bytes, result: Message, repeated: dict[FaultName, int]
) -> None:
    playbook = central() >> frame << Like(IncomingCall) >> Answer(result) << Like(bytes)
    for _ in range(2):
        playbook = playbook >> frame << Like(IncomingCall)
        playbook = (playbook << repeated if repeated else playbook) >> Answer(result) << Like(bytes)
    assert playbook


def test_only_the_last_four_calls_are_remembered_to_recognise_a_repeat() -> None:
    frames = [b'[2,"%d","Authorize",{"idTag":"x"}]' % number for number in range(5)]
    playbook = central()
    for frame in frames:
        playbook = playbook >> frame << Like(IncomingCall) >> Answer(INVALID) << Like(bytes)
    known = playbook >> frames[1] << Like(IncomingCall, id="1") << {"repeated_call": 1}
    assert known >> frames[0] << Like(IncomingCall, id="0")


AT = "2026-01-31T12:00:00Z"
CALLS: list[tuple[str, dict[str, object]]] = [
    ("Authorize", {"idTag": "x"}),
    ("StartTransaction", {"connectorId": 1, "idTag": "x", "meterStart": 0, "timestamp": AT}),
    ("StopTransaction", {"transactionId": 1, "meterStop": 0, "timestamp": AT}),
    ("MeterValues", {"connectorId": 1, "meterValue": []}),
    ("StatusNotification", {"connectorId": 1, "errorCode": "NoError", "status": "Available"}),
    ("StatusNotification", {"connectorId": 0, "errorCode": "NoError", "status": "Faulted"}),
    ("BootNotification", {"chargePointVendor": "v", "chargePointModel": "m"}),
    ("DiagnosticsStatusNotification", {"status": "Idle"}),
    ("FirmwareStatusNotification", {"status": "Idle"}),
    ("LogStatusNotification", {"status": "Idle"}),
    ("SignedFirmwareStatusNotification", {"status": "Idle"}),
    ("SecurityEventNotification", {"type": "x", "timestamp": AT}),
]


@pytest.mark.parametrize(("action", "payload"), CALLS)
def test_the_same_bytes_are_handled_like_a_new_call_each_time(
    action: str, payload: dict[str, object]
) -> None:
    """Some charge points number every call 0, and send statuses without a time."""
    protocol, frame = Protocol(Role.CENTRAL_SYSTEM), msgspec.json.encode((2, "0", action, payload))
    for _ in range(3):
        call = protocol.receive(frame)
        assert isinstance(call, IncomingCall)
        protocol.answer(call, core.HeartbeatResult(current_time=TIME))  # The content does not matter here.
    assert protocol.take_faults() == {"repeated_call": 2}
