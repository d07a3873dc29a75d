"""Accepts connections of small HTTP servers, and survives a time without a free file descriptor."""

import errno
import socket

import structlog
import trio

# Errors of accept() that end once descriptors or memory are free again.
_EXHAUSTED = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM))
_PAUSE_S = 0.1
_LOG_EVERY_S = 60.0

_log = structlog.get_logger()


class Acceptor:
    """Accepts from one listening socket. With `spare`, a descriptor is kept back for one connection.

    A server with a spare descriptor can still answer one client at a time after all others are in use.
    """

    def __init__(self, listener: socket.socket, *, spare: bool = False) -> None:
        listener.setblocking(False)
        self._listener = listener
        self._logged_at = -_LOG_EVERY_S
        self._keeps_spare = spare
        self._spare: socket.socket | None = None
        self.keep_spare()

    async def accept(self) -> trio.SocketStream:
        """Wait for a connection, for as long as the listener is open."""
        while True:
            await trio.lowlevel.wait_readable(self._listener)
            try:
                return self._accept()
            except BlockingIOError:
                pass
            except OSError as error:
                if error.errno in _EXHAUSTED:
                    self._note(error)
                    await trio.sleep(_PAUSE_S)
                elif error.errno in {errno.EBADF, errno.EINVAL, errno.ENOTSOCK}:
                    raise  # The listener is closed. Every other error is about a peer that left the queue.

    def keep_spare(self) -> None:
        """Take the spare descriptor back after a connection was closed."""
        if self._keeps_spare and self._spare is None:
            try:
                self._spare = socket.socket()
            except OSError as error:
                self._note(error)

    def close(self) -> None:
        if self._spare is not None:
            self._spare.close()
            self._spare = None
        self._keeps_spare = False

    def _accept(self) -> trio.SocketStream:
        try:
            accepted, _ = self._listener.accept()
        except OSError as error:
            if error.errno not in _EXHAUSTED or self._spare is None:
                raise
            self._note(error)
            # No other task runs between these two lines, so none can take the descriptor.
            self._spare.close()
            self._spare = None
            accepted, _ = self._listener.accept()
        return trio.SocketStream(trio.socket.from_stdlib_socket(accepted))

    def _note(self, error: OSError) -> None:
        now = trio.current_time()
        if now - self._logged_at >= _LOG_EVERY_S:
            self._logged_at = now
            _log.warning("listener.accept_failed", error=str(error))
