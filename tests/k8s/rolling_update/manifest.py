"""What the rendered manifests say about the pods of the gateways."""

import math
import tomllib
from typing import Any

import msgspec

from tests.k8s.rendered import objects


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

    @property
    def drain_window_s(self) -> float:
        """The window of the configuration, which a variable may replace."""
        (config,) = self.config_files.values()
        return float(
            self.environment.get("CSMS__DRAIN__WINDOW_S", tomllib.loads(config)["drain"]["window_s"])
        )


def read(name: str) -> Manifest:
    """Render the manifests. Raises AssertionError if they have something that is not played here."""
    found = objects(name)
    deployment = _find(found, "Deployment")["spec"]
    service = _find(found, "Service")["spec"]
    assert deployment["strategy"]["type"] == "RollingUpdate"
    assert deployment.get("minReadySeconds", 0) == 0
    pod = deployment["template"]["spec"]
    (container,) = pod["containers"]
    assert "command" not in container, "the image runs `csms`"
    assert container["lifecycle"].keys() == {"preStop"}
    assert container["lifecycle"]["preStop"].keys() == {"sleep"}
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert [port["targetPort"] for port in service["ports"]] == ["wss"]
    replicas = _count_replicas(found, deployment)
    rolling = deployment["strategy"]["rollingUpdate"]
    config_files, secret_directories = _mounts(found, pod, container)
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


def _find(found: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    (one,) = (one for one in found if one["kind"] == kind and one["metadata"]["name"] == "gateway")
    return one


def _count_replicas(found: list[dict[str, Any]], deployment: dict[str, Any]) -> int:
    """Return the number of pods. Without one in the Deployment, it is the least number of the autoscaler."""
    replicas: int | None = deployment.get("replicas")
    if replicas is None:
        replicas = _find(found, "HorizontalPodAutoscaler")["spec"]["minReplicas"]
        assert replicas is not None
    return replicas


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
    found: list[dict[str, Any]], pod: dict[str, Any], container: dict[str, Any]
) -> tuple[dict[str, str], dict[str, str]]:
    maps = {one["metadata"]["name"]: one["data"] for one in found if one["kind"] == "ConfigMap"}
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    config_files: dict[str, str] = {}
    secret_directories: dict[str, str] = {}
    for mount in container["volumeMounts"]:
        volume = volumes[mount["name"]]
        if "configMap" in volume:
            for file, text in maps[volume["configMap"]["name"]].items():
                config_files[f"{mount['mountPath']}/{file}"] = text
        else:
            secret_directories[mount["mountPath"]] = volume["secret"]["secretName"]
    return config_files, secret_directories
