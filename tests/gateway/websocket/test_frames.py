"""Frames that a peer may send and frames that it must not send, byte by byte.

These tests cover gateway/websocket/text_frames.py and gateway/websocket/borrowed_reader.py.
"""

import contextlib

import pytest
import trio
from trio.testing import MockClock

from gateway.websocket.close_codes import Close
from gateway.websocket.limits import Limits
from tests.gateway.websocket.echo_server import Echo, RawPeer, raw_peer, serving, settle
from tests.support.websocket_frames import frame, plain, text

LONG = "x" * 70_000


@pytest.mark.parametrize(
    ("sent", "row"),
    [
        pytest.param(frame(0x81, b"x" * 1_048_577), Close.TOO_BIG, id="a frame over the limit"),
        pytest.param(frame(0x81, length=2**62), Close.TOO_BIG, id="a header that promises 2^62 bytes"),
        pytest.param(
            frame(0x01, b"x" * 600_000) + frame(0x80, b"x" * 600_000),
            Close.TOO_BIG,
            id="fragments over the limit",
        ),
        pytest.param(frame(0x81, b"hi", mask=None), Close.PROTOCOL_ERROR, id="unmasked"),
        pytest.param(frame(0x89, b"hi", mask=None), Close.PROTOCOL_ERROR, id="unmasked control frame"),
        pytest.param(frame(0xC1, b"hi"), Close.PROTOCOL_ERROR, id="RSV1: a compressed frame"),
        pytest.param(frame(0x91, b"hi"), Close.PROTOCOL_ERROR, id="RSV3"),
        pytest.param(frame(0x83, b"hi"), Close.PROTOCOL_ERROR, id="reserved opcode"),
        pytest.param(frame(0x8B, b"hi"), Close.PROTOCOL_ERROR, id="reserved control opcode"),
        pytest.param(frame(0x82, b"hi"), Close.NOT_TEXT, id="binary"),
        pytest.param(frame(0x80, b"hi"), Close.PROTOCOL_ERROR, id="continuation of nothing"),
        pytest.param(
            frame(0x01, b"hi") + frame(0x81, b"ho"),
            Close.PROTOCOL_ERROR,
            id="text inside a fragmented message",
        ),
        pytest.param(frame(0x09, b"hi"), Close.PROTOCOL_ERROR, id="fragmented ping"),
        pytest.param(frame(0x89, b"x" * 126), Close.PROTOCOL_ERROR, id="ping over 125 bytes"),
        pytest.param(b"\x81\xfe\x00\x05abcd12345", Close.PROTOCOL_ERROR, id="16-bit length where 7 bits do"),
        pytest.param(
            b"\x81\xff" + (200).to_bytes(8) + b"abcd",
            Close.PROTOCOL_ERROR,
            id="64-bit length where 16 bits do",
        ),
        pytest.param(frame(0x81, b"caf\xe9"), Close.NOT_UTF8, id="not UTF-8"),
        pytest.param(
            frame(0x01, b"caf\xe9") + frame(0x80, b"xx"), Close.NOT_UTF8, id="not UTF-8 in fragments"
        ),
        pytest.param(frame(0x88, b"\x03\xed"), Close.PROTOCOL_ERROR, id="CLOSE with a code not for the wire"),
        pytest.param(frame(0x88, b"\x03"), Close.PROTOCOL_ERROR, id="CLOSE with half a code"),
        pytest.param(
            frame(0x01) + frame(0x00) * 100_000, Close.TOO_FRAGMENTED, id="100,000 empty continuations"
        ),
        pytest.param(
            frame(0x01) + frame(0x00, b"x") * 64_000, Close.TOO_FRAGMENTED, id="64,000 fragments of one byte"
        ),
        pytest.param(frame(0x89) * 10_000, Close.TOO_MANY_CONTROL_FRAMES, id="10,000 pings"),
        pytest.param(frame(0x8A) * 10_000, Close.TOO_MANY_CONTROL_FRAMES, id="10,000 pongs"),
    ],
)
async def test_a_protocol_violation_is_answered_with_the_right_close_code_and_ends_no_other_connection(
    sent: bytes, row: Close
) -> None:
    echo = Echo()
    async with serving(echo) as server, raw_peer(server) as bystander:
        async with raw_peer(server) as peer:
            await peer.send(text("before"))
            assert await peer.read(8) == plain(0x81, b"before")
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_send_what_is_taken, peer, sent)
                answer = await peer.read_all()
                nursery.cancel_scope.cancel()
        await echo.ended.wait()
        await bystander.send(text("still here"))
        assert await bystander.read(12) == plain(0x81, b"still here")
    end = echo.ends[0]
    assert (end.code, end.by) == (row.code, "us")
    assert end.reason.startswith(row.reason.partition("{}")[0])
    assert answer.endswith(plain(0x88, end.code.to_bytes(2) + end.reason.encode()))
    assert set(echo.received) == {b"before", b"still here"}


