"""What a child writes: passed on to our stderr line by line, and the last of it kept to explain its end."""

import select
import sys
from collections import deque

import trio

from gateway.service.masking import mask_text

_LINES_KEPT = 20
# Not above PIPE_BUF: a pipe that select() calls writable takes this much without blocking.
_LINE_BYTES_MOST = 4_000


class LastWords:
    """The lines of one child. `name` is put before each at a terminal."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._lines: deque[str] = deque(maxlen=_LINES_KEPT)
        self._unseen = 0

    def lines(self) -> list[str]:
        return list(self._lines)

    def add(self, line: str) -> None:
        """Keep a line and show it, or drop it where the reader of our stderr stands still."""
        line = mask_text(line, _LINE_BYTES_MOST // 4)
        self._lines.append(line)
        if not select.select([], [sys.stderr], [], 0)[1]:
            self._unseen += 1
            return
        before = f"{self._name} | " if sys.stderr.isatty() else ""
        if self._unseen:
            sys.stderr.write(f"{before}({self._unseen} lines were not shown)\n")
            self._unseen = 0
        sys.stderr.write(f"{before}{line}\n")
        sys.stderr.flush()

    def reason(self, status: int) -> str:
        """Return what most likely says why it ended: the last line that has a word, out of its frame."""
        for line in reversed(self._lines):
            words = line.strip(" |+-")
            if words:
                return words
        return f"it ended with status {status} and wrote nothing"

    async def listen(self, pipe: trio.lowlevel.FdStream, scope: trio.CancelScope) -> None:
        """Read until the child closed its end, or `scope` is cancelled."""
        rest = b""
        self._lines.clear()
        with scope:
            while part := await pipe.receive_some(65_536):
                *whole, rest = (rest + part).split(b"\n")
                for line in whole:
                    self.add(line.decode("utf-8", "backslashreplace"))
                rest = rest[-65_536:]
        if rest:
            self.add(rest.decode("utf-8", "backslashreplace"))
