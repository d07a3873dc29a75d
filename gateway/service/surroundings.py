"""What a process needs from its machine: ports, file descriptors, memory, and certificates that last."""

import errno
import resource
import socket
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509


def explain_port(setting: str, host: str, port: int) -> str | None:
    """Say why a process could not listen there alone. None if the port is free, or chosen by the system."""
    why = _try_port(host, port)
    if why is None:
        return None
    return (
        f"{setting} is {port}, but on {host} {why}; that is right if this process runs already, and otherwise"
        " choose another port"
    )


def _try_port(host: str, port: int) -> str | None:
    if port == 0:
        return None
    try:
        family, *_, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            probe.listen()
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return "a process listens already"
        return f"nobody can listen ({error.strerror or error})"
    return None


def files_allowed() -> int:
    """Return the hard limit of open files, to which a gateway raises its own limit."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return hard if hard != resource.RLIM_INFINITY else 1 << 30


def days_left(pem_file: str | Path, now: datetime | None = None) -> int:
    """Return the days until the first certificate in the file expires. Raises OSError and ValueError."""
    certificates = x509.load_pem_x509_certificates(Path(pem_file).read_bytes())
    ends = min(one.not_valid_after_utc for one in certificates)
    return (ends - (now or datetime.now(UTC))).days
