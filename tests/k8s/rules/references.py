"""Names and selectors lead to something that exists."""

from collections import Counter
from collections.abc import Iterator

from tests.k8s.operator_secrets import SECRETS
from tests.k8s.rules.objects import (
    Object,
    Objects,
    Pod,
    claims_of,
    containers,
    matches,
    name_of,
    names,
    namespace_of,
    of_kind,
    pods,
    selected,
    title,
)

_NOT_NAMESPACED = {"Namespace", "ClusterRole", "ClusterRoleBinding", "StorageClass", "PriorityClass"}


def names_are_unique(objects: Objects) -> Iterator[str]:
    counts = Counter((title(thing), namespace_of(thing)) for thing in objects)
    for (name, _), count in counts.items():
        if count > 1:
            yield f"{name}: metadata.name occurs {count} times; each object of a kind needs a name of its own"


def one_namespace_holds_all(objects: Objects) -> Iterator[str]:
    namespaces = of_kind(objects, "Namespace")
    home = name_of(namespaces[0]) if namespaces else None
    for thing in objects:
        if thing["kind"] not in _NOT_NAMESPACED and namespace_of(thing) != home:
            yield f"{title(thing)}: metadata.namespace is {namespace_of(thing)}; it must be {home}"
    for thing in namespaces:
        level = thing["metadata"].get("labels", {}).get("pod-security.kubernetes.io/enforce")
        if level != "restricted":
            yield (
                f"{title(thing)}: the label pod-security.kubernetes.io/enforce is {level}; "
                "it must be restricted"
            )


def selectors_match_templates(objects: Objects) -> Iterator[str]:
    for thing in of_kind(objects, "Deployment", "StatefulSet", "DaemonSet"):
        labels = thing["spec"]["template"]["metadata"].get("labels", {})
        if not matches(thing["spec"]["selector"], labels):
            yield (
                f"{title(thing)}: spec.selector does not match the labels of its template; "
                "the template needs every label of the selector"
            )


def selectors_take_only_own_pods(objects: Objects) -> Iterator[str]:
    for thing in of_kind(objects, "Deployment", "StatefulSet", "DaemonSet"):
        for pod in selected(objects, thing["spec"]["selector"], namespace_of(thing)):
            if pod.owner is not thing:
                yield f"{title(thing)}: spec.selector also takes the pods of {pod.title}; add a label"


def services_select_pods(objects: Objects) -> Iterator[str]:
    for thing in of_kind(objects, "Service"):
        found = selected(objects, {"matchLabels": thing["spec"].get("selector", {})}, namespace_of(thing))
        if len(found) != 1:
            yield (
                f"{title(thing)}: spec.selector selects {len(found)} workloads; "
                "it must have the labels of exactly one"
            )
            continue
        known = {
            port for one in found[0].containers for spec in one.get("ports", []) for port in _spellings(spec)
        }
        for port in thing["spec"]["ports"]:
            target = port.get("targetPort", port["port"])
            if target not in known:
                yield (
                    f"{title(thing)}: targetPort {target} is not a port of {found[0].title}; "
                    f"it must be one of {', '.join(sorted(map(str, known)))}"
                )


def _spellings(port: Object) -> Iterator[str | int]:
    yield port["containerPort"]
    if "name" in port:
        yield port["name"]


def budgets_select_one_workload(objects: Objects) -> Iterator[str]:
    for thing in of_kind(objects, "PodDisruptionBudget"):
        found = selected(objects, thing["spec"].get("selector", {}), namespace_of(thing))
        if len(found) != 1:
            yield (
                f"{title(thing)}: spec.selector selects {len(found)} workloads; "
                "it must have the labels of exactly one"
            )


def policies_select_pods(objects: Objects) -> Iterator[str]:
    for thing in of_kind(objects, "NetworkPolicy"):
        spec, home = thing["spec"], namespace_of(thing)
        if spec["podSelector"] and not selected(objects, spec["podSelector"], home):
            yield f"{title(thing)}: spec.podSelector selects no pod; it must have the labels of a workload"
        for peer in (
            peer
            for direction, peers in (("ingress", "from"), ("egress", "to"))
            for rule in spec.get(direction) or []
            for peer in rule.get(peers) or []
        ):
            if "namespaceSelector" in peer:
                wanted = peer["namespaceSelector"].get("matchLabels", {})
                if "kubernetes.io/metadata.name" not in wanted:
                    yield (
                        f"{title(thing)}: a namespaceSelector names no namespace; "
                        "it must have the label kubernetes.io/metadata.name"
                    )
            elif "podSelector" in peer and not selected(objects, peer["podSelector"], home):
                yield (
                    f"{title(thing)}: a podSelector of a peer selects no pod of this namespace; "
                    "it must have the labels of a workload"
                )


def spread_counts_own_pods(objects: Objects) -> Iterator[str]:
    for pod in pods(objects):
        for constraint in pod.spec.get("topologySpreadConstraints", []):
            if not matches(constraint.get("labelSelector", {}), pod.labels):
                yield (
                    f"{pod.title}: a labelSelector of topologySpreadConstraints does not match its own pods; "
                    "it must have the labels of the template"
                )


def config_maps_exist(objects: Objects) -> Iterator[str]:
    known = names(objects, "ConfigMap")
    for pod in pods(objects):
        for name in _sources(pod, "configMap", "configMapRef", "configMapKeyRef", "name"):
            if (pod.namespace, name) not in known:
                yield f"{pod.title}: there is no ConfigMap {name}; name one of those that are rendered"


