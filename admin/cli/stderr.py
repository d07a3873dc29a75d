"""A stderr that never blocks. A supervisor that blocks could neither restart nor stop its children."""

import io
import os
import select
from collections.abc import Buffer
from typing import TextIO

# PIPE_BUF: the number of bytes that a pipe accepts without blocking if select() reports the pipe as writable.
_PIECE_BYTES = 4_096


def drop_when_blocked(stream: TextIO) -> TextIO:
    """Return another stream that writes to the descriptor of `stream`.

    The new stream drops output that would block, and later writes how many bytes it has dropped.
    """
    return io.TextIOWrapper(
        _Dropping(stream.fileno()),  # type: ignore[type-var]  # Unbuffered is enough, but typeshed wants peek().
        "utf-8",
        "backslashreplace",
        newline="\n",
        write_through=True,
    )


class _Dropping(io.RawIOBase):
    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self._descriptor = descriptor
        self._dropped = 0

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return os.isatty(self._descriptor)

    def write(self, given: Buffer) -> int:
        data = wanted = bytes(given)
        if self._dropped:
            data = f"({self._dropped} bytes were not shown)\n".encode() + data
        for begin in range(0, len(data), _PIECE_BYTES):
            if not select.select([], [self._descriptor], [], 0)[1]:
                self._dropped += min(len(data) - begin, len(wanted))
                return len(wanted)
            try:
                os.write(self._descriptor, data[begin : begin + _PIECE_BYTES])
            except OSError:
                return len(wanted)  # A closed pipe or terminal must not end the supervisor.
        self._dropped = 0
        return len(wanted)
