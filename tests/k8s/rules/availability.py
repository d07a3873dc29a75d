"""Disruption budgets, rollouts, autoscaling and the spread over nodes."""

from collections.abc import Iterator
from decimal import Decimal
from math import ceil
from pathlib import Path

from gateway.config import GatewayConfig
from tests.k8s.rules.objects import Object, Objects, name_of, namespace_of, of_kind, pods, selected, title
from tests.k8s.rules.product import processes
from tests.k8s.rules.values import amount

_METRICS = Path(__file__).parents[3] / "docs" / "metrics.md"
_READY_MOST_S = 60
_RECONNECTS_PER_S = 1000
_FULL = Decimal("0.8")
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


def budgets_let_go_of_pods_that_are_not_ready(objects: Objects) -> Iterator[str]:
    for thing in of_kind(objects, "PodDisruptionBudget"):
        if (policy := thing["spec"].get("unhealthyPodEvictionPolicy")) != "AlwaysAllow":
            yield (
                f"{title(thing)}: unhealthyPodEvictionPolicy is {policy}; it must be AlwaysAllow, "
                "or a pod that never gets ready holds up the drain of its node"
            )


def deployments_have_two_pods_at_least(objects: Objects) -> Iterator[str]:
    for thing in of_kind(objects, "Deployment"):
        if (replicas := _least_replicas(objects, thing)) < 2:
            yield f"{title(thing)}: it may have only {replicas} pod; it must have 2, so that one can go"


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


def rollouts_go_on_and_can_be_undone(objects: Objects) -> Iterator[str]:
    for thing in of_kind(objects, "Deployment"):
        spec = thing["spec"]
        if spec.get("paused"):
            yield f"{title(thing)}: spec.paused is true; an apply would change no pod"
        if spec.get("minReadySeconds", 0) > _READY_MOST_S:
            yield f"{title(thing)}: minReadySeconds must be at most {_READY_MOST_S}"
        if spec.get("revisionHistoryLimit", 10) < 1:
            yield f"{title(thing)}: revisionHistoryLimit must be 1 or more, for kubectl rollout undo"


def drains_cause_no_storm_of_reconnects(objects: Objects) -> Iterator[str]:
    for process in processes(objects):
        if isinstance(process.config, GatewayConfig):
            most = process.config.limits.connections
            window_s = process.config.drain.window_s
            if most > window_s * _RECONNECTS_PER_S:
                yield (
                    f"{process.words}: drain.window_s is {window_s:g}, in which {most} charge points would "
                    f"connect again; it must be {most / _RECONNECTS_PER_S:g} or more"
                )


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
        if down.get("selectPolicy", "Max") == "Disabled":
            yield f"{title(thing)}: behavior.scaleDown is Disabled; pods that nobody needs would stay"


def autoscalers_act_before_a_gateway_is_full(objects: Objects) -> Iterator[str]:
    for thing in of_kind(objects, "HorizontalPodAutoscaler"):
        for process in processes(objects):
            if _autoscaler_of(objects, process.pod.owner) is not thing or not isinstance(
                process.config, GatewayConfig
            ):
                continue
            requests = process.container.get("resources", {}).get("requests", {})
            for metric in thing["spec"]["metrics"]:
                target = metric.get("pods", metric.get("resource", {})).get("target", {})
                most = process.config.limits.connections if "pods" in metric else 1
                value = amount(target.get("averageValue", 0))
                value += Decimal(target.get("averageUtilization", 0)) / 100 * amount(requests.get("cpu", 0))
                if value > Decimal(most) * _FULL:
                    yield (
                        f"{title(thing)}: a target is {value.normalize():f}, but a gateway can have {most}; "
                        "it must be at most 4/5 of that"
                    )


def pods_spread_over_zones_and_nodes(objects: Objects) -> Iterator[str]:
    for pod in pods(objects):
        if pod.owner["kind"] != "Deployment":
            continue
        keys = {constraint["topologyKey"] for constraint in pod.spec.get("topologySpreadConstraints", [])}
        for key in (_ZONE, _HOST):
            if key not in keys:
                yield f"{pod.title}: no topologySpreadConstraint has topologyKey {key}; add one"
        for constraint in pod.spec.get("topologySpreadConstraints", []):
            key = constraint["topologyKey"]
            if key == _HOST and constraint["whenUnsatisfiable"] != "ScheduleAnyway":
                yield f"{pod.title}: the spread over {key} must be ScheduleAnyway, or one node more is needed"
            if constraint["maxSkew"] != 1:
                yield f"{pod.title}: the spread over {key} has maxSkew {constraint['maxSkew']}; it must be 1"
            if "pod-template-hash" not in constraint.get("matchLabelKeys", []):
                yield f"{pod.title}: the spread over {key} counts old pods in a rollout; add matchLabelKeys"
