"""Images, secrets, texts and amounts."""

import re
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal

from gateway.service.secrets import names_secret
from tests.k8s.rules.objects import Object, Objects, containers, of_kind, pods, title

_AMOUNT = re.compile(r"(\d+(?:\.\d+)?)(m|k|M|G|T|Ki|Mi|Gi|Ti)?")
_FACTORS: dict[str | None, Decimal] = {
    None: Decimal(1),
    "m": Decimal("0.001"),
    **{letter: Decimal(10) ** (3 * power) for power, letter in enumerate("kMGT", 1)},
    **{f"{letter}i": Decimal(2) ** (10 * power) for power, letter in enumerate("KMGT", 1)},
}
_IMAGES = ("csms", "valkey")
_LEAST_MEMORY = 2**24
_SECRET_TEXT = re.compile(r"PRIVATE KEY-----|://[^/@\s]*:[^/\s]+@|\brequirepass\b")


def images_have_a_tag(objects: Objects) -> Iterator[str]:
    for _, container, words in containers(objects):
        image = container["image"]
        tag = image.rpartition("/")[2].partition(":")[2]
        if "@sha256:" not in image and tag in {"", "latest"}:
            yield f"{words}: image {image} has no fixed version; it needs a tag other than latest"


def images_are_those_of_one_release(objects: Objects) -> Iterator[str]:
    seen: dict[str, str] = {}
    for _, container, words in containers(objects):
        image = container["image"]
        name = image.partition("@")[0].rpartition("/")[2].partition(":")[0]
        if name not in _IMAGES:
            yield f"{words}: image {image} is unknown; it must be one of {', '.join(_IMAGES)}"
        if seen.setdefault(name, image) != image:
            yield f"{words}: image is {image}, but another container has {seen[name]}; both must be the same"
        if container.get("imagePullPolicy") not in {None, "IfNotPresent", "Always"}:
            yield f"{words}: imagePullPolicy is {container['imagePullPolicy']}; a new node could start no pod"


def no_render_holds_a_secret(objects: Objects) -> Iterator[str]:
    for thing in of_kind(objects, "Secret"):
        yield f"{title(thing)}: a render must hold no Secret; the operator makes it"
    for thing in of_kind(objects, "ConfigMap"):
        for key, text in thing.get("data", {}).items():
            if _SECRET_TEXT.search(str(text)):
                yield f"{title(thing)}: {key} holds a key or a password; it belongs into a Secret"


def secrets_are_files(objects: Objects) -> Iterator[str]:
    for _, container, words in containers(objects):
        for variable in container.get("env", []):
            text = str(variable.get("value", ""))
            is_secret = names_secret(variable["name"].lower()) and not variable["name"].endswith("_FILE")
            if "secretKeyRef" in variable.get("valueFrom", {}) or is_secret or _SECRET_TEXT.search(text):
                yield f"{words}: {variable['name']} is a secret; mount the Secret as a directory"
        if any("secretRef" in source for source in container.get("envFrom", [])):
            yield f"{words}: envFrom names a Secret; mount the Secret as a directory"


def variables_occur_once(objects: Objects) -> Iterator[str]:
    for _, container, words in containers(objects):
        counts = Counter(variable["name"] for variable in container.get("env", []))
        for name, count in counts.items():
            if count > 1:
                yield f"{words}: the variable {name} occurs {count} times, and only the last one counts"


def no_mount_has_a_sub_path(objects: Objects) -> Iterator[str]:
    for pod in pods(objects):
        own = {
            v["name"] for v in pod.spec.get("volumes", []) if {"secret", "configMap", "projected"} & set(v)
        }
        for container in pod.containers:
            for mount in container.get("volumeMounts", []):
                if mount["name"] in own and ("subPath" in mount or "subPathExpr" in mount):
                    yield (
                        f"{pod.title}: the mount {mount['mountPath']} has a subPath, so the file would never "
                        "change; mount the directory"
                    )


def texts_are_texts(objects: Objects) -> Iterator[str]:
    for thing in objects:
        for field, key, value in _texts(thing):
            if not isinstance(value, str):
                yield f"{title(thing)}: {field} {key} is {value!r}, not a text; put the value in quotes"


def _texts(thing: Object) -> Iterator[tuple[str, str, object]]:
    stack: list[tuple[str, object]] = [("", thing)]
    while stack:
        above, part = stack.pop()
        if isinstance(part, list):
            stack += [(above, one) for one in part]
        if not isinstance(part, dict):
            continue
        for field, inner in part.items():
            is_flat = field in {"labels", "annotations", "matchLabels", "data"}
            if (is_flat or (field == "selector" and thing["kind"] == "Service")) and isinstance(inner, dict):
                yield from ((field, key, value) for key, value in inner.items())
            elif above == "env" and field == "value":
                yield "env", part["name"], inner
            elif field in {"command", "args"} and isinstance(inner, list):
                yield from ((field, "", value) for value in inner)
            stack.append((field, inner))


def amount(text: object) -> Decimal:
    match = _AMOUNT.fullmatch(str(text))
    assert match is not None, text
    return Decimal(match[1]) * _FACTORS[match[2]]


def requests_fit_limits(objects: Objects) -> Iterator[str]:
    for _, container, words in containers(objects):
        resources = container.get("resources", {})
        requests, limits = resources.get("requests", {}), resources.get("limits", {})
        for name in requests.keys() & limits.keys():
            if amount(requests[name]) > amount(limits[name]):
                yield (
                    f"{words}: requests.{name} {requests[name]} is more than its limit {limits[name]}; "
                    "it must be at most the limit"
                )


def memory_is_limited_and_cpu_is_not(objects: Objects) -> Iterator[str]:
    for _, container, words in containers(objects):
        resources = container.get("resources", {})
        for name in ("cpu", "memory"):
            if name not in resources.get("requests", {}):
                yield f"{words}: requests.{name} is missing; the scheduler needs it"
        if "memory" not in resources.get("limits", {}):
            yield f"{words}: limits.memory is missing; a leak would take the memory of other pods"
        limit = resources.get("limits", {}).get("memory", _LEAST_MEMORY)
        if amount(limit) < _LEAST_MEMORY:
            yield f"{words}: limits.memory is {limit}; it must be 16Mi or more, so a unit is wrong"
        if "cpu" in resources.get("limits", {}):
            yield f"{words}: limits.cpu is set; a throttled process answers late, so it must be absent"
