"""What every rule needs to know of objects: their pods, labels and selectors."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

type Object = dict[str, Any]
type Objects = Sequence[Object]

_TEMPLATES = {"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job"}


@dataclass(frozen=True, kw_only=True)
class Pod:
    """The pods of one workload."""

    title: str
    owner: Object
    namespace: str | None
    labels: dict[str, Any]
    spec: Object

    @property
    def component(self) -> str:
        return str(self.labels.get("app.kubernetes.io/component"))

    @property
    def containers(self) -> list[Object]:
        """All containers, those that only run first included."""
        return [*self.spec.get("initContainers", []), *self.spec["containers"]]


def without_nulls(part: Any) -> Any:
    """Return a copy without the fields that are null, because the API server takes such a field as absent."""
    if isinstance(part, dict):
        return {key: without_nulls(inner) for key, inner in part.items() if inner is not None}
    if isinstance(part, list):
        return [without_nulls(inner) for inner in part]
    return part


def title(thing: Object) -> str:
    return f"{thing['kind']} {thing['metadata']['name']}"


def name_of(thing: Object) -> str:
    return str(thing["metadata"]["name"])


def namespace_of(thing: Object) -> str | None:
    name: str | None = thing["metadata"].get("namespace")
    return name


def of_kind(objects: Objects, *kinds: str) -> list[Object]:
    return [thing for thing in objects if thing["kind"] in kinds]


def names(objects: Objects, kind: str) -> set[tuple[str | None, str]]:
    return {(namespace_of(thing), name_of(thing)) for thing in of_kind(objects, kind)}


def pods(objects: Objects) -> Iterator[Pod]:
    for thing in objects:
        if thing["kind"] == "Pod":
            template = thing
        elif thing["kind"] == "CronJob":
            template = thing["spec"]["jobTemplate"]["spec"]["template"]
        elif thing["kind"] in _TEMPLATES:
            template = thing["spec"]["template"]
        else:
            continue
        yield Pod(
            title=title(thing),
            owner=thing,
            namespace=namespace_of(thing),
            labels=template.get("metadata", {}).get("labels", {}),
            spec=template["spec"],
        )


def claims_of(owner: Object) -> Iterator[str]:
    """Yield the names of the claims that a StatefulSet makes."""
    for claim in owner["spec"].get("volumeClaimTemplates", []):
        for number in range(owner["spec"].get("replicas", 1)):
            yield f"{name_of(claim)}-{name_of(owner)}-{number}"


def containers(objects: Objects) -> Iterator[tuple[Pod, Object, str]]:
    """Yield each container with its pod and with the words that name both."""
    for pod in pods(objects):
        for container in pod.containers:
            yield pod, container, f"{pod.title}: container {container['name']}"


def matches(selector: Object, labels: Object) -> bool:
    """Tell whether a selector with matchLabels and matchExpressions takes these labels. {} takes all."""
    wanted = selector.get("matchLabels", {})
    if any(labels.get(key) != value for key, value in wanted.items()):
        return False
    return all(_matches_one(expression, labels) for expression in selector.get("matchExpressions", []))


def _matches_one(expression: Object, labels: Object) -> bool:
    key, values = expression["key"], expression.get("values", [])
    match expression["operator"]:
        case "In":
            return labels.get(key) in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
        case operator:
            raise ValueError(f"unknown operator {operator}")


def selected(objects: Objects, selector: Object, namespace: str | None) -> list[Pod]:
    return [pod for pod in pods(objects) if pod.namespace == namespace and matches(selector, pod.labels)]
