"""What k8s/base says about the pods of the gateways."""

import math
from pathlib import Path
from typing import Any

import msgspec
import yaml  # type: ignore[import-untyped]

BASE = Path(__file__).resolve().parents[3] / "k8s" / "base"


class Probe(msgspec.Struct, frozen=True):
    path: str
    port: int
    period_s: float
    timeout_s: float
    failures: int


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """A Deployment. `files` maps the paths in a container to texts; a secret has no text."""

    replicas: int
    max_surge: int
    max_unavailable: int
    grace_s: float
    pre_stop_s: float
    ports: dict[str, int]
    arguments: tuple[str, ...]
    environment: dict[str, str]
    startup: Probe
    liveness: Probe
    readiness: Probe
    config_files: dict[str, str]
    secret_directories: dict[str, str]
    """The name of a Secret for each directory in which it is mounted."""


def read(base: Path = BASE) -> Manifest:
    """Read the manifests. Raises AssertionError if they have something that is not played here."""
    objects = list(yaml.safe_load_all((base / "gateway.yaml").read_text()))
    (deployment,) = (found["spec"] for found in objects if found["kind"] == "Deployment")
    (service,) = (found["spec"] for found in objects if found["kind"] == "Service")
    assert deployment["strategy"]["type"] == "RollingUpdate"
    assert deployment.get("minReadySeconds", 0) == 0
    pod = deployment["template"]["spec"]
    (container,) = pod["containers"]
    assert "command" not in container, "the image runs `csms`"
    assert container["lifecycle"].keys() == {"preStop"}
    assert container["lifecycle"]["preStop"].keys() == {"sleep"}
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert [port["targetPort"] for port in service["ports"]] == ["wss"]
    replicas = deployment["replicas"]
    rolling = deployment["strategy"]["rollingUpdate"]
    config_files, secret_directories = _mounts(base, pod, container)
    return Manifest(
        replicas=replicas,
        max_surge=math.ceil(_share(rolling["maxSurge"], replicas)),
        max_unavailable=math.floor(_share(rolling["maxUnavailable"], replicas)),
        grace_s=pod["terminationGracePeriodSeconds"],
        pre_stop_s=container["lifecycle"]["preStop"]["sleep"]["seconds"],
        ports=ports,
        arguments=tuple(container["args"]),
        environment={entry["name"]: entry["value"] for entry in container.get("env", [])},
        startup=_probe(container["startupProbe"], ports),
        liveness=_probe(container["livenessProbe"], ports),
        readiness=_probe(container["readinessProbe"], ports),
        config_files=config_files,
        secret_directories=secret_directories,
    )


def _share(value: int | str, replicas: int) -> float:
    return float(value) if isinstance(value, int) else replicas * float(value.removesuffix("%")) / 100


def _probe(probe: dict[str, Any], ports: dict[str, int]) -> Probe:
    assert probe.keys() <= {"httpGet", "periodSeconds", "timeoutSeconds", "failureThreshold"}, probe
    return Probe(
        path=probe["httpGet"]["path"],
        port=ports[probe["httpGet"]["port"]],
        period_s=probe.get("periodSeconds", 10),
        timeout_s=probe.get("timeoutSeconds", 1),
        failures=probe.get("failureThreshold", 3),
    )


def _mounts(
    base: Path, pod: dict[str, Any], container: dict[str, Any]
) -> tuple[dict[str, str], dict[str, str]]:
    generated = {
        maker["name"]: maker["files"]
        for maker in yaml.safe_load((base / "kustomization.yaml").read_text())["configMapGenerator"]
    }
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    config_files: dict[str, str] = {}
    secret_directories: dict[str, str] = {}
    for mount in container["volumeMounts"]:
        volume = volumes[mount["name"]]
        if "configMap" in volume:
            for file in generated[volume["configMap"]["name"]]:
                config_files[f"{mount['mountPath']}/{file}"] = (base / file).read_text()
        else:
            secret_directories[mount["mountPath"]] = volume["secret"]["secretName"]
    return config_files, secret_directories