async def _send_what_is_taken(peer: RawPeer, data: bytes) -> None:
    with contextlib.suppress(trio.BrokenResourceError):
        await peer.send(data)


async def test_a_frame_may_arrive_in_pieces_of_any_size() -> None:
    sent = text("") + text("ä" * 60) + text("y" * 200) + text("z" * 65_536) + frame(0x8A, b"unasked")
    echo = Echo()
    async with serving(echo) as server, raw_peer(server) as peer:
        head, tail = sent[:700], sent[700:]
        for at in range(len(head)):
            await peer.send(head[at : at + 1])
        await peer.send(tail)
        expected = [b"", "ä".encode() * 60, b"y" * 200, b"z" * 65_536]
        for message in expected:
            whole = plain(0x81, message)
            assert await peer.read(len(whole)) == whole
    assert echo.received == expected


async def test_whole_and_fragmented_messages_and_pings_are_handled_in_the_order_of_arrival() -> None:
    sent = text("1") + frame(0x01, b"2") + frame(0x89, b"ping") + frame(0x00) + frame(0x80, b"b") + text("3")
    sent += frame(0x01, "ä".encode()[:1]) + frame(0x80, "ä".encode()[1:]) + text("4")
    async with serving(Echo()) as server, raw_peer(server) as peer:
        await peer.send(sent)
        expected = plain(0x81, b"1") + plain(0x8A, b"ping") + plain(0x81, b"2b") + plain(0x81, b"3")
        expected += plain(0x81, "ä".encode()) + plain(0x81, b"4")
        assert await peer.read(len(expected)) == expected


async def test_bytes_after_a_close_frame_are_ignored() -> None:
    echo = Echo()
    async with serving(echo) as server, raw_peer(server) as peer:
        await peer.send(text("a") + frame(0x88, b"\x03\xe8bye") + text("b") + frame(0x89))
        assert await peer.read_all() == plain(0x81, b"a") + plain(0x88, b"\x03\xe8bye")
        await echo.ended.wait()
    assert echo.received == [b"a"]
    assert echo.ends == [(1000, "bye", "peer")]


async def test_a_connection_whose_peer_vanishes_is_reported_as_lost() -> None:
    echo = Echo()
    async with serving(echo) as server:
        async with raw_peer(server) as peer:
            await peer.send(text("half")[:-1])
        await echo.ended.wait()
    assert [(end.code, end.by) for end in echo.ends] == [(1006, "lost")]
    assert echo.received == []


async def test_a_connection_with_a_message_that_is_never_finished_is_cut_off(mock_clock: MockClock) -> None:
    echo = Echo()
    async with serving(echo, limits=Limits(partial_message_s=60)) as server, raw_peer(server) as peer:
        await peer.send(frame(0x01, b"begun") + frame(0x89))
        assert await peer.read(2) == plain(0x8A)
        mock_clock.jump(59)
        await settle()
        assert not echo.ended.is_set()
        mock_clock.jump(2)
        reason = Close.UNFINISHED.reason.encode()
        assert await peer.read_all() == plain(0x88, (1008).to_bytes(2) + reason)


@pytest.mark.parametrize("first", [0x81, 0x82])
async def test_the_deadline_of_a_message_begins_anew_if_the_message_before_it_ended_in_the_same_packet(
    first: int, mock_clock: MockClock
) -> None:
    message = frame(0x81, b"x" * 100) if first == 0x81 else frame(0x01, b"x" * 50) + frame(0x80, b"x" * 50)
    echo = Echo()
    async with serving(echo, limits=Limits(partial_message_s=60)) as server, raw_peer(server) as peer:
        await peer.send(message[:70])
        for _ in range(3):
            await settle()
            mock_clock.jump(50)
            await settle()
            await peer.send(message[70:] + message[:70])
            assert await peer.read(102) == plain(0x81, b"x" * 100)
        assert not echo.ended.is_set()
