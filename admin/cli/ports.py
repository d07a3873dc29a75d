"""Ports that stay reserved for `csms up` while the processes that listen on them restart."""

import socket
from errno import EADDRINUSE


class PortOccupied(Exception):  # noqa: N818  it is a sentence for a person
    """A port cannot be reserved.

    The text of the error is one line that names the port and says what to do.
    """


class HeldPort:
    """A port that is reserved by a socket that is bound but never listens.

    Workers share the port by SO_REUSEPORT. The port stays reserved even while all workers restart. The kernel
    gives connections only to listening sockets, so this socket never gets a connection.
    """

    def __init__(self, host: str, port: int, purpose: str) -> None:
        """Reserve `port` on an IPv4 address. With 0, the system chooses the port. Raises PortOccupied."""
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            if port:
                _refuse_listener(host, port)
            # Some children set only SO_REUSEADDR. They can bind the port only if this socket also sets
            # SO_REUSEADDR.
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
    """Raise EADDRINUSE if another process listens on the port.

    Without this check, csms could silently share the port with that process because of SO_REUSEPORT.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # Ignore connections in TIME_WAIT.
        probe.bind((host, port))
