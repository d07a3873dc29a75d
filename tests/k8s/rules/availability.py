"""Disruption budgets, rollouts, autoscaling and the spread over nodes."""

from collections.abc import Iterator
from math import ceil
from pathlib import Path

from tests.k8s.rules.objects import Object, Objects, name_of, namespace_of, of_kind, pods, selected, title
from tests.k8s.rules.product import processes

_METRICS = Path(__file__).parents[3] / "docs" / "metrics.md"
_ZONE, _HOST = "topology.kubernetes.io/zone", "kubernetes.io/hostname"


def _autoscaler_of(objects: Objects, workload: Object) -> Object | None:
    for thing in of_kind(objects, "HorizontalPodAutoscaler"):
        target = thing["spec"]["scaleTargetRef"]
        if namespace_of(thing) == namespace_of(workload) and (target["kind"], target["name"]) == (
            workload["kind"],
            name_of(workload),
        ):
            return thing
    return None


def _least_replicas(objects: Objects, workload: Object) -> int:
    autoscaler = _autoscaler_of(objects, workload)
    return int(
        autoscaler["spec"].get("minReplicas", 1) if autoscaler else workload["spec"].get("replicas", 1)
    )


def budgets_have_one_field(objects: Objects) -> Iterator[str]:
    for thing in of_kind(objects, "PodDisruptionBudget"):
        if len({"minAvailable", "maxUnavailable"} & thing["spec"].keys()) != 1:
            yield f"{title(thing)}: spec must have exactly one of minAvailable and maxUnavailable"


def budgets_allow_a_disruption(objects: Objects) -> Iterator[str]:
    for thing in of_kind(objects, "PodDisruptionBudget"):
        spec = thing["spec"]
        for pod in selected(objects, spec.get("selector", {}), namespace_of(thing)):
            replicas = _least_replicas(objects, pod.owner)
            allowed = min(
                _count(spec.get("maxUnavailable", replicas), replicas),
                replicas - _count(spec.get("minAvailable", 0), replicas),
            )
            if allowed < 1:
                yield (
                    f"{title(thing)}: with {replicas} pods, it allows {allowed} disruptions, and a drain "
                    "of a node would wait forever; it must allow at least one"
                )


def _count(value: int | str, replicas: int) -> int:
    if isinstance(value, str) and value.endswith("%"):
        return ceil(int(value[:-1]) * replicas / 100)
    return int(value)


def deployments_have_a_budget(objects: Objects) -> Iterator[str]:
    budgets = of_kind(objects, "PodDisruptionBudget")
    covered = [
        pod.title
        for b in budgets
        for pod in selected(objects, b["spec"].get("selector", {}), namespace_of(b))
    ]
    for thing in of_kind(objects, "Deployment"):
        if covered.count(title(thing)) != 1:
            yield f"{title(thing)}: {covered.count(title(thing))} disruption budgets select it; it needs one"


def rollouts_take_no_pod_away_first(objects: Objects) -> Iterator[str]:
    for thing in of_kind(objects, "Deployment"):
        most = thing["spec"].get("strategy", {}).get("rollingUpdate", {}).get("maxUnavailable")
        if most not in {0, "0%"}:
            yield f"{title(thing)}: strategy.rollingUpdate.maxUnavailable is {most}; it must be 0"


def rollouts_move_a_charge_point_once(objects: Objects) -> Iterator[str]:
    for thing in {
        id(one.pod.owner): one.pod.owner for one in processes(objects) if one.kind == "gateway"
    }.values():
        surge = thing["spec"].get("strategy", {}).get("rollingUpdate", {}).get("maxSurge")
        if surge != "100%":
            yield (
                f"{title(thing)}: strategy.rollingUpdate.maxSurge is {surge}; it must be 100%, because a "
                "charge point would otherwise move to an old pod, and move again when that pod ends"
            )


def autoscalers_have_a_range(objects: Objects) -> Iterator[str]:
    for thing in of_kind(objects, "HorizontalPodAutoscaler"):
        least, most = thing["spec"].get("minReplicas", 1), thing["spec"]["maxReplicas"]
        if least > most:
            yield (
                f"{title(thing)}: minReplicas {least} is more than maxReplicas {most}; "
                "it must be at most that"
            )


def nothing_sets_replicas_beside_an_autoscaler(objects: Objects) -> Iterator[str]:
    for thing in of_kind(objects, "Deployment", "StatefulSet"):
        if "replicas" in thing["spec"] and _autoscaler_of(objects, thing) is not None:
            yield (
                f"{title(thing)}: spec.replicas is set, so each apply would undo what the autoscaler did; "
                "it must be absent"
            )


def autoscalers_keep_the_bounds_of_the_server(objects: Objects) -> Iterator[str]:
    for thing in of_kind(objects, "HorizontalPodAutoscaler"):
        for direction, behavior in thing["spec"].get("behavior", {}).items():
            window = behavior.get("stabilizationWindowSeconds", 0)
            if not 0 <= window <= 3600:
                yield (
                    f"{title(thing)}: behavior.{direction}.stabilizationWindowSeconds is {window}; "
                    "it must be at most 3600"
                )
            for policy in behavior.get("policies", []):
                if not 0 < policy["periodSeconds"] <= 1800:
                    yield (
                        f"{title(thing)}: a policy of behavior.{direction} has periodSeconds "
                        f"{policy['periodSeconds']}; it must be 1 to 1800"
                    )


def autoscalers_follow_connections_first(objects: Objects) -> Iterator[str]:
    gauges = _METRICS.read_text()
    for thing in of_kind(objects, "HorizontalPodAutoscaler"):
        first = thing["spec"]["metrics"][0].get("pods", {}).get("metric", {}).get("name")
        if first != "csms_connections":
            yield f"{title(thing)}: the first metric is {first}; it must be csms_connections of each pod"
        for metric in thing["spec"]["metrics"]:
            name = metric.get("pods", {}).get("metric", {}).get("name")
            if name is not None and f"| `{name}` | gauge |" not in gauges:
                yield f"{title(thing)}: no process has the gauge {name}; docs/metrics.md lists all metrics"


def autoscalers_go_down_slowly(objects: Objects) -> Iterator[str]:
    for thing in of_kind(objects, "HorizontalPodAutoscaler"):
        down = thing["spec"].get("behavior", {}).get("scaleDown", {})
        rates = [policy["value"] / policy["periodSeconds"] for policy in down.get("policies", [])]
        kinds = {policy["type"] for policy in down.get("policies", [])}
        if down.get("stabilizationWindowSeconds", 300) < 1800 or kinds != {"Pods"} or max(rates) > 1 / 300:
            yield (
                f"{title(thing)}: behavior.scaleDown is too fast; it must wait for 1800 s or more, and "
                "take at most one pod in 300 s away, because each pod that ends makes its charge points "
                "connect again"
            )


def pods_spread_over_zones_and_nodes(objects: Objects) -> Iterator[str]:
    for pod in pods(objects):
        if pod.owner["kind"] != "Deployment":
            continue
        keys = {constraint["topologyKey"] for constraint in pod.spec.get("topologySpreadConstraints", [])}
        for key in (_ZONE, _HOST):
            if key not in keys:
                yield f"{pod.title}: no topologySpreadConstraint has topologyKey {key}; add one"
