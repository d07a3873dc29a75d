"""Repeated calls: the protocol gives the stored answer again, or passes the call on like a new one."""

from unittest.mock import ANY

import pytest

from gateway.ocpp16.faults.table import FaultName
from gateway.ocpp16.messages import core
from gateway.ocpp16.messages.types import IdTagInfo, Message
from gateway.ocpp16.protocol import (
    IncomingCall,
)
from tests.support.playbook import Answer, Like, Refuse, central, refused

TIME = "2026-01-31T12:00:00.000Z"


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


def test_only_the_last_four_answers_are_kept_for_repeated_calls() -> None:
    frames = [b'[2,"%d","Authorize",{"idTag":"x"}]' % number for number in range(5)]
    playbook = central()
    for frame in frames:
        playbook = playbook >> frame << Like(IncomingCall) >> Answer(INVALID) << Like(bytes)
    kept = playbook >> frames[1] << [3, "1", ANY] << {"repeated_call": 1}
    assert kept >> frames[0] << Like(IncomingCall, id="0")
