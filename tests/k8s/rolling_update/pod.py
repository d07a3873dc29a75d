"""One pod: a gateway process with its files, and what the kubelet does with it."""

import math
import os
import subprocess
import sys
from pathlib import Path

import httpx
import trio

from state.embedded import child_process
from tests.k8s.rolling_update.manifest import Manifest, Probe
from tests.k8s.rolling_update.service import Service
from tests.support.waiting import until

CSMS = Path(sys.executable).with_name("csms")
STEP_S = 0.05


class Pod:
    """A pod runs in `directory`, in which the files of its container are, and has the IP address `ip`.

    The times are seconds of Trio's clock, or None as long as something has not happened.
    """

    def __init__(self, name: str, ip: str, manifest: Manifest, service: Service, directory: Path) -> None:
        self.name = name
        self.started_at = trio.current_time()
        self.ready_at: float | None = None
        self.deleted_at: float | None = None
        self.signalled_at: float | None = None
        self.ended_at: float | None = None
        self.killed_because: str | None = None
        self.log = directory.with_suffix(".log")
        self._ip = ip
        self._manifest = manifest
        self._service = service
        self._directory = directory
        self._ready = False
        self._ended = trio.Event()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def exit_code(self) -> int | None:
        return None if self._process is None else self._process.returncode

    @property
    def available(self) -> bool:
        return self._ready and self.deleted_at is None

    async def run(self) -> None:
        """Start the process, probe it until it is deleted, and return when it has ended.

        Raises AssertionError if the process ends before it is deleted.
        """
        with self.log.open("wb") as log:
            process = self._process = child_process.start(
                [str(CSMS), *map(self._place, self._manifest.arguments)],
                env=self._environment(),
                cwd=Path("/"),
                stdout=log,
                stderr=log,
            )
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._probe)
                await until(lambda: process.poll() is not None, math.inf, every_s=STEP_S)
                nursery.cancel_scope.cancel()
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        self.ended_at = trio.current_time()
        self._ended.set()
        self._set_ready(ready=False)
        assert self.deleted_at is not None, f"{self.name} ended: {self.log.read_text()[-2000:]}"

    async def delete(self, *, pre_stop: bool = True) -> None:
        """End the pod as the kubelet does. The grace begins before preStop."""
        assert self._process is not None
        self.deleted_at = trio.current_time()
        self._service.remove(self.address)
        if pre_stop:
            await trio.sleep(self._manifest.pre_stop_s)
        self.signalled_at = trio.current_time()
        self._process.terminate()
        with trio.move_on_at(self.deleted_at + self._manifest.grace_s):
            await self._ended.wait()
            return
        self._kill("it did not end within its grace")

    @property
    def address(self) -> tuple[str, int]:
        return self._ip, self._manifest.ports["wss"]

    def _place(self, text: str) -> str:
        """Let a path of the container lead to the directory of this pod."""
        manifest = self._manifest
        for path in {
            *(str(Path(file).parent) for file in manifest.config_files),
            *manifest.secret_directories,
        }:
            text = text.replace(path, f"{self._directory}{path}")
        return text

    def write_files(self, secrets: dict[str, dict[str, bytes]]) -> None:
        for path, text in self._manifest.config_files.items():
            self._write(path, self._place(text).encode())
        for path, name in self._manifest.secret_directories.items():
            for file, content in secrets[name].items():
                self._write(f"{path}/{file}", content)

    def _write(self, path: str, content: bytes) -> None:
        file = Path(f"{self._directory}{path}")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        file.chmod(0o440)

    def _environment(self) -> dict[str, str]:
        """Return the variables of the manifest. In a container, all addresses are those of the pod."""
        only_here = {"CSMS__LISTEN__HOST": self._ip, "CSMS__LISTEN__HEALTH_HOST": self._ip}
        return {"PATH": os.environ["PATH"], **self._manifest.environment, **only_here}

    async def _probe(self) -> None:
        manifest = self._manifest
        async with httpx.AsyncClient() as client:
            if not await self._probe_startup(client, manifest.startup):
                self._kill("the startup probe failed")
                return
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._probe_liveness, client, manifest.liveness)
                nursery.start_soon(self._probe_readiness, client, manifest.readiness)

    async def _probe_startup(self, client: httpx.AsyncClient, probe: Probe) -> bool:
        for _ in range(probe.failures):
            if await self._ask(client, probe):
                return True
            await trio.sleep(probe.period_s)
        return False

    async def _probe_liveness(self, client: httpx.AsyncClient, probe: Probe) -> None:
        failed = 0
        while self.deleted_at is None:
            failed = 0 if await self._ask(client, probe) else failed + 1
            if failed == probe.failures:
                self._kill("the liveness probe failed")
            await trio.sleep(probe.period_s)

    async def _probe_readiness(self, client: httpx.AsyncClient, probe: Probe) -> None:
        failed = 0
        while True:
            if await self._ask(client, probe):
                failed = 0
                self._set_ready(ready=True)
            else:
                failed += 1
                if failed >= probe.failures:
                    self._set_ready(ready=False)
            await trio.sleep(probe.period_s)

    async def _ask(self, client: httpx.AsyncClient, probe: Probe) -> bool:
        try:
            url = f"http://{self._ip}:{probe.port}{probe.path}"
            return (await client.get(url, timeout=probe.timeout_s)).status_code < 400
        except httpx.TransportError:
            return False

    def _set_ready(self, *, ready: bool) -> None:
        if ready and self.ready_at is None:
            self.ready_at = trio.current_time()
        if self._ready != ready and self.deleted_at is None:
            (self._service.add if ready else self._service.remove)(self.address)
        self._ready = ready

    def _kill(self, because: str) -> None:
        assert self._process is not None
        self.killed_because = because
        self._process.kill()
