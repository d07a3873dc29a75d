"""Ports that stay reserved for `csms up` while the processes that listen on them restart."""

import socket
from errno import EADDRINUSE


class PortOccupied(Exception):  # noqa: N818  it is a sentence for a person
    """A port cannot be held. The text is one line that names the port and says what to do."""


class HeldPort:
    """A bound socket that never listens.

    Workers share the port by SO_REUSEPORT, and it stays ours even while all of them restart. The kernel gives
    connections only to listening sockets, so this socket never gets one.
    """

    def __init__(self, host: str, port: int, purpose: str) -> None:
        """Hold `port` on an IPv4 address; 0 lets the system choose. Raises PortOccupied."""
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            if port:
                _refuse_listener(host, port)
            # REUSEADDR as well, because some children set only that one.
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            self._socket.bind((host, port))
        except OSError as error:
            self._socket.close()
            why = "is occupied" if error.errno == EADDRINUSE else f"cannot be used ({error.strerror})"
            raise PortOccupied(
                f"port {port} for {purpose} {why}; stop the process that listens there, or move all ports "
                "with --ports (--ports 0 takes free ones)"
            ) from None
        self.port: int = self._socket.getsockname()[1]

    def close(self) -> None:
        self._socket.close()


def _refuse_listener(host: str, port: int) -> None:
    """Raise EADDRINUSE if another process listens. SO_REUSEPORT alone would silently share the port."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # Ignore connections in TIME_WAIT.
        probe.bind((host, port))
