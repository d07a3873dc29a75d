"""One change of a rendered manifest, and what must be said about it."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from tests.k8s.rules.objects import Object, title

type Path = tuple[str | int, ...]
DROP = object()
TEMPLATE: Path = ("spec", "template")
POD: Path = (*TEMPLATE, "spec")
BOX: Path = (*POD, "containers", 0)
LABELS: Path = ("app.kubernetes.io/component",)
GATEWAY, ADMIN, VALKEY = "Deployment gateway", "Deployment admin", "StatefulSet valkey"
SCALER, JOB, BACKUP = "HorizontalPodAutoscaler gateway", "Job loadtest", "CronJob backup"
NESTED_POD: Path = ("spec", "jobTemplate", *POD)
NESTED_BOX: Path = ("spec", "jobTemplate", *BOX)
"""The pod of a CronJob, and its container."""


@dataclass(frozen=True)
class Break:
    words: str
    render: str
    thing: str
    path: Path
    value: Any
    """What to put at the path, a function of what is there, or DROP."""
    rule: str
    """The rule that must complain."""
    sentence: str
    """Its first sentence."""
    others: tuple[str, ...] = ()
    """Rules that complain too, because this fault makes another."""

    def apply(self, objects: list[Object]) -> None:
        """Change the one object of this title. The name of a ConfigMap may end with a hash."""
        (thing,) = (one for one in objects if (title(one) + "-").startswith(self.thing + "-"))
        if self.path == ():
            objects.remove(thing)
            if callable(self.value):
                objects += self.value(thing)
            return
        *above, last = self.path
        inner: Any = thing
        for key in above:
            inner = inner.setdefault(key, {}) if isinstance(inner, dict) else inner[key]
        if self.value is DROP:
            del inner[last]
        elif isinstance(inner, list) and last == len(inner):
            inner.append(self.value)
        else:
            inner[last] = self.value(inner[last]) if callable(self.value) else deepcopy(self.value)


def replace(old: str, new: str) -> Callable[[str], str]:
    def change(text: str) -> str:
        assert old in text
        return text.replace(old, new)

    return change


def twice(thing: Object) -> list[Object]:
    return [thing, deepcopy(thing)]


def beside(other: Object) -> Callable[[Object], list[Object]]:
    return lambda thing: [thing, other]


def with_second(thing: Object) -> list[Object]:
    other: Any = deepcopy(thing)
    other["metadata"]["name"] += "-2"
    return [thing, other]