def items_of_volumes_exist(objects: Objects) -> Iterator[str]:
    data = {name_of(thing): set(thing.get("data", {})) for thing in of_kind(objects, "ConfigMap")}
    for pod in pods(objects):
        for volume in pod.spec.get("volumes", []):
            source = volume.get("configMap") or volume.get("secret") or {}
            keys = data.get(source.get("name", "")) or set(SECRETS.get(source.get("secretName", ""), ()))
            for item in source.get("items", []):
                if item["key"] not in keys:
                    yield (
                        f"{pod.title}: volume {volume['name']} has an item {item['key']}; "
                        f"it must be one of {', '.join(sorted(keys))}"
                    )


def mounts_have_places_of_their_own(objects: Objects) -> Iterator[str]:
    for _, container, words in containers(objects):
        paths = Counter(mount["mountPath"].rstrip("/") for mount in container.get("volumeMounts", []))
        for path, count in paths.items():
            if count > 1:
                yield f"{words}: {count} volumes are mounted at {path}; each needs a place of its own"


def secrets_are_known(objects: Objects) -> Iterator[str]:
    for pod in pods(objects):
        for name in _sources(pod, "secret", "secretRef", "secretKeyRef", "secretName"):
            if name not in SECRETS:
                yield (
                    f"{pod.title}: no operator makes the Secret {name}; "
                    f"it must be one of {', '.join(SECRETS)}, or be added to tests/k8s/operator_secrets.py"
                )
    for thing in of_kind(objects, "Certificate"):
        if (name := thing["spec"]["secretName"]) not in SECRETS:
            yield f"{title(thing)}: no pod mounts the Secret {name}; it must be one of {', '.join(SECRETS)}"


def _sources(pod: Pod, volume_kind: str, env_from: str, env_value: str, name: str) -> Iterator[str]:
    """Yield the names of the ConfigMaps or Secrets of a pod, of its volumes and its environment."""
    for volume in pod.spec.get("volumes", []):
        if volume_kind in volume:
            yield volume[volume_kind][name]
        for source in volume.get("projected", {}).get("sources", []):
            if volume_kind in source:
                yield source[volume_kind]["name"]
    for container in pod.containers:
        for source in container.get("envFrom", []):
            if env_from in source:
                yield source[env_from]["name"]
        for variable in container.get("env", []):
            if (reference := variable.get("valueFrom", {}).get(env_value)) is not None:
                yield reference["name"]


def service_accounts_exist(objects: Objects) -> Iterator[str]:
    known = names(objects, "ServiceAccount")
    for pod in pods(objects):
        account = pod.spec.get("serviceAccountName")
        if (pod.namespace, account) not in known:
            yield f"{pod.title}: there is no ServiceAccount {account}; name one of those that are rendered"


def volumes_and_mounts_fit(objects: Objects) -> Iterator[str]:
    claims = names(objects, "PersistentVolumeClaim")
    claims |= {(pod.namespace, name) for pod in pods(objects) for name in claims_of(pod.owner)}
    for pod in pods(objects):
        templates = {name_of(claim) for claim in pod.owner["spec"].get("volumeClaimTemplates", [])}
        volumes = {volume["name"] for volume in pod.spec.get("volumes", [])} | templates
        mounted = {mount["name"] for one in pod.containers for mount in one.get("volumeMounts", [])}
        for name in sorted(mounted - volumes):
            yield f"{pod.title}: a volumeMount names the volume {name}, which does not exist; add the volume"
        for name in sorted(volumes - mounted):
            yield f"{pod.title}: no container mounts the volume {name}; mount the volume or remove it"
        for volume in pod.spec.get("volumes", []):
            claim = volume.get("persistentVolumeClaim", {}).get("claimName")
            if claim is not None and (pod.namespace, claim) not in claims:
                yield f"{pod.title}: there is no PersistentVolumeClaim {claim}; name one that is rendered"


def stateful_sets_have_their_service(objects: Objects) -> Iterator[str]:
    known = names(objects, "Service")
    for thing in of_kind(objects, "StatefulSet"):
        if (namespace_of(thing), thing["spec"].get("serviceName")) not in known:
            yield (
                f"{title(thing)}: there is no Service {thing['spec'].get('serviceName')}; "
                "spec.serviceName must name one that is rendered"
            )


def autoscalers_have_a_target(objects: Objects) -> Iterator[str]:
    counts = Counter(
        (thing["spec"]["scaleTargetRef"]["kind"], thing["spec"]["scaleTargetRef"]["name"])
        for thing in of_kind(objects, "HorizontalPodAutoscaler")
    )
    for (kind, name), count in counts.items():
        if count > 1:
            yield f"{kind} {name}: {count} autoscalers have it as target, and they would undo each other"
    for thing in of_kind(objects, "HorizontalPodAutoscaler"):
        target = thing["spec"]["scaleTargetRef"]
        versions = {one["apiVersion"] for one in of_kind(objects, target["kind"])}
        if versions and target.get("apiVersion") not in versions:
            yield f"{title(thing)}: scaleTargetRef.apiVersion must be {min(versions)}"
        if (namespace_of(thing), target["name"]) not in names(objects, target["kind"]):
            yield (
                f"{title(thing)}: there is no {target['kind']} {target['name']}; "
                "spec.scaleTargetRef must name one that is rendered"
            )


def port_names_are_short(objects: Objects) -> Iterator[str]:
    for _, container, words in containers(objects):
        for port in container.get("ports", []):
            if not 1 <= len(port.get("name", "")) <= 15:
                yield (
                    f"{words}: the name of port {port['containerPort']} is {port.get('name')!r}; "
                    "it must have 1 to 15 characters"
                )
