"""A central system of single processes: a Valkey, an admin process, and gateways that a test may kill."""

import json
import os
import secrets
import select
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import msgspec
import trio
from prometheus_client.parser import text_string_to_metric_families

from state.embedded import child_process
from state.store import StoreConfig, open_store
from state.tenants import api_keys
from tests.support.valkey_server import ValkeyServer
from tests.support.waiting import GENEROUS_S

PEPPER = secrets.token_urlsafe(32)
_QUICK = {"CSMS__DRAIN__WINDOW_S": "0.2", "CSMS__BOOT__HEARTBEAT_SPREAD_PERCENT": "0"}
"""Settings of a gateway with which tests are quick, and know the heartbeat interval."""


class Process:
    """A process `python -m ...` that is configured by variables only and runs until `stop` or `kill`."""

    def __init__(
        self, module: tuple[str, ...], settings: dict[str, str], log: Path, *, release: Path | None = None
    ) -> None:
        """`release` is a directory with another release of csms, which runs instead of this one."""
        self.log = log
        self.ports: dict[str, int] = {}
        self._out, ready = os.pipe()
        environ = {name: value for name, value in os.environ.items() if not name.startswith("CSMS__")}
        environ |= {"CSMS__READY_FD": str(ready), "PYTHONPATH": str(release or Path.cwd()), **settings}
        with log.open("ab") as words:
            self.child = child_process.start(
                [sys.executable, "-m", *module],
                env=environ,
                cwd=release,
                stdout=words,
                stderr=words,
                pass_fds=[ready],
            )
        os.close(ready)

    @property
    def pid(self) -> int:
        return self.child.pid

    def wait_ready(self) -> None:
        """Block until the process is ready.

        Raises AssertionError if the process ends, or is not ready in time.
        """
        line, until = b"", time.monotonic() + GENEROUS_S
        while b"\n" not in line:
            readable, _, _ = select.select([self._out], [], [], max(0.0, until - time.monotonic()))
            part = os.read(self._out, 4096) if readable else b""
            assert part, f"not ready: {self.log.read_text()[-2000:]}"
            line += part
        os.close(self._out)
        self.ports = json.loads(line)

    async def read_metrics(self) -> dict[tuple[str, *tuple[str, ...]], float]:
        """Scrape the metrics; return each sample by its name and label values."""
        async with httpx.AsyncClient(verify=False) as client:
            text = (await client.get(f"http://127.0.0.1:{self.ports['health']}/metrics")).text
        return {
            (sample.name, *sample.labels.values()): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    def terminate(self) -> None:
        self.child.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.child.kill()
        self.child.wait(GENEROUS_S)

    def stop(self) -> None:
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGCONT)
            self.child.terminate()
            try:
                self.child.wait(GENEROUS_S)
            except subprocess.TimeoutExpired:
                self.child.kill()
                self.child.wait(GENEROUS_S)


class Tenant(msgspec.Struct, frozen=True):
    """A tenant of one test, with a token for its charge points."""

    id: str
    token: str
    token_id: str
    admin: str
    api_key: str

    def __repr__(self) -> str:
        return f"<tenant {self.id}>"

    def url(self, gateway: Process, charge_point: str) -> str:
        path = f"/OCPP16/{self.id}/{self.token}/{quote(charge_point, safe='')}"
        return f"ws://127.0.0.1:{gateway.ports['ws']}{path}"

    @asynccontextmanager
    async def api(self, admin: Process | None = None) -> AsyncIterator[httpx.AsyncClient]:
        """Open a client of an admin process, by default that of the central system."""
        headers = {"Authorization": f"Bearer {self.api_key}"}
        root = self.admin if admin is None else f"http://127.0.0.1:{admin.ports['admin']}"
        base = f"{root}/v1/tenants/{self.id}"
        async with httpx.AsyncClient(base_url=base, headers=headers, timeout=60, verify=False) as client:
            yield client


