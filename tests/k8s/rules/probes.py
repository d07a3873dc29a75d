"""Probes that ask the right thing, and are patient enough."""

from collections.abc import Iterator

from tests.k8s.rules.objects import Objects, containers
from tests.k8s.rules.product import processes

_PATIENCE_S = 30
_PROBES = ("startupProbe", "livenessProbe", "readinessProbe")


def probes_ask_the_health_port(objects: Objects) -> Iterator[str]:
    for process in processes(objects):
        wanted = {"health", process.ports.get("health", "health")}
        for probe in _PROBES:
            get = process.container.get(probe, {}).get("httpGet", {"port": "health"})
            if get["port"] not in wanted or get.get("scheme", "HTTP") != "HTTP":
                yield (
                    f"{process.words}: {probe} asks port {get['port']} over {get.get('scheme', 'HTTP')}; "
                    "only the port health answers probes, over HTTP"
                )


def what_a_service_leads_to_says_when_it_is_ready(objects: Objects) -> Iterator[str]:
    for _, container, words in containers(objects):
        if container.get("ports") and "readinessProbe" not in container:
            yield f"{words}: readinessProbe is missing; a Service would lead to it too early"


def liveness_is_patient(objects: Objects) -> Iterator[str]:
    for _, container, words in containers(objects):
        probe = container.get("livenessProbe")
        if probe is None:
            continue
        seconds = probe.get("periodSeconds", 10) * probe.get("failureThreshold", 3)
        if seconds < _PATIENCE_S:
            yield (
                f"{words}: livenessProbe gives up after {seconds} s; it must be {_PATIENCE_S} s or more, "
                "because a restart cuts all connections"
            )
