"""What the servers in Python share: their options and the line that says where they listen.

This file imports nothing of csms, because the servers run where csms is not installed.
"""

import json
import platform
import resource
import ssl
import sys

ANSWER = b'[3,"000000",{"currentTime":"2026-01-31T12:00:00.000Z"}]'
"""What the limits answer to every call: as many bytes as the answer to a Heartbeat."""


def make_tls() -> ssl.SSLContext:
    """Read the certificate and the key, which are the first two arguments of the program."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[1], sys.argv[2])
    return context


def allow_connections() -> None:
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def say(ws: int, wss: int) -> None:
    sys.stdout.write(json.dumps({"ws": ws, "wss": wss, "runtime": f"Python {platform.python_version()}"}))
    sys.stdout.write("\n")
    sys.stdout.flush()
