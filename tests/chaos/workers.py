"""Gateways that share one port for charge points, each behind its own fault proxy to the store."""

import json
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import trio

from tests.chaos.bench import Bench
from tests.support.fault_proxy import FaultProxy, fault_proxy
from tests.support.processes import resident_kib
from tests.system.central import Central, Process, Tenant

ATTEMPTS = 5


class Worker:
    """One place for a gateway process. The process may be killed and started again."""

    def __init__(self, central: Central, proxy: FaultProxy | None, settings: dict[str, Any]) -> None:
        self.proxy = proxy
        self.process: Process | None = None
        self.pids: list[int] = []
        self._central = central
        self._settings = settings

    async def start(self) -> None:
        """Start the process as a supervisor would: again, if it ends before it is ready."""
        url = None if self.proxy is None else f"redis://127.0.0.1:{self.proxy.port}"
        for attempt in range(ATTEMPTS):
            self.process = self._central.start_gateway(store_url=url, **self._settings)
            self.pids.append(self.process.pid)
            try:
                await trio.to_thread.run_sync(self.process.wait_ready)
                break
            except AssertionError:
                self.process.stop()
                if attempt == ATTEMPTS - 1:
                    raise

    @property
    def running(self) -> Process:
        assert self.process is not None
        return self.process

    def kill(self) -> None:
        self.running.kill()


class Workers:
    def __init__(self, places: list[Worker], port: int) -> None:
        self.places = places
        self.port = port

    def url(self, tenant: Tenant, charge_point: str) -> str:
        return f"ws://127.0.0.1:{self.port}/OCPP16/{tenant.id}/{tenant.token}/{charge_point}"

    def resident_kib(self) -> int:
        """Return the resident memory of all gateways."""
        return sum(resident_kib(place.running.pid) for place in self.places)


@asynccontextmanager
async def workers(
    bench: Bench, count: int, *, proxies: bool = True, **settings: Any
) -> AsyncIterator[Workers]:
    """Run gateways until the block ends."""
    port = free_port()
    async with AsyncExitStack() as stack:
        places = []
        for _ in range(count):
            proxy = (
                await stack.enter_async_context(fault_proxy(bench.central.valkey.path)) if proxies else None
            )
            places.append(Worker(bench.central, proxy, {"listen__ws_port": port, **settings}))
        try:
            async with trio.open_nursery() as nursery:
                for place in places:
                    nursery.start_soon(place.start)
            yield Workers(places, port)
        finally:
            with trio.CancelScope(shield=True):
                async with trio.open_nursery() as nursery:
                    for place in places:
                        if place.process is not None:
                            nursery.start_soon(trio.to_thread.run_sync, place.process.stop)


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def open_files(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def events(log: Path, name: str) -> list[dict[str, Any]]:
    """Return the records of one event in a log of JSON lines."""
    found = []
    for line in log.read_text(errors="replace").splitlines() if log.exists() else ():
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if isinstance(record, dict) and record.get("event") == name:
            found.append(record)
    return found
