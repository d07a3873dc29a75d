"""The Valkey of the base: one server that keeps what csms has acknowledged."""

import shlex
from collections.abc import Iterator
from decimal import Decimal

from tests.k8s.rules.objects import Object, Objects, Pod, containers, name_of, of_kind, pods, selected, title
from tests.k8s.rules.product import mounted_files
from tests.k8s.rules.values import amount

_DEMANDED = {
    "appendonly": "yes",
    "appendfsync": "always",
    "no-appendfsync-on-rewrite": "no",
    "maxmemory-policy": "noeviction",
    "save": "",
}
_NOT_FOR_US = {"replicaof", "slaveof", "cluster-enabled", "rename-command", "requirepass"}
_PROBE = ["valkey-cli", "-e", "ping"]
_LEAST_GRACE_S = 60
_ROOM_FOR_A_REWRITE = 2
_ROOM_ON_DISK = 3
"""Before a rewrite, the append-only file may have twice the size of the data. The new one is beside it."""
_BYTES = {"kb": 2**10, "mb": 2**20, "gb": 2**30, "": 1}


def _stores(objects: Objects) -> Iterator[tuple[Pod, Object, dict[str, str]]]:
    """Yield each pod of Valkey, its container and its settings."""
    for pod, container, _ in containers(objects):
        if pod.component == "valkey" and container in pod.spec["containers"]:
            text = "\n".join(text or "" for text in mounted_files(objects, pod, container).values())
            lines = [shlex.split(line, comments=True) for line in text.splitlines()]
            yield pod, container, {line[0]: " ".join(line[1:]) for line in lines if line}


def the_store_has_the_settings_that_csms_demands(objects: Objects) -> Iterator[str]:
    for pod, _, settings in _stores(objects):
        for name, value in _DEMANDED.items():
            if settings and settings.get(name) != value:
                yield (
                    f"{pod.title}: {name} is {settings.get(name)!r}; it must be {value!r} "
                    "(docs/operations.md says why)"
                )


def the_store_is_a_single_primary(objects: Objects) -> Iterator[str]:
    for pod, _, settings in _stores(objects):
        for name in sorted(_NOT_FOR_US & settings.keys()):
            yield f"{pod.title}: its configuration has {name}, with which csms refuses the server; remove it"


def probes_of_the_store_need_no_password(objects: Objects) -> Iterator[str]:
    for pod, container, _ in _stores(objects):
        for name in ("startupProbe", "readinessProbe"):
            command = container.get(name, {}).get("exec", {}).get("command", _PROBE)
            if command != _PROBE:
                yield (
                    f"{pod.title}: {name} runs {' '.join(command)}; it must run {' '.join(_PROBE)}, which "
                    "needs no password, and fails while the server loads its file"
                )


def the_store_listens_to_other_pods(objects: Objects) -> Iterator[str]:
    for pod, _, settings in _stores(objects):
        if settings and (settings.get("protected-mode") != "no" or "bind" in settings):
            yield f"{pod.title}: its configuration must have protected-mode no, and no bind"


def the_store_has_room_for_a_rewrite(objects: Objects) -> Iterator[str]:
    for pod, container, settings in _stores(objects):
        limit = container.get("resources", {}).get("limits", {}).get("memory")
        if settings and limit and not 0 < _memory(settings) * _ROOM_FOR_A_REWRITE <= amount(limit):
            yield (
                f"{pod.title}: maxmemory is {settings.get('maxmemory')}, and the memory limit is {limit}; "
                "maxmemory must be set, to at most half of the limit, because a rewrite may need twice that"
            )


def _memory(settings: dict[str, str]) -> Decimal:
    text = settings.get("maxmemory", "0")
    return Decimal(text.rstrip("kmgb")) * _BYTES[text.lstrip("0123456789")]


def the_store_keeps_its_data(objects: Objects) -> Iterator[str]:
    for pod, container, settings in _stores(objects):
        claims = {name_of(claim): claim for claim in pod.owner["spec"].get("volumeClaimTemplates", [])}
        places = {
            mount["mountPath"]: claims[mount["name"]]
            for mount in container.get("volumeMounts", [])
            if mount["name"] in claims and not mount.get("readOnly")
        }
        if settings and settings.get("dir") not in places:
            yield (
                f"{pod.title}: its dir {settings.get('dir')} is no writable mount of a volumeClaimTemplate; "
                "the data would be gone with the pod"
            )
        for claim in places.values():
            if not set(claim["spec"]["accessModes"]) <= {"ReadWriteOnce", "ReadWriteOncePod"}:
                yield f"{pod.title}: the claim {name_of(claim)} must be ReadWriteOnce"
            size = claim["spec"]["resources"]["requests"]["storage"]
            if amount(size) < _memory(settings) * _ROOM_ON_DISK:
                yield f"{pod.title}: the claim {name_of(claim)} asks for {size}; it must be 3 times maxmemory"
        if "Delete" in pod.owner["spec"].get("persistentVolumeClaimRetentionPolicy", {}).values():
            yield f"{pod.title}: persistentVolumeClaimRetentionPolicy must be Retain, or data is deleted"


def there_is_one_store(objects: Objects) -> Iterator[str]:
    for pod, _, _ in _stores(objects):
        if pod.owner["spec"].get("replicas", 1) != 1:
            yield (
                f"{pod.title}: spec.replicas is {pod.owner['spec']['replicas']}; it must be 1, "
                "because two servers would be two different stores"
            )
        if pod.owner["spec"].get("updateStrategy", {}).get("type") == "OnDelete":
            yield f"{pod.title}: updateStrategy is OnDelete; a new configuration would never come into force"
        if pod.owner["kind"] != "StatefulSet":
            yield f"{pod.title}: it must be a StatefulSet, or two servers could write to one volume"


def the_store_has_time_to_end(objects: Objects) -> Iterator[str]:
    for pod, _, _ in _stores(objects):
        grace_s = pod.spec.get("terminationGracePeriodSeconds", 30)
        if grace_s < _LEAST_GRACE_S:
            yield (
                f"{pod.title}: terminationGracePeriodSeconds is {grace_s}; it must be {_LEAST_GRACE_S} "
                "or more, because Valkey writes the end of its append-only file"
            )


def the_store_is_not_restarted_while_it_loads(objects: Objects) -> Iterator[str]:
    for pod, container, _ in _stores(objects):
        if "livenessProbe" in container:
            yield (
                f"{pod.title}: livenessProbe must be absent, as it would restart a busy server, and "
                "the server would load its file again"
            )


def the_store_has_no_budget(objects: Objects) -> Iterator[str]:
    for thing in of_kind(objects, "PodDisruptionBudget"):
        for pod in selected(objects, thing["spec"].get("selector", {}), thing["metadata"].get("namespace")):
            if pod.component == "valkey":
                yield f"{title(thing)}: it selects {pod.title}; one server must have no budget"


def the_store_keeps_its_address(objects: Objects) -> Iterator[str]:
    homes = {pod.namespace for pod in pods(objects) if pod.component == "valkey"}
    for thing in of_kind(objects, "Service"):
        spec = thing["spec"]
        if name_of(thing) == "valkey" and homes and spec.get("clusterIP") == "None":
            yield f"{title(thing)}: clusterIP is None; without an address that stays, csms waits for DNS"
