"""`csms health` asks a local process whether it works, for the health checks of compose and podman.

A health check runs every few seconds for as long as the process lives. So this module imports little, and
`admin/__main__.py` does not import the other commands for it.
"""

import http.client
import signal
import socket
import sys
from types import FrameType
from typing import Annotated
from urllib.parse import urlsplit

from cyclopts import App, Parameter
from cyclopts.validators import Number

_BODY_BYTES_MAX = 1000

app = App(name="csms")
"""The command line with this command alone."""


class _Unhealthy(Exception):  # noqa: N818  it is a sentence for a person
    pass


@app.command
def health(
    *,
    port: Annotated[
        int, Parameter(env_var="CSMS__LISTEN__HEALTH_PORT", validator=Number(gte=1, lte=65_535))
    ] = 9180,
    url: str | None = None,
    live: Annotated[bool, Parameter(negative=())] = False,
    timeout: Annotated[float, Parameter(validator=Number(gt=0, lte=60))] = 3.0,
) -> None:
    """Say whether a gateway or admin process on this machine is ready, as exit code 0 or 1.

    The command asks `/readyz` on the port for probes, and prints one line. The command is meant for the
    health check of a container. A process that is starting, drained or stopping is not ready. A process that
    starts waits for its store. A process whose store goes away later stays ready, because a restart would
    not help. The line then says what is wrong with the store.

    Parameters
    ----------
    port
        The setting `listen.health_port` of the process. By default, this is 9180 for a gateway and 9181 for
        an admin process.
    url
        The address to ask instead, such as `http://[::1]:9181`, if `listen.health_host` is not `127.0.0.1` or
        `0.0.0.0`.
    live
        Ask `/livez`: a process that is starting, drained or stopping is healthy too.
    timeout
        The number of seconds that the whole answer may take.
    """
    path = "/livez" if live else "/readyz"
    try:
        answer = _ask(*(("127.0.0.1", port) if url is None else _split(url)), path, timeout)
    except _Unhealthy as reason:
        sys.stderr.write(f"csms health: {reason}\n")
        sys.exit(1)
    print(answer)  # noqa: T201  the purpose of the command


def main() -> None:
    """Run `csms health`. The exit code is 0 if the process is healthy, and otherwise 1."""
    app(sys.argv[1:])


def _split(url: str) -> tuple[str, int]:
    expected = _Unhealthy("--url is not an address like http://127.0.0.1:9180, without a path")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise expected from None
    if not host or parts.scheme != "http" or parts.path not in {"", "/"} or parts.query:
        raise expected
    return host, port or http.client.HTTP_PORT


def _ask(host: str, port: int, path: str, timeout: float) -> str:
    place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    def give_up(_number: int, _frame: FrameType | None) -> None:
        raise _Unhealthy(f"{place} did not answer {path} within {timeout:g} s")

    # A timeout of the socket would begin anew with each byte.
    signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, timeout)
    connection = http.client.HTTPConnection(host, port)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        body = response.read(_BODY_BYTES_MAX).decode(errors="replace")
    except ConnectionRefusedError:
        raise _Unhealthy(
            f"nothing listens on {place}; the process has not started, has ended, or has another "
            "listen.health_port"
        ) from None
    except (http.client.RemoteDisconnected, ConnectionError):
        raise _Unhealthy(f"{place} closed the connection without an answer") from None
    except http.client.HTTPException:
        raise _Unhealthy(f"{place} does not speak HTTP; it is not a port for probes") from None
    except socket.gaierror:
        raise _Unhealthy(f"the name {host} is not known") from None
    except OSError as error:
        raise _Unhealthy(f"{place} cannot be reached: {error.strerror or error}") from None
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        connection.close()
    if response.status == http.client.SERVICE_UNAVAILABLE:
        reason = " ".join(body.split()).partition("not ready: ")[2] or "it is starting, drained or stopping"
        raise _Unhealthy(f"the process at {place} is not ready: {reason}")
    if response.status != http.client.OK:
        raise _Unhealthy(f"{place} answered {path} with {response.status}; it is not a port for probes")
    return " ".join(body.split())
