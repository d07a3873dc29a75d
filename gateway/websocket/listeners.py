"""Binds sockets that several processes can share. `serve` begins to listen on them.

A socket that listens gets its share of the connections to its port, even if its process cannot serve yet. So
a process that waits for its store only keeps its ports.
"""

import socket

# Length of the accept queue. The kernel limits this length to net.core.somaxconn.
_BACKLOG = 4_096


def open_listeners(host: str, port: int) -> list[socket.socket]:
    """Bind a socket for each address of `host` ("" means all) and `port` (0 means any). Raises OSError."""
    listeners: list[socket.socket] = []
    try:
        found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, kind, protocol, _, address in dict.fromkeys(found):
            sock = socket.socket(family, kind, protocol)
            listeners.append(sock)
            sock.setblocking(False)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            # Accepted sockets inherit TCP_NODELAY. An answer must not wait until the previous answer is
            # acknowledged.
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            if port == 0 and len(listeners) > 1:  # All addresses share one port.
                address = (address[0], listeners[0].getsockname()[1], *address[2:])  # noqa: PLW2901  as said
            sock.bind(address)
    except OSError as error:
        for sock in listeners:
            sock.close()
        raise _describe(error, host or "*", port) from None
    return listeners


def begin_listening(sock: socket.socket) -> None:
    """Accept connections from now on. Raises OSError."""
    try:
        sock.listen(_BACKLOG)
    except OSError as error:
        host, port, *_ = sock.getsockname()
        raise _describe(error, host, port) from None


def _describe(error: OSError, host: str, port: int) -> OSError:
    # The text of `error` itself would begin with the error number.
    return OSError(f"cannot listen on {host} port {port}: {error.strerror or error}")
