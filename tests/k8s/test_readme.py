"""What k8s/README.md says works. Its commands are run in bash, with a stand-in for kubectl."""

import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tomllib
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]  # as in rendered.py

from tests.k8s.operator_secrets import SECRETS
from tests.k8s.rendered import ROOT, find_kubectl
from tests.k8s.rules import judge

BLOCK = re.compile(r"^```sh\n(.*?)^```\n", re.MULTILINE | re.DOTALL)
PATCHES = re.compile(r"^```yaml\n(.*?)^```\n", re.MULTILINE | re.DOTALL)
ARCHIVE, BACKUP = "../k8s/components/archive", "../k8s/components/backup"
PORTS = ("8443", "9180", "8080", "9181", "6379")


@pytest.mark.slow  # It starts a whole system, and runs two load tests of a minute.
@pytest.mark.skipif(find_kubectl() is None, reason="there is no kubectl; make k8s-check installs it")
def test_the_commands_in_the_page_lead_from_an_empty_cluster_to_a_charging_session(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "k8s", tmp_path / "k8s")
    (tmp_path / ".venv").symlink_to(sys.prefix)
    tools, cluster = tmp_path / "tools", tmp_path / "cluster"
    tools.mkdir()
    stand_in = shlex.join([sys.executable, str(ROOT / "tests" / "k8s" / "stand_in_kubectl.py")])
    (tools / "kubectl").write_text(f'#!/bin/sh\nexec {stand_in} "$@"\n')
    (tools / "kubectl").chmod(0o755)
    ports = dict(zip(PORTS, free_ports(len(PORTS)), strict=True))
    (tmp_path / "my-cluster" / "secrets").mkdir(parents=True)
    (tmp_path / "my-cluster" / "secrets" / "revocation-lists.pem").write_text(
        "The lists of other authorities."
    )
    page = "".join(BLOCK.findall((ROOT / "k8s" / "README.md").read_text()))
    assert f"components={BACKUP}\n" in page
    page = page.replace(BACKUP, f"{ARCHIVE},{BACKUP}", 1)
    commands = re.sub(r"(?<=localhost:)\d{4}\b", lambda port: ports[port[0]], page)
    environ = {name: value for name, value in os.environ.items() if not name.startswith("CSMS")}
    shell = subprocess.Popen(
        ["bash", "--norc", "-euo", "pipefail", "-c", commands],
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        process_group=0,
        env=environ
        | {
            "PATH": f"{tools}:{environ['PATH']}",
            "REAL_KUBECTL": str(find_kubectl()),
            "CLUSTER": str(cluster),
            "PORTS": json.dumps(ports),
        },
    )
    try:
        output = shell.communicate(timeout=500)[0]
    finally:
        with suppress(ProcessLookupError):
            os.killpg(shell.pid, signal.SIGKILL)  # The processes of the stand-in are in this group too.
        shell.wait()
    assert shell.returncode == 0, output
    assert '"id_tag":"DEMO"' in output, output
    assert '"state":"stopped"' in output, output
    # The admin process has begun an archive on the claim.
    assert (cluster / "claims" / "archive" / "transactions" / "archive.id").exists()
    assert re.search(r"^Wrote .*/backups", output, re.MULTILINE), output
    parts = [json.loads((tmp_path / "my-cluster" / f"part-{part}.json").read_text()) for part in (0, 1)]
    assert [part["charge_points"] for part in parts] == [[0, 5], [5, 10]]
    # The last line is the verdict of both parts together.
    assert output.splitlines()[-1].startswith("PASSED: "), output
    made = {
        folder.name: {file.name for file in folder.iterdir()} for folder in (cluster / "secrets").iterdir()
    }
    assert made == {name: set(files) for name, files in SECRETS.items()}


@pytest.mark.parametrize("page", ["k8s/README.md", "k8s/single-machine/README.md", "docs/operations.md"])
def test_a_page_names_the_version_of_the_project(page: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    found = re.findall(r"\b(?:csms|NAME)[:-](\d+\.\d+\.\d+)", (ROOT / page).read_text())
    assert set(found) == {project["version"]}


@pytest.mark.skipif(find_kubectl() is None, reason="there is no kubectl; make k8s-check installs it")
def test_the_changes_to_prod_in_the_page_can_be_rendered_and_break_no_rule(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "k8s", tmp_path / "k8s")
    prod, proxy_protocol = PATCHES.findall((ROOT / "k8s" / "README.md").read_text())
    (tmp_path / "my-cluster").mkdir()
    (tmp_path / "my-cluster" / "kustomization.yaml").write_text(
        "namespace: csms\nresources: [../k8s/overlays/prod]\n"
        "components: [../k8s/components/monitoring, ../k8s/components/proxy-protocol]\n"
        f"{prod}{proxy_protocol}"
    )
    command = [str(find_kubectl()), "kustomize", str(tmp_path / "my-cluster")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert "ocpp.example.com" in done.stdout, done.stderr
    assert "cidr: 10.1.2.3/32" in done.stdout
    assert "storageClassName: nfs" in done.stdout
    assert "value: 10.1.0.0/28" in done.stdout
    assert "192.0.2.0/24" not in done.stdout
    assert judge(list(yaml.safe_load_all(done.stdout))) == {}


def free_ports(number: int) -> list[str]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(number)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [str(one.getsockname()[1]) for one in sockets]
