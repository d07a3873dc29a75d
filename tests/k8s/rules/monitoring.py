"""Monitors of the Prometheus operator: they read every process, under the jobs that the alerts name."""

from collections.abc import Iterator

from tests.k8s.rules.objects import Object, Objects, Pod, namespace_of, of_kind, selected, title
from tests.k8s.rules.product import csms_pods

_COMPONENT = "__meta_kubernetes_pod_label_app_kubernetes_io_component"
_JOB = {"sourceLabels": [_COMPONENT], "targetLabel": "job", "replacement": "csms-$1"}


def monitors_read_every_process(objects: Objects) -> Iterator[str]:
    monitors = of_kind(objects, "PodMonitor")
    read = [pod.title for monitor in monitors for pod in _read(objects, monitor)]
    for pod in csms_pods(objects):
        has_metrics = any(port.get("name") == "health" for port in _ports(pod))
        if monitors and has_metrics and pod.title not in read:
            yield f"{pod.title}: no PodMonitor reads its port health; alerts need the metrics"


def monitors_name_the_jobs_of_the_alerts(objects: Objects) -> Iterator[str]:
    for monitor in of_kind(objects, "PodMonitor"):
        for endpoint in monitor["spec"]["podMetricsEndpoints"]:
            if _JOB not in endpoint.get("relabelings", []):
                yield f"{title(monitor)}: no relabeling makes the job csms-$1 of the component"


def _read(objects: Objects, monitor: Object) -> list[Pod]:
    ports = {endpoint["port"] for endpoint in monitor["spec"]["podMetricsEndpoints"]}
    found = selected(objects, monitor["spec"]["selector"], namespace_of(monitor))
    return [pod for pod in found if any(p.get("name") in ports & {"health"} for p in _ports(pod))]


def _ports(pod: Pod) -> list[Object]:
    return [port for container in pod.containers for port in container.get("ports", [])]
