"""Feeds the same random bytes to our connection and to the parser of `websockets`, and compares.

`python -m tests.gateway.websocket.fuzz --streams 100000` prints the seed of the first stream that the two
read differently.
"""

# ruff: noqa: T201  its result is what it prints

import argparse
import codecs
import random
import sys
import time
from collections.abc import Coroutine
from typing import Any, NoReturn, cast

import trio
from trio_websocket import wrap_server_stream
from websockets.frames import Frame, Opcode
from websockets.protocol import Protocol, Side, State

from gateway.websocket.borrowed_reader import BorrowedReader
from gateway.websocket.close_codes import Closed
from gateway.websocket.connection import Connection
from gateway.websocket.limits import Limits
from gateway.websocket.socket_stream import SocketStream
from gateway.websocket.stats import Stats
from tests.support.websocket_frames import REQUEST, frame

LIMITS = Limits(
    message_bytes=2_000, frames_per_message=10_000, control_frames_per_s=1_000_000, ping_interval_s=0
)


class Pieces:
    """A stream that acts like a socket on which the given pieces of bytes arrive."""

    remote = ("fuzz", 0)
    readable = True

    def __init__(self, pieces: list[bytes]) -> None:
        self._pieces = iter(pieces)
        self.sent = b""

    def receive_now(self, _max_bytes: int) -> bytes:
        return next(self._pieces, b"")

    async def receive_some(self, max_bytes: int) -> bytes:
        return self.receive_now(max_bytes)

    async def say_and_raise(self, error: Exception) -> NoReturn:
        raise error

    async def send_all(self, data: bytes) -> None:
        self.sent += data

    def send_now(self, data: bytes) -> None:
        self.sent += data

    async def finish(self, _seconds: float) -> None:
        pass

    def close(self) -> None:
        pass


def make_stream(choose: random.Random) -> list[bytes]:
    """Make a few mostly valid frames, perhaps damaged somewhere, in random pieces."""
    data = b"".join(_make_frame(choose) for _ in range(choose.randint(1, 8)))
    if choose.random() < 0.25:
        broken = bytearray(data)
        for _ in range(choose.randint(1, 3)):
            broken[choose.randrange(len(broken))] = choose.randrange(256)
        data = bytes(broken)
    if choose.random() < 0.2:
        data = data[: choose.randrange(len(data) + 1)]
    pieces = []
    while data:
        size = choose.choice((1, 2, 3, 7, 20, 130, 1_000, 5_000))
        pieces.append(data[:size])
        data = data[size:]
    return pieces


def _make_frame(choose: random.Random) -> bytes:
    payload = _make_payload(choose)
    mask = choose.randbytes(4)
    kind = choose.random()
    if kind < 0.45:
        return frame(0x81, payload, mask=mask)
    if kind < 0.70:
        parts = [payload[at : at + 40] for at in range(0, len(payload), 40)] or [b"", b""]
        frames = [frame(0x01 if at == 0 else 0x00, part, mask=mask) for at, part in enumerate(parts)]
        if choose.random() < 0.3:
            frames.insert(1, frame(0x89, b"between", mask=mask))
        return b"".join(frames) + frame(0x80, b"", mask=mask) * (choose.random() < 0.95)
    if kind < 0.85:
        return frame(choose.choice((0x89, 0x8A)), payload[:125], mask=mask)
    if kind < 0.90:
        return frame(
            0x88, choose.choice((b"", b"\x03\xe8", b"\x03\xe8bye", b"\x03\xed", b"\x03", b"\x0b\xb8\xff"))
        )
    return frame(choose.randrange(256), payload, mask=choose.choice((mask, mask, None)))


def _make_payload(choose: random.Random) -> bytes:
    size = choose.choice((0, 1, 5, 57, 124, 125, 126, 127, 700, 1_999, 2_000, 2_001))
    kind = choose.random()
    if kind < 0.6:
        return bytes(choose.choices(b'[2,"x"{}]', k=size))
    if kind < 0.85:
        return ("ä€😀" * size).encode()[: max(size - size % 9, 0)]
    return choose.randbytes(size)


async def ours(pieces: list[bytes]) -> tuple[list[bytes], Closed]:
    """Return the messages, and why the stream ended; "lost" means that it ended without a reason to close."""
    stream = cast(SocketStream, Pieces(pieces))
    reader = BorrowedReader(stream, REQUEST)
    request = await wrap_server_stream(cast(trio.Nursery, reader), reader)
    await request.accept(subprotocol="ocpp1.6")
    connection = Connection(
        reader, b"", side="server", subprotocol="ocpp1.6", tls=None, limits=LIMITS, stats=Stats()
    )
    messages = []

    async def keep(text: bytes) -> None:
        messages.append(text)

    def on_text(text: bytes) -> Coroutine[Any, Any, None] | None:
        if len(text) % 2:
            return keep(text)
        messages.append(text)  # Such a message is served at once.
        return None

    closed = await connection.run(on_text)
    await connection.aclose()
    return messages, closed


def theirs(pieces: list[bytes]) -> tuple[list[bytes], bool, bool]:
    """Return the messages, whether the parser closed, and whether it still waits for the rest of a frame."""
    protocol = Protocol(Side.SERVER, state=State.OPEN, max_size=LIMITS.message_bytes)
    messages: list[bytes] = []
    whole = b""
    check = codecs.getincrementaldecoder("utf-8")()
    for piece in pieces:
        protocol.receive_data(piece)
        for event in protocol.events_received():
            assert isinstance(event, Frame)
            if event.opcode is Opcode.BINARY:
                return messages, True, False
            if event.opcode is Opcode.TEXT:
                whole = b""
                check.reset()
            elif event.opcode is not Opcode.CONT:
                continue
            whole += event.data
            try:
                check.decode(bytes(event.data), event.fin)
            except UnicodeDecodeError:
                return messages, True, False
            if event.fin:
                messages.append(whole)
        if protocol.parser_exc is not None or protocol.close_rcvd is not None:
            return messages, True, False
    protocol.receive_eof()
    return (
        messages,
        False,
        str(protocol.parser_exc) != "unexpected end of stream",
    )  # The stream ended between frames.


async def compare(seeds: range) -> int | None:
    """Return the first seed whose stream the two parsers read differently."""
    for seed in seeds:
        if seed % 200 == 0:
            await trio.lowlevel.checkpoint()
        pieces = make_stream(random.Random(seed))
        messages, closed = await ours(pieces)
        expected, expected_closed, waiting = theirs(pieces)
        refused = closed.by != "lost"
        if refused and closed.reason == "the length of a frame is not in its shortest form":
            # The parser of `websockets` does not check this MUST of RFC 6455 5.2.
            expected = expected[: len(messages)]
            expected_closed = True
        # We judge a header as soon as it has arrived. The parser of `websockets` sometimes waits for the
        # whole frame.
        if messages != expected or (refused != expected_closed and not (refused and waiting)):
            return seed
    return None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    started = time.monotonic()
    differs = trio.run(compare, range(options.seed, options.seed + options.streams))
    if differs is not None:
        sys.exit(f"read differently: --streams 1 --seed {differs}")
    print(f"{options.streams} streams read alike in {time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()
