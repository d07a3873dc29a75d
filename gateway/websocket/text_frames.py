"""Cuts a byte stream into websocket frames, and unmasks text messages that came in one frame.

For every other frame, only the header is checked, and the frame is passed on unchanged for trio-websocket.
The module does no I/O, and the caller passes in the time.
"""

from websockets.speedups import apply_mask

from gateway.websocket.close_codes import Close, Violation
from gateway.websocket.limits import Limits

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
_WHOLE_TEXT = 0x81
_KNOWN = frozenset((CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG))


class Rest:
    """A whole frame, unchanged. `ends_message` is set for the last frame of a fragmented message."""

    __slots__ = ("data", "ends_message", "opcode")

    def __init__(self, data: bytes, opcode: int, *, ends_message: bool) -> None:
        self.data = data
        self.opcode = opcode
        self.ends_message = ends_message


class TextFrames:
    """Cuts the byte stream of one side into frames.

    Call `feed`, then `cut` until `cut` returns None. Raises Violation.

    TextFrames buffers at most one frame within the limits, plus the bytes of one `feed`.
    """

    __slots__ = (
        "_at",
        "_control_frames",
        "_control_since",
        "_data",
        "_fragments",
        "_limits",
        "_masked",
        "_now",
        "_size",
        "binary",
        "closed",
        "partial_since",
    )

    def __init__(self, limits: Limits, *, masked: bool) -> None:
        self._limits = limits
        self._masked = masked
        self._data: bytes | bytearray = b""
        self._at = 0
        self._fragments = 0
        self._size = 0
        self._now = 0.0
        self._control_frames = 0
        self._control_since = 0.0
        self.binary = False
        """True if binary messages are passed on too."""
        self.closed = False
        """True after a CLOSE frame. All bytes after a CLOSE frame are ignored."""
        self.partial_since: float | None = None
        """Time at which the first byte of the unfinished frame or message came."""

    @property
    def held(self) -> int:
        """Bytes of unfinished frames and messages."""
        return len(self._data) - self._at + self._size

    def drop(self) -> None:
        """Forget an unfinished frame. The caller reads no further frames."""
        self._data = b""
        self._at = 0
        self.partial_since = None

    def read_whole(self, data: bytes) -> bytes | None:
        """Return the text of a masked frame if `data` is this frame, and nothing was kept.

        Nearly every read brings such a frame. Otherwise the caller calls `feed`, because nothing has changed.
        This method costs a fifth of `feed` and `cut`.
        """
        size = len(data)
        if size < 6 or data[0] != _WHOLE_TEXT or self._data or self._fragments or not self._masked:
            return None
        second = data[1]
        if second == 254:
            start = 8
            if size < 134 or data[2] << 8 | data[3] != size - 8 or size - 8 > self._limits.message_bytes:
                return None
        elif second < 254 and second == size + 122:
            start = 6
        else:
            return None
        if self.closed:
            return None
        text = apply_mask(data[start:], data[start - 4 : start])
        if not text.isascii():
            _check_utf8(text)
        return text

    def feed(self, data: bytes, now: float) -> None:
        self._now = now
        if self._at < len(self._data):
            if not isinstance(self._data, bytearray):
                self._data = bytearray(self._data)
            del self._data[: self._at]
            self._data += data
        else:
            self._data = data
        self._at = 0

    def cut(self) -> bytes | Rest | None:  # noqa: C901, PLR0912  one header, read once, without a call
        """Return the next text message or other frame, or None if more bytes are needed."""
        data, at = self._data, self._at
        have = len(data)
        if at == have and not self._fragments:
            self._data = b""  # An idle connection keeps no buffer.
            self._at = 0
            self.partial_since = None
            return None
        if have - at < 2 or self.closed:
            self._note_partial()
            return None
        first, second = data[at], data[at + 1]
        if (second >= 128) is not self._masked:
            unmasked = "a frame is not masked, but a client must mask its frames"
            masked = "a frame is masked, but a server must not mask its frames"
            raise Violation(Close.PROTOCOL_ERROR, unmasked if self._masked else masked)
        fast = first == _WHOLE_TEXT and not self._fragments
        length = second & 127
        if not fast:
            self._judge(first, length)
        start = at + 2
        if length >= 126:
            start += 2 if length == 126 else 8
            if have < start:
                self._note_partial()
                return None
            least = 126 if length == 126 else 65_536
            length = int.from_bytes(data[at + 2 : start])
            if length < least:
                raise Violation(Close.PROTOCOL_ERROR, "the length of a frame is not in its shortest form")
        if length + self._size > self._limits.message_bytes:
            raise Violation(Close.TOO_BIG, self._limits.message_bytes)
        if self._masked:
            start += 4
        end = start + length
        if have < end:
            self._note_partial()
            return None
        self._at = end
        if fast:
            payload = data[start:end]
            text = apply_mask(payload, data[start - 4 : start]) if self._masked else bytes(payload)
            self.partial_since = None
            if end == have:
                self._data = b""  # The bytes of a large message would else be held twice while it is served.
                self._at = 0
            if not text.isascii():
                _check_utf8(text)
            return text
        return self._cut_rest(first, bytes(data[at:end]), length)

    def _judge(self, first: int, length: int) -> None:
        """Refuse a frame whose header alone already breaks RFC 6455 (section 5)."""
        opcode = first & 0x0F
        if first & 0x70:
            raise Violation(Close.PROTOCOL_ERROR, "a reserved bit is set, but no extension was agreed")
        if opcode not in _KNOWN:
            raise Violation(Close.PROTOCOL_ERROR, f"the opcode {opcode} is reserved")
        if opcode >= CLOSE:
            if first < 0x80 or length > 125:
                raise Violation(
                    Close.PROTOCOL_ERROR, "a control frame is fragmented or longer than 125 bytes"
                )
        elif opcode == BINARY and not self.binary:
            raise Violation(Close.NOT_TEXT)
        elif (opcode == CONTINUATION) is not bool(self._fragments):
            raise Violation(
                Close.PROTOCOL_ERROR,
                "a continuation frame came without a message, or a new message began inside another message",
            )

    def _cut_rest(self, first: int, data: bytes, length: int) -> Rest:
        opcode = first & 0x0F
        if opcode >= CLOSE:
            self._count_control_frame()
            self.closed = opcode == CLOSE
            if not self._fragments:
                self.partial_since = None
            return Rest(data, opcode, ends_message=False)
        self._fragments += 1
        self._size += length
        if self._fragments > self._limits.frames_per_message:
            raise Violation(Close.TOO_FRAGMENTED, self._limits.frames_per_message)
        ends_message = first >= 0x80
        if ends_message:
            self._fragments = self._size = 0
            self.partial_since = None
        return Rest(data, opcode, ends_message=ends_message)

    def _count_control_frame(self) -> None:
        if self._now - self._control_since >= 1.0:
            self._control_since = self._now
            self._control_frames = 0
        self._control_frames += 1
        if self._control_frames > self._limits.control_frames_per_s:
            raise Violation(Close.TOO_MANY_CONTROL_FRAMES, self._limits.control_frames_per_s)

    def _note_partial(self) -> None:
        if self.closed:
            self._data = b""
            self._at = 0
        if self._at < len(self._data) or self._fragments:
            if self.partial_since is None:
                self.partial_since = self._now
        else:
            self._data = b""
            self._at = 0
            self.partial_since = None


def _check_utf8(text: bytes) -> None:
    try:
        text.decode()
    except UnicodeDecodeError:
        raise Violation(Close.NOT_UTF8, "the text is not valid UTF-8") from None
