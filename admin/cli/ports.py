"""Ports that stay ours while the processes behind them come and go."""

import socket
from errno import EADDRINUSE


class PortOccupied(Exception):  # noqa: N818  it is a sentence for a person
    """The text is one line: which port, and what to do."""


class HeldPort:
    """A bound socket that never listens.

    Workers share the port by SO_REUSEPORT, and it stays ours while all of them restart. The kernel hands
    connections to listening sockets only, so none is lost to this one.
    """

    def __init__(self, host: str, port: int, purpose: str) -> None:
        """Hold `port` (0: one the system chooses) on an IPv4 address. Raises PortOccupied."""
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            if port:
                _refuse_listener(host, port)
            # REUSEADDR beside REUSEPORT, for children that set only that one.
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            self._socket.bind((host, port))
        except OSError as error:
            self._socket.close()
            why = "is occupied" if error.errno == EADDRINUSE else f"cannot be had: {error.strerror}"
            raise PortOccupied(
                f"port {port} for {purpose} {why}; stop what listens there, or move all ports, also those of "
                "probes, with --ports (--ports 0: free ones)"
            ) from None
        self.port: int = self._socket.getsockname()[1]

    def close(self) -> None:
        self._socket.close()


def _refuse_listener(host: str, port: int) -> None:
    """Raise EADDRINUSE where somebody listens: with SO_REUSEPORT alone we would silently share with them."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # What lingers in TIME_WAIT is nobody.
        probe.bind((host, port))
