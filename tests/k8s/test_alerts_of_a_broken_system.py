"""Prometheus reads a real system, which is broken in some ways. Each time, the alert for it fires.

The rules are those of alerts.yaml, but without the times for which a condition must last.
"""

import os
import resource
import shutil
import signal
import socket
import subprocess
import tomllib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml  # type: ignore[import-untyped]  # as in rendered.py
from redis import Redis
from websockets import Subprotocol
from websockets.sync.client import connect

from docs.metrics_reference import MONITORING
from tests.support.raw_upgrade import dial
from tests.support.up_process import UpProcess, up
from tests.support.waiting import GENEROUS_S, wait_until

PROMETHEUS = shutil.which("prometheus")
EVERY = "1s"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(PROMETHEUS is None, reason="prometheus is missing; make debian-tools installs it"),
]


class System:
    """A running `csms up`, and a Prometheus that reads it."""

    def __init__(self, running: UpProcess, data_dir: Path, prometheus: str) -> None:
        self.running = running
        self.data_dir = data_dir
        self.prometheus = prometheus
        self.store: Any = Redis.from_url((data_dir / "store-url").read_text().strip())
        self.api = httpx.Client(
            base_url=running.said["admin"], headers={"Authorization": f"Bearer {running.said['api_key']}"}
        )

    def process(self, name: str) -> int:
        """Return the process id of `gateway-1`, `admin` or `valkey`, once it runs."""
        wait_until(lambda: name in self.running.children(), lambda: f"{name} does not run")
        return self.running.children()[name]

    def firing(self) -> set[str]:
        found = httpx.get(f"{self.prometheus}/api/v1/alerts").json()["data"]["alerts"]
        return {one["labels"]["alertname"] for one in found if one["state"] == "firing"}

    def read(self, expression: str) -> float | None:
        """Return the value of the only series of an expression, as Prometheus knows it now."""
        answer = httpx.get(f"{self.prometheus}/api/v1/query", params={"query": expression}).json()
        result = answer["data"]["result"]
        return float(result[0]["value"][1]) if result else None

    def wait_for(self, comparison: str) -> None:
        wait_until(lambda: self.read(comparison) is not None, lambda: f"it never was: {comparison}")


@contextmanager
def prometheus_of(data_dir: Path, folder: Path) -> Iterator[str]:
    """Run a Prometheus that reads the processes of `csms up`, and return its address."""
    rules = yaml.safe_load((MONITORING / "alerts.yaml").read_text())
    for rule in (rule for group in rules["groups"] for rule in group["rules"]):
        rule.pop("for", None)
    (folder / "alerts.yaml").write_text(yaml.safe_dump(rules))
    config = {
        "global": {"scrape_interval": EVERY, "scrape_timeout": EVERY, "evaluation_interval": EVERY},
        "rule_files": ["alerts.yaml"],
        "scrape_configs": [
            {"job_name": job, "static_configs": [{"targets": [f"127.0.0.1:{_health_port(data_dir / file)}"]}]}
            for job, file in (("csms-gateway", "gateway-1.toml"), ("csms-admin", "admin.toml"))
        ],
    }
    (folder / "prometheus.yaml").write_text(yaml.safe_dump(config))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    assert PROMETHEUS is not None
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(
            [
                PROMETHEUS,
                f"--config.file={folder / 'prometheus.yaml'}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address={address}",
            ],
            stdout=log,
            stderr=log,
        )
    try:
        yield f"http://{address}"
    finally:
        process.terminate()
        process.wait(GENEROUS_S)


def _health_port(file: Path) -> int:
    port: int = tomllib.loads(file.read_text())["listen"]["health_port"]
    return port


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    folder = tmp_path_factory.mktemp("alerts")
    data_dir = folder / "csms"
    with up(data_dir) as running, prometheus_of(data_dir, folder) as prometheus:
        found = System(running, data_dir, prometheus)

        def has_read_both() -> bool:
            try:
                return found.read("sum(up)") == 2
            except httpx.TransportError:  # Prometheus starts.
                return False

        wait_until(has_read_both, (folder / "prometheus.log").read_text)
        yield found
        found.api.close()
        found.store.close()


