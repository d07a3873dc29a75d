"""The files of k8s/single-machine, and the secrets that README.md there makes."""

import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml  # type: ignore[import-untyped]

from admin.cli.development_ca import ensure_development_ca
from admin.config import AdminConfig
from gateway.config import GatewayConfig
from gateway.service.config import load
from state.embedded import child_process
from state.embedded.embedded import server_arguments
from tests.support.waiting import GENEROUS_S, wait_until
from tests.system.central import Process

ROOT = Path(__file__).resolve().parents[2]
FILES = ROOT / "k8s" / "single-machine"
COMPOSE = yaml.safe_load((FILES / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
UNITS = ("csms-gateway@.service", "csms-admin.service")
BACKUP_UNIT = "csms-backup.service"
CONTAINERS = tuple(name for name in SERVICES if name not in {"valkey", "backup"})
RUN_CSMS = [*UNITS, *CONTAINERS]
STOPPING_S = 30
"""Time that a supervisor gives a process in addition to the time in which the process lets its clients go."""
KNOWN_KEYS = {
    "cap_drop", "command", "depends_on", "environment", "group_add", "healthcheck", "image", "logging",
    "mem_limit", "network_mode", "pids_limit", "profiles", "pull_policy", "read_only", "restart", "secrets",
    "security_opt", "stop_grace_period", "ulimits", "user", "volumes", "working_dir",
}  # fmt: skip

WRITABLE = {
    "valkey": ["/var/lib/csms-valkey:/data"],
    "backup": ["/var/lib/csms-backups:/backups"],
}

needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is missing; it is a part of systemd"
)


class Start(NamedTuple):
    """How a unit or a container runs csms."""

    arguments: list[str]
    environment: dict[str, str]
    grace_s: float

    @property
    def kind(self) -> str:
        return self.arguments[0]


def unit(name: str) -> dict[str, list[str]]:
    """Return all values of each key of the section [Service]."""
    values: dict[str, list[str]] = {}
    section = (FILES / name).read_text().partition("[Service]\n")[2].partition("\n[")[0]
    for line in section.splitlines():
        if line and not line.startswith("#"):
            key, _, value = line.partition("=")
            values.setdefault(key, []).append(value)
    return values


def start_of(name: str) -> Start:
    if name in SERVICES:
        service = SERVICES[name]
        grace = service.get("stop_grace_period", "10s")
        return Start(service["command"], service["environment"], seconds(grace))
    values = unit(name)
    program, *arguments = values["ExecStart"][0].split()
    assert program == "/opt/csms/bin/csms"
    environment = dict(text.replace("%i", "9180").split("=", 1) for text in values["Environment"])
    return Start(arguments, environment, float(values.get("TimeoutStopSec", ["90"])[0]))


def seconds(text: str) -> float:
    assert text.endswith("s")
    return float(text[:-1])


class Machine:
    """The files of the machine below a directory. `place` changes their paths in a text."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        with ExitStack() as stack:
            servers = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(2)]
            self.store_port, self.wss_port = (server.getsockname()[1] for server in servers)
        etc = directory / "etc/csms"
        (etc / "secrets").mkdir(parents=True)
        for file in [*FILES.glob("*.toml"), FILES / "valkey.conf"]:
            (etc / file.name).write_text(self.place(file.read_text()))
        readme = (FILES / "README.md").read_text()
        script = readme[readme.index("password=") : readme.index("chown csms:csms")]
        subprocess.run(["sh", "-ec", self.place(script)], check=True, timeout=GENEROUS_S)
        ca = ensure_development_ca(directory / "ca")
        for kind, pair in (("ecdsa", ca.ecdsa), ("rsa", ca.rsa)):
            (etc / "tls" / kind).mkdir(parents=True)
            for source, name in zip(pair, ("tls.crt", "tls.key"), strict=True):
                shutil.copy(source, etc / "tls" / kind / name)
        # A container finds the secrets in the first directory, and a unit in the second one.
        for place in ("run/secrets/csms", "credentials"):
            shutil.copytree(etc / "secrets", directory / place)
        (directory / "etc/valkey").mkdir()
        shutil.copy(etc / "secrets/users.acl", directory / "etc/valkey/users.acl")

    def place(self, text: str) -> str:
        text = re.sub(r"^/(data|backups)$|^/var/lib/(valkey|csms-backups)$", self._place_of_data, text)
        for path in ("/etc/csms", "/etc/valkey", "/run/secrets"):
            text = text.replace(path, f"{self.directory}{path}")
        text = text.replace("%d", f"{self.directory}/credentials")
        return text.replace(":6379", f":{self.store_port}").replace("8443", str(self.wss_port))

    def _place_of_data(self, path: re.Match[str]) -> str:
        return f"{self.directory}/{'backups' if 'backups' in path[0] else 'data'}"

    def environment(self, start: Start) -> dict[str, str]:
        return {name: self.place(value) for name, value in start.environment.items()}

    def config(self, start: Start) -> GatewayConfig | AdminConfig:
        file = Path(self.place(start.arguments[2]))
        kind: Any = {"gateway": GatewayConfig, "admin": AdminConfig}[start.kind]
        found: GatewayConfig | AdminConfig = load(kind, file, self.environment(start))
        return found


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@needs_systemd
@pytest.mark.parametrize("name", [*UNITS, BACKUP_UNIT])
def test_systemd_accepts_the_unit_and_finds_little_that_the_unit_need_not_allow(
    name: str, tmp_path: Path
) -> None:
    """systemd wants the program to exist, so another program stands in for csms."""
    instance, program = tmp_path / name.replace("@", "@9180"), tmp_path / "csms"
    program.symlink_to(sys.executable)  # The path of this Python may have a space, which a unit must quote.
    instance.write_text((FILES / name).read_text().replace("/opt/csms/bin/csms", str(program)))
    for words in (["verify"], ["security", "--offline=true", "--threshold=20", "--no-pager"]):
        done = subprocess.run(
            ["systemd-analyze", *words, instance],
            capture_output=True,
            text=True,
            check=False,
            timeout=GENEROUS_S,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stderr == ""


@needs_systemd
def test_systemd_accepts_the_timer_of_the_backup(tmp_path: Path) -> None:
    (tmp_path / "csms-backup.timer").write_text((FILES / "csms-backup.timer").read_text())
    service = (FILES / BACKUP_UNIT).read_text().replace("/opt/csms/bin/csms", "/bin/true")
    (tmp_path / BACKUP_UNIT).write_text(service)
    done = subprocess.run(
        ["systemd-analyze", "verify", tmp_path / "csms-backup.timer"],
        capture_output=True,
        text=True,
        check=False,
        timeout=GENEROUS_S,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_backup_runs_as_a_user_who_may_read_the_store_and_write_only_the_backups() -> None:
    values, service = unit(BACKUP_UNIT), SERVICES["backup"]
    assert values["User"] == ["valkey"]
    assert f"/var/lib/{values['StateDirectory'][0]}" == start_of(BACKUP_UNIT).arguments[3]
    # The image of Valkey makes files that only their owner can read, and so does a restore.
    assert service["user"] == SERVICES["valkey"]["user"]
    assert service["group_add"] == [SERVICES["admin"]["user"].partition(":")[2]]
    # Otherwise `docker compose up --wait` would make one, and then find that a container has ended.
    assert service["profiles"] == ["backup"]
    assert start_of("backup").arguments[4:] == start_of(BACKUP_UNIT).arguments[4:]


@pytest.mark.parametrize("name", UNITS)
def test_a_unit_lets_csms_drain_restarts_it_at_a_bounded_rate_and_claims_no_readiness(name: str) -> None:
    values = unit(name)
    assert values["KillMode"] == ["mixed"]
    # csms does not speak sd_notify.
    assert values["Type"] == ["exec"]
    assert values["Restart"] == ["always"]
    assert float(values["RestartSec"][0]) >= 1
    assert "\nStartLimitIntervalSec=0\n" in (FILES / name).read_text()
    assert int(values["LimitNOFILE"][0]) >= 20_000
    credentials = dict(text.split(":") for text in values["LoadCredential"])
    assert credentials == {name: f"/etc/csms/secrets/{name}" for name in ("pepper", "store-url")}


@pytest.mark.parametrize("name", RUN_CSMS)
def test_a_supervisor_gives_csms_the_time_that_its_settings_need_and_30_seconds(
    name: str, machine: Machine
) -> None:
    start = start_of(name)
    config = machine.config(start)
    leaving_s = config.drain.window_s if isinstance(config, GatewayConfig) else config.limits.graceful_s
    assert start.grace_s >= leaving_s + STOPPING_S


@pytest.mark.parametrize("name", SERVICES)
def test_a_container_runs_without_privileges_and_writes_only_where_the_store_keeps_its_data(
    name: str,
) -> None:
    service = SERVICES[name]
    assert service.keys() <= KNOWN_KEYS
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    user, group = service["user"].split(":")
    assert int(user) > 0
    assert int(group) > 0
    if name == "backup":
        assert service["restart"] == "no"
        assert service["healthcheck"] == {"disable": True}
    else:
        assert service["restart"] == "unless-stopped"
        assert service["healthcheck"]["test"][0] == "CMD"
    assert "mem_limit" in service
    image, _, tag = service["image"].rpartition(":")
    assert image
    assert tag != "latest"
    writable = [volume for volume in service["volumes"] if not volume.endswith(":ro")]
    assert writable == WRITABLE.get(name, [])
    for secret in service["secrets"]:
        assert COMPOSE["secrets"][secret["source"]] == {"file": f"/etc/csms/secrets/{secret['source']}"}


def test_the_compose_file_runs_the_image_of_this_version_and_gives_each_process_its_own_probes() -> None:
    project = (ROOT / "pyproject.toml").read_text()
    version = project.partition('\nversion = "')[2].partition('"')[0]
    images = {service["image"] for name, service in SERVICES.items() if name != "valkey"}
    assert images == {f"csms:{version}"}
    ours = {name: SERVICES[name] for name in CONTAINERS}
    assert {tuple(service["healthcheck"]["test"]) for service in ours.values()} == {("CMD", "csms", "health")}
    ports = [service["environment"]["CSMS__LISTEN__HEALTH_PORT"] for service in ours.values()]
    assert len(set(ports)) == len(ours)
    assert all(service["depends_on"].keys() <= SERVICES.keys() for service in ours.values())


@pytest.mark.parametrize(
    "way",
    [
        pytest.param((*UNITS, BACKUP_UNIT), id="systemd"),
        pytest.param((*CONTAINERS, "backup"), id="compose", marks=pytest.mark.slow),
    ],
)
def test_the_processes_of_one_machine_run_with_the_files_that_the_readme_makes_and_stop_with_0(
    way: tuple[str, ...], machine: Machine
) -> None:
    """The ports differ, because the machine of the test may use the right ones."""
    data = machine.directory / "data"
    data.mkdir()
    conf = str(machine.directory / "etc/csms/valkey.conf")
    store = child_process.start([server_arguments("")[0], conf, "--port", str(machine.store_port)], cwd=data)
    processes: list[Process] = []
    try:
        wait_until(lambda: listens(machine.store_port))
        *staying, backup = way
        for name in staying:
            start = start_of(name)
            # A variable of the test for each port that all tests would share.
            ports = {"CSMS__LISTEN__HEALTH_PORT": "0"}
            ports |= {"CSMS__LISTEN__PORT": "0"} if start.kind == "admin" else {}
            arguments = ("admin", *map(machine.place, start.arguments))
            log = machine.directory / f"{secrets.token_hex(4)}.log"
            processes.append(Process(arguments, machine.environment(start) | ports, log))
            processes[-1].wait_ready()
        gateways = [process.ports for process in processes if "wss" in process.ports]
        assert {ports["wss"] for ports in gateways} == {machine.wss_port}
        run_backup(machine, start_of(backup))
        for process in processes:
            process.terminate()
        assert [process.child.wait(GENEROUS_S) for process in processes] == [0] * len(staying)
    finally:
        for process in processes:
            process.stop()
        store.terminate()
        store.wait(GENEROUS_S)


def test_every_user_may_read_what_the_readme_installs_after_the_secrets(machine: Machine) -> None:
    readme = (FILES / "README.md").read_text()
    script = readme[readme.index("password=") : readme.index("```\n\nPut your certificates")]
    script = machine.place(script).replace("chown csms:csms", "true")
    shell = ["sh", "-ec", f"umask 022\n{script}umask"]
    done = subprocess.run(shell, check=True, timeout=GENEROUS_S, stdout=subprocess.PIPE, text=True)
    assert done.stdout.splitlines()[-1] == "0022"
    secrets = machine.directory / "etc/csms/secrets"
    # The group csms has the user of the backup container, too.
    modes = {file.name: file.stat().st_mode & 0o777 for file in secrets.iterdir()}
    assert modes == {"pepper": 0o640, "store-url": 0o640, "users.acl": 0o600}


def run_backup(machine: Machine, start: Start) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "admin", *map(machine.place, start.arguments)],
        env=os.environ | machine.environment(start),
        capture_output=True,
        text=True,
        check=False,
        timeout=GENEROUS_S,
    )
    assert done.returncode == 0, done.stderr
    assert len(list(machine.directory.glob("backups/*/*.json"))) == 1, done.stderr


def listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), GENEROUS_S).close()
    except OSError:
        return False
    return True