class Central:
    def __init__(self, directory: Path, valkey: ValkeyServer, admin: Process, api_key: str) -> None:
        self.directory = directory
        self.valkey = valkey
        self.admin = f"http://127.0.0.1:{admin.ports['admin']}"
        self._api_key = api_key

    def __repr__(self) -> str:
        return f"<central system in {self.directory}>"

    def tenant(self, *, auto_register: bool = True) -> Tenant:
        """Make a tenant through the admin API. Blocks for some milliseconds."""
        name = f"t{secrets.token_hex(4)}"
        headers = {"Authorization": f"Bearer {self._api_key}"}
        root = f"{self.admin}/v1/tenants"
        with httpx.Client(base_url=root, headers=headers, timeout=60, verify=False) as api:
            made = api.put(f"/{name}", json={"auto_register": auto_register})
            assert made.status_code == 201, made.text
            token = api.post(f"/{name}/tokens", json={})
            assert token.status_code == 201, token.text
        return Tenant(name, token.json()["secret"], token.json()["id"], self.admin, self._api_key)

    def start_gateway(
        self, *, store_url: str | None = None, module: tuple[str, ...] = ("gateway",), **settings: Any
    ) -> Process:
        """Start a gateway without waiting until it is ready.

        `settings` are keywords such as `drain__window_s=1`. `module` is a module that runs the gateway, with
        its arguments.
        """
        over = {f"CSMS__{name.upper()}": str(value) for name, value in settings.items()}
        log = self.directory / "gateways.log"
        return Process(
            module,
            {**_common(store_url or self.valkey.url, "WS_PORT"), **_QUICK, **over},
            log,
        )

    @asynccontextmanager
    async def gateway(self, *, store_url: str | None = None, **settings: Any) -> AsyncIterator[Process]:
        async with _running(self.start_gateway(store_url=store_url, **settings)) as process:
            yield process

    @asynccontextmanager
    async def second_admin(self, store_url: str, **settings: Any) -> AsyncIterator[Process]:
        """Start a further admin process, for example one behind a proxy."""
        async with _running(self.start_admin(store_url=store_url, **settings)) as process:
            yield process

    def start_admin(self, *, store_url: str, **settings: Any) -> Process:
        """Start a further admin process without waiting until it is ready."""
        over = {f"CSMS__{name.upper()}": str(value) for name, value in settings.items()}
        log = self.directory / "second-admin.log"
        return Process(("admin", "serve"), {**_common(store_url, "PORT"), **over}, log)


@asynccontextmanager
async def _running(process: Process) -> AsyncIterator[Process]:
    try:
        await trio.to_thread.run_sync(process.wait_ready)
        yield process
    finally:
        with trio.CancelScope(shield=True):
            await trio.to_thread.run_sync(process.stop)


@contextmanager
def central_system(directory: Path, *, env: Mapping[str, str] | None = None) -> Iterator[Central]:
    """`env` is the environment of the store."""
    valkey = ValkeyServer(directory / "store", env=env)
    valkey.start()
    admin = None
    try:
        api_key = trio.run(_api_key, valkey.url)
        admin = Process(("admin", "serve"), _common(valkey.url, "PORT"), directory / "admin.log")
        admin.wait_ready()
        yield Central(directory, valkey, admin, api_key)
    finally:
        if admin is not None:
            admin.stop()
        valkey.stop()


def _common(store_url: str, port: str) -> dict[str, str]:
    return {
        "CSMS__STORE__URL": store_url,
        "CSMS__SECURITY__PEPPER": PEPPER,
        "CSMS__LISTEN__HOST": "127.0.0.1",
        f"CSMS__LISTEN__{port}": "0",
        "CSMS__LISTEN__HEALTH_PORT": "0",
        "CSMS__LOGS__FORMAT": "json",
    }


async def _api_key(store_url: str) -> str:
    async with open_store(StoreConfig(url=store_url)) as store:
        return (await api_keys.create(store, PEPPER.encode(), "system tests", None)).secret
