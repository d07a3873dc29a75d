"""A plain Heartbeat is read and answered as the protocol would do it."""

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.ocpp16 import plain_heartbeat
from gateway.ocpp16.frames import MESSAGE_ID_LIMIT
from gateway.ocpp16.messages.core import HeartbeatResult
from gateway.ocpp16.protocol import Protocol, Role
from gateway.ocpp16.received import IncomingCall

NOW = "2026-01-31T12:00:00.000Z"


@pytest.mark.parametrize("id_", ["1", "0f5bd0a6-7b3e-4b6e-9f0a-0123456789ab", "-9-", "x" * MESSAGE_ID_LIMIT])
def test_the_usual_ids_are_read(id_: str) -> None:
    assert plain_heartbeat.read_id(f'[2,"{id_}","Heartbeat",{{}}]'.encode()) == id_.encode()


@pytest.mark.parametrize(
    "frame",
    [
        b'[2, "1", "Heartbeat", {}]',
        b'[2,1,"Heartbeat",{}]',
        b'[2,"","Heartbeat",{}]',
        b'[2,"%b","Heartbeat",{}]' % (b"x" * (MESSAGE_ID_LIMIT + 1)),
        b'[2,"1","Heartbeat",{"a":1}]',
        b'[2,"1","StatusNotification",{}]',
        b'[2,"\\u0031","Heartbeat",{}]',
        b'[2,"\xc3\xa9","Heartbeat",{}]',
        b'[2,"a\nb","Heartbeat",{}]',
        b'[2,"1","a","Heartbeat",{}]',
        b'[2,"Heartbeat",{}]',
        b'[2,"a b","Heartbeat",{}]',
        b'[3,"1","Heartbeat",{}]',
    ],
)
def test_every_other_frame_is_left_to_the_protocol(frame: bytes) -> None:
    assert plain_heartbeat.read_id(frame) == b""


@given(st.text(min_size=1, max_size=40), st.booleans())
@example("1", True)
@example("a\\", False)
@example('a"', False)
def test_a_frame_that_is_read_gets_the_answer_of_the_protocol(id_: str, strict: bool) -> None:  # noqa: FBT001  drawn
    encoded = msgspec.json.encode(id_)
    for frame in (b'[2,%b,"Heartbeat",{}]' % encoded, f'[2,"{id_}","Heartbeat",{{}}]'.encode()):
        if read := plain_heartbeat.read_id(frame):
            protocol, result = Protocol(Role.CENTRAL_SYSTEM, strict=strict), HeartbeatResult(current_time=NOW)
            call = protocol.receive(frame)
            assert isinstance(call, IncomingCall)
            assert (call.action, call.id) == ("Heartbeat", read.decode())
            assert plain_heartbeat.answer(read, NOW) == protocol.answer(call, result)
            assert not protocol.faults
