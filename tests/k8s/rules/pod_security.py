"""The restricted level of pod security in full, and some demands of ours beyond it."""

from collections.abc import Iterator
from typing import Any

from tests.k8s.rules.objects import Object, Objects, containers, of_kind, pods, title

_VOLUMES = {
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
}
_SAFE_SYSCTLS = {
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ping_group_range",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.tcp_wmem",
}
_SECRET_MODE = 0o440
_SELINUX_TYPES = {None, "", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"}


def pods_leave_the_host_alone(objects: Objects) -> Iterator[str]:
    for pod in pods(objects):
        for field in ("hostNetwork", "hostPID", "hostIPC"):
            if pod.spec.get(field):
                yield f"{pod.title}: {field} is true; a pod must not share this with its node"
        for container in pod.containers:
            for port in container.get("ports", []):
                if port.get("hostPort"):
                    yield f"{pod.title}: hostPort {port['hostPort']} is set; use a Service"
            for probe in _handlers(container):
                if any("host" in action for action in probe.values() if isinstance(action, dict)):
                    yield f"{pod.title}: a probe names a host; a probe must ask the pod itself"


def _handlers(container: Object) -> Iterator[Object]:
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        yield container.get(probe, {})
    yield from container.get("lifecycle", {}).values()


def volumes_have_safe_kinds(objects: Objects) -> Iterator[str]:
    for pod in pods(objects):
        for volume in pod.spec.get("volumes", []):
            if wrong := sorted(set(volume) - _VOLUMES - {"name"}):
                yield (
                    f"{pod.title}: volume {volume['name']} is a {wrong[0]}; "
                    f"it must be one of {', '.join(sorted(_VOLUMES))}"
                )


def containers_have_no_privileges(objects: Objects) -> Iterator[str]:
    for _, container, words in containers(objects):
        context = container.get("securityContext", {})
        if context.get("privileged"):
            yield f"{words}: privileged is true; it must be absent"
        if context.get("allowPrivilegeEscalation") is not False:
            yield f"{words}: allowPrivilegeEscalation must be false"
        if context.get("procMount") not in {None, "Default"}:
            yield f"{words}: procMount is {context['procMount']}; it must be absent"
        capabilities = context.get("capabilities", {})
        if "ALL" not in capabilities.get("drop", []) or set(capabilities.get("add", [])):
            yield f"{words}: capabilities must drop ALL and add none"


def pods_do_not_run_as_root(objects: Objects) -> Iterator[str]:
    for pod, container, words in containers(objects):
        for field in ("runAsUser", "runAsGroup"):
            if _effective(pod.spec, container, field) in {None, 0}:
                yield f"{words}: {field} must be a number other than 0"
        if _effective(pod.spec, container, "runAsNonRoot") is not True:
            yield f"{words}: runAsNonRoot must be true"


def pods_are_in_no_group_of_root(objects: Objects) -> Iterator[str]:
    for pod in pods(objects):
        context = pod.spec.get("securityContext", {})
        if context.get("fsGroup") == 0 or 0 in context.get("supplementalGroups", []):
            yield f"{pod.title}: fsGroup and supplementalGroups must not have 0, which is the group of root"


def pods_can_read_their_secrets_and_nobody_else(objects: Objects) -> Iterator[str]:
    for pod in pods(objects):
        sources = [source for v in pod.spec.get("volumes", []) if (source := v.get("secret"))]
        writes = bool(pod.owner["spec"].get("volumeClaimTemplates"))
        if (sources or writes) and "fsGroup" not in pod.spec.get("securityContext", {}):
            yield f"{pod.title}: fsGroup is missing; its files belong to root"
        for source in sources:
            mode = source.get("defaultMode", 0o644)
            if mode != _SECRET_MODE:
                yield f"{pod.title}: Secret {source['secretName']} has defaultMode {mode:#o}; it must be 0440"
            if source.get("optional"):
                yield f"{pod.title}: Secret {source['secretName']} is optional; the pod must wait for it"


def containers_of_a_pod_are_apart(objects: Objects) -> Iterator[str]:
    for pod in pods(objects):
        if pod.spec.get("shareProcessNamespace"):
            yield f"{pod.title}: shareProcessNamespace is true; csms would not get SIGTERM as process 1"
        if "ephemeralContainers" in pod.spec:
            yield f"{pod.title}: ephemeralContainers are for kubectl debug; remove them"


def pods_have_a_seccomp_profile(objects: Objects) -> Iterator[str]:
    for pod, container, words in containers(objects):
        profile = (_effective(pod.spec, container, "seccompProfile") or {}).get("type")
        if profile not in {"RuntimeDefault", "Localhost"}:
            yield f"{words}: seccompProfile.type is {profile}; it must be RuntimeDefault"


def pods_keep_the_protection_of_the_node(objects: Objects) -> Iterator[str]:
    for pod in pods(objects):
        for context in (pod.spec, *pod.containers):
            settings = context.get("securityContext", {})
            linux = settings.get("seLinuxOptions", {})
            if linux.get("type") not in _SELINUX_TYPES or linux.get("user") or linux.get("role"):
                yield f"{pod.title}: seLinuxOptions sets a user, a role or an unsafe type; remove it"
            if settings.get("appArmorProfile", {}).get("type") == "Unconfined":
                yield f"{pod.title}: appArmorProfile.type is Unconfined; it must be RuntimeDefault"
            if settings.get("windowsOptions", {}).get("hostProcess"):
                yield f"{pod.title}: windowsOptions.hostProcess is true; it must be absent"
            for sysctl in settings.get("sysctls", []):
                if sysctl["name"] not in _SAFE_SYSCTLS:
                    yield f"{pod.title}: the sysctl {sysctl['name']} is unsafe; remove it"


def root_file_systems_are_read_only(objects: Objects) -> Iterator[str]:
    for _, container, words in containers(objects):
        if container.get("securityContext", {}).get("readOnlyRootFilesystem") is not True:
            yield f"{words}: readOnlyRootFilesystem must be true"


def no_pod_has_a_token_of_the_cluster(objects: Objects) -> Iterator[str]:
    for pod in pods(objects):
        if pod.spec.get("automountServiceAccountToken") is not False:
            yield f"{pod.title}: automountServiceAccountToken must be false"
    for thing in of_kind(objects, "ServiceAccount"):
        if thing.get("automountServiceAccountToken") is not False:
            yield f"{title(thing)}: automountServiceAccountToken must be false"


def _effective(pod: Object, container: Object, field: str) -> Any:
    own = container.get("securityContext", {})
    return own[field] if field in own else pod.get("securityContext", {}).get(field)
