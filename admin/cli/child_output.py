"""Pass on the output of a child process line by line, and keep its last lines to explain why it ended."""

from collections import deque
from typing import TextIO

import trio

from gateway.service.masking import mask_text
from state.embedded import child_process

_LINES_KEPT = 20
_LINE_MAX = 4_000


class ChildFailed(Exception):  # noqa: N818  it is a sentence for a person
    """A child failed at its first start. The text of the error names the child and gives the reason."""


class ChildOutput:
    """The output of one child.

    If `stderr` is a terminal, each line begins with `name`. Writes to `stderr` must not block.
    """

    def __init__(self, name: str, stderr: TextIO) -> None:
        self._stderr = stderr
        self._before = f"{name} | " if stderr.isatty() else ""
        self._lines: deque[str] = deque(maxlen=_LINES_KEPT)

    def lines(self) -> list[str]:
        return list(self._lines)

    def add(self, line: str) -> None:
        """Keep a line and write it to stderr."""
        line = mask_text(line, _LINE_MAX)
        self._lines.append(line)
        self._stderr.write(f"{self._before}{line}\n")

    def reason(self, status: int) -> str:
        """Return the likely reason why the child ended.

        If a signal ended the child, the reason names the signal. Otherwise the reason is the last line with
        text. If the line comes from a framed traceback, the characters ` |+-` of the frame are removed.
        """
        if status < 0:
            return f"it was {child_process.describe(status)}"
        for line in reversed(self._lines):
            words = line.strip(" |+-")
            if words:
                return words
        return f"it ended with status {status} and wrote nothing"

    async def listen(self, pipe: trio.lowlevel.FdStream, scope: trio.CancelScope) -> None:
        """Read until the child closes its end of the pipe, or until `scope` is cancelled."""
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