@contextmanager
def full_memory(system: System) -> Iterator[None]:
    before = system.store.config_get("maxmemory")["maxmemory"]
    used = system.store.info("memory")["used_memory"]
    system.store.config_set("maxmemory", int(used * 1.15))
    try:
        yield
    finally:
        system.store.config_set("maxmemory", before)


@contextmanager
def refused_writes(system: System) -> Iterator[None]:
    system.store.config_set("min-replicas-to-write", 1)
    try:
        yield
    finally:
        system.store.config_set("min-replicas-to-write", 0)


@contextmanager
def requests_of_a_browser(system: System) -> Iterator[None]:
    """Send requests that are not upgrades. The first ones make the series, from which Prometheus counts."""
    counted = 'csms_handshakes_total{outcome="not_an_upgrade"}'
    for number in (1, 150):
        for _ in range(number):
            with dial(system.running.said["ws"]) as sock:
                sock.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
                assert sock.recv(4096)
        system.wait_for(f"{counted} >= {number}")
    yield


@contextmanager
def broken_certificate(system: System) -> Iterator[None]:
    file = system.data_dir / "ca" / "ecdsa.pem"
    good = file.read_bytes()
    file.write_text("not a certificate\n")
    try:
        yield
    finally:
        file.write_bytes(good)


@contextmanager
def few_files(system: System) -> Iterator[None]:
    process = system.process("gateway-1")
    before = resource.prlimit(process, resource.RLIMIT_NOFILE)
    open_files = len(list(Path(f"/proc/{process}/fd").iterdir()))
    resource.prlimit(process, resource.RLIMIT_NOFILE, (open_files + 2, before[1]))
    try:
        yield
    finally:
        resource.prlimit(process, resource.RLIMIT_NOFILE, before)


@contextmanager
def long_drain(system: System) -> Iterator[None]:
    said = system.running.said
    nodes = system.api.get("/v1/nodes").json()["items"]
    (node,) = (one["id"] for one in nodes if one["kind"] == "gateway")
    url = f"{said['ws']}/OCPP16/{said['tenant']}/{said['token']}"
    with ExitStack() as stack:
        for number in range(5):
            stack.enter_context(connect(f"{url}/CP-{number}", subprotocols=[Subprotocol("ocpp1.6")]))
        system.wait_for("csms_sessions == 5")
        assert system.api.post(f"/v1/nodes/{node}/drain", json={"window_s": 3600}).status_code == 202
        try:
            yield
        finally:
            assert system.api.delete(f"/v1/nodes/{node}/drain").status_code == 202


@contextmanager
def frozen(system: System, name: str) -> Iterator[None]:
    process = system.process(name)
    os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(process, signal.SIGCONT)


@contextmanager
def killed_twice(system: System) -> Iterator[None]:
    started = 'process_start_time_seconds{job="csms-gateway"}'
    for _ in range(2):
        before = system.read(started)
        assert before is not None
        os.kill(system.process("gateway-1"), signal.SIGKILL)
        system.wait_for(f"{started} > {before}")
    yield


BREAKS: list[tuple[tuple[str, ...], Callable[[System], AbstractContextManager[None]]]] = [
    (("CsmsStoreMemoryHigh",), full_memory),
    (("CsmsStoreRefusesWrites",), refused_writes),
    (("CsmsHandshakesRefused",), requests_of_a_browser),
    (("CsmsTlsReloadFailed",), broken_certificate),
    (("CsmsFilesHigh",), few_files),
    (("CsmsNoReadyGateway", "CsmsDrainStuck"), long_drain),
    (("CsmsProcessDown", "CsmsMetricsAbsent"), lambda system: frozen(system, "admin")),
    (("CsmsStoreAway",), lambda system: frozen(system, "valkey")),
    (("CsmsRestarts",), killed_twice),
]


@pytest.mark.parametrize(("alerts", "breaking"), BREAKS, ids=[" and ".join(alerts) for alerts, _ in BREAKS])
def test_an_alert_fires_when_the_system_is_broken_and_not_before(
    system: System, alerts: tuple[str, ...], breaking: Callable[[System], AbstractContextManager[None]]
) -> None:
    wait_until(lambda: not system.firing() & set(alerts), lambda: str(system.firing()))
    with breaking(system):
        wait_until(lambda: system.firing() >= set(alerts), lambda: str(system.firing()))
