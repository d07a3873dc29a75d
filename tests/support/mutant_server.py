"""A small real central system for OCPP 1.6, which can be told to be wrong, in a process of its own.

It judges the load test: a load test must find what is wrong, and must measure what the server did. The OCPP
side is in mutant_central_system.py, with all switches, and the admin API in mutant_admin.py.

    with mutant_server("--lose-stop") as server:
        ...  # server.url, server.admin
"""

import argparse
import asyncio
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from hypercorn.asyncio import serve as serve_admin
from hypercorn.config import Config
from websockets import Subprotocol
from websockets.asyncio.server import serve as serve_ocpp

from tests.support.mutant_admin import TENANT, make_app
from tests.support.mutant_central_system import CentralSystem, Switches, add_switches
from tests.support.waiting import GENEROUS_S


class MutantServer:
    """A running server. `url` has `{id}` in the place of the charge point's id."""

    def __init__(self, ready: dict[str, Any], key_file: Path) -> None:
        self.url: str = ready["url"]
        self.admin: str = ready["admin"]
        self.key: str = ready["key"]
        self.pid: int = ready["pid"]
        self.tenant = TENANT
        self.key_file = key_file

    def api(self) -> httpx.Client:
        return httpx.Client(base_url=self._base, headers=self._headers, timeout=GENEROUS_S)

    def async_api(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=self._base, headers=self._headers, timeout=GENEROUS_S)

    def slowest_s(self) -> float:
        """Return the longest time of an answer by the server's own metrics."""
        text = httpx.get(f"{self.admin}/metrics").text
        return float(dict(line.split() for line in text.splitlines())["handling_seconds_max"])

    @property
    def _base(self) -> str:
        return f"{self.admin}/v1/tenants/{self.tenant}"

    @property
    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"}


@contextmanager
def mutant_server(*switches: str) -> Iterator[MutantServer]:
    """Run the server until the block ends. Its journal is complete after the block."""
    argv = [sys.executable, "-m", "tests.support.mutant_server", *switches]
    with tempfile.TemporaryDirectory(prefix="mutant-") as directory:
        key_file = Path(directory) / "key"
        process = subprocess.Popen(argv, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2])
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            assert line, "the mutant server ended before it was ready"
            ready = json.loads(line)
            key_file.write_text(ready["key"])
            yield MutantServer(ready, key_file)
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(GENEROUS_S)
            finally:
                process.kill()
                process.stdout.close()


async def _run(switches: Switches) -> None:
    system, leave, key = CentralSystem(switches), asyncio.Event(), secrets.token_hex(16)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, leave.set)
    listener = socket.create_server(("127.0.0.1", 0))
    admin = f"http://127.0.0.1:{listener.getsockname()[1]}"
    config = Config()
    config.bind = [f"fd://{listener.detach()}"]
    config.errorlog = None
    config.graceful_timeout = 1
    async with serve_ocpp(
        system.serve,
        "127.0.0.1",
        0,
        subprotocols=[Subprotocol("ocpp1.6")],
        compression=None,
        ping_interval=None,
        close_timeout=1,
    ) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        serving = asyncio.create_task(serve_admin(make_app(system, key), config, shutdown_trigger=leave.wait))
        ready = {
            "url": f"ws://127.0.0.1:{port}/OCPP16/{TENANT}/token/{{id}}",
            "admin": admin,
            "key": key,
            "pid": os.getpid(),
        }
        sys.stdout.write(json.dumps(ready) + "\n")
        sys.stdout.flush()
        await serving
    system.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    add_switches(parser)
    asyncio.run(_run(Switches(**vars(parser.parse_args()))))
