"""Manifests that are broken on purpose: one change of a render each, and the rules that must complain."""

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
SCALER, JOB = "HorizontalPodAutoscaler gateway", "Job loadtest"


@dataclass(frozen=True)
class Break:
    words: str
    render: str
    thing: str
    path: Path
    value: Any
    """What to put at the path, a function of what is there, or DROP."""
    rules: tuple[str, ...]

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


def renamed(name: str) -> Callable[[Object], list[Object]]:
    def change(thing: Object) -> list[Object]:
        thing["metadata"]["name"] = name
        return [thing]

    return change


_SECRET = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "csms"}, "stringData": {"pepper": "x"}}
_MONITOR = {"apiVersion": "monitoring.coreos.com/v1", "kind": "PodMonitor", "metadata": {"name": "gateway"}}
_SECRET_VARIABLE = {
    "name": "CSMS__SECURITY__PEPPER",
    "valueFrom": {"secretKeyRef": {"name": "csms", "key": "pepper"}},
}


def _in_pods() -> list[Break]:
    return [
        Break("the template lacks a label of the selector", "prod", "Deployment admin",
              ("spec", "selector", "matchLabels", "tier"), "api", ("selectors_match_templates",)),
        Break("a pod names a service account that does not exist", "base", ADMIN,
              (*POD, "serviceAccountName"), "nobody", ("service_accounts_exist",)),
        Break("a pod mounts a ConfigMap that does not exist", "base", VALKEY,
              (*POD, "volumes", 0, "configMap", "name"), "nothing",
              ("config_maps_exist", "named_files_are_mounted", "ports_are_those_of_the_process")),
        Break("a pod mounts a Secret that no operator makes", "base", GATEWAY,
              (*POD, "volumes", 3, "secret", "secretName"), "csms-tls", ("named_files_are_mounted", "secrets_are_known")),
        Break("a mount names no volume", "base", VALKEY,
              (*BOX, "volumeMounts", 2, "name"), "disk", ("volumes_and_mounts_fit",)),
        Break("the name of a port is too long", "base", VALKEY,
              (*BOX, "ports", 0, "name"), "valkey-of-the-csms",
              ("parts_reach_each_other", "policy_ports_exist", "port_names_are_short", "services_select_pods")),
        Break("a pod uses the network of its node", "base", GATEWAY,
              (*POD, "hostNetwork"), True, ("pods_leave_the_host_alone",)),
        Break("a container takes a port of its node", "base", GATEWAY,
              (*BOX, "ports", 0, "hostPort"), 8443, ("pods_leave_the_host_alone",)),
        Break("a probe asks another host", "base", GATEWAY,
              (*BOX, "livenessProbe", "httpGet", "host"), "example.com", ("pods_leave_the_host_alone",)),
        Break("a volume is a directory of the node", "base", VALKEY,
              (*POD, "volumes", 0), {"name": "config", "hostPath": {"path": "/etc"}},
              ("named_files_are_mounted", "ports_are_those_of_the_process", "volumes_have_safe_kinds")),
        Break("a container keeps capabilities", "base", GATEWAY,
              (*BOX, "securityContext", "capabilities"), {"drop": ["NET_RAW"]}, ("containers_have_no_privileges",)),
        Break("a container adds a capability", "base", GATEWAY,
              (*BOX, "securityContext", "capabilities", "add"), ["SYS_PTRACE"], ("containers_have_no_privileges",)),
        Break("a container is privileged", "base", ADMIN,
              (*BOX, "securityContext", "privileged"), True, ("containers_have_no_privileges",)),
        Break("a container may gain privileges", "base", ADMIN,
              (*BOX, "securityContext", "allowPrivilegeEscalation"), DROP, ("containers_have_no_privileges",)),
        Break("an init container runs unconfined", "base", GATEWAY, (*POD, "initContainers"),
              [{"name": "init", "image": "busybox:1.37", "resources": {"requests": {"cpu": "1", "memory": "1Mi"},
                "limits": {"memory": "1Mi"}}}],
              ("containers_have_no_privileges", "root_file_systems_are_read_only")),
        Break("a container runs as root", "base", GATEWAY,
              (*BOX, "securityContext", "runAsUser"), 0, ("pods_do_not_run_as_root",)),
        Break("a pod may run as root", "base", VALKEY,
              (*POD, "securityContext", "runAsNonRoot"), DROP, ("pods_do_not_run_as_root",)),
        Break("a pod has no seccomp profile", "base", VALKEY,
              (*POD, "securityContext", "seccompProfile"), DROP, ("pods_have_a_seccomp_profile",)),
        Break("a pod turns AppArmor off", "base", VALKEY,
              (*POD, "securityContext", "appArmorProfile"), {"type": "Unconfined"},
              ("pods_keep_the_protection_of_the_node",)),
        Break("a pod sets an unsafe sysctl", "base", VALKEY,
              (*POD, "securityContext", "sysctls"), [{"name": "net.core.somaxconn", "value": "1024"}],
              ("pods_keep_the_protection_of_the_node",)),
        Break("the root file system can be written", "base", GATEWAY,
              (*BOX, "securityContext", "readOnlyRootFilesystem"), False, ("root_file_systems_are_read_only",)),
        Break("a pod has a token of the cluster", "base", ADMIN,
              (*POD, "automountServiceAccountToken"), DROP, ("no_pod_has_a_token_of_the_cluster",)),
        Break("an image has no tag", "base", VALKEY, (*BOX, "image"), "valkey/valkey", ("images_have_a_tag",)),
        Break("an image is the latest", "base", GATEWAY, (*BOX, "image"), "csms:latest", ("images_have_a_tag",)),
        Break("a request is more than its limit", "prod", GATEWAY,
              (*BOX, "resources", "requests", "memory"), "1025Mi", ("requests_fit_limits",)),
        Break("a container has no memory limit", "base", VALKEY,
              (*BOX, "resources", "limits"), {}, ("memory_is_limited_and_cpu_is_not",)),
        Break("a container has a CPU limit", "base", GATEWAY,
              (*BOX, "resources", "limits", "cpu"), "1", ("memory_is_limited_and_cpu_is_not",)),
        Break("a Secret is mounted with a subPath", "base", ADMIN,
              (*BOX, "volumeMounts", 1, "subPath"), "pepper", ("no_mount_has_a_sub_path",)),
        Break("a secret is in the environment", "base", ADMIN, (*BOX, "env"), [_SECRET_VARIABLE],
              ("secrets_are_files", "mounted_files_are_named")),
    ]  # fmt: skip


def _in_the_process() -> list[Break]:
    return [
        Break("a variable names a setting that does not exist", "dev", GATEWAY,
              (*BOX, "env", 0, "name"), "CSMS__LIMITS__CONNECTION", ("settings_exist",)),
        Break("a variable has a value that csms refuses", "dev", GATEWAY,
              (*BOX, "env", 0, "value"), "many", ("settings_exist",)),
        Break("a variable lacks an underscore of the prefix", "dev", GATEWAY,
              (*BOX, "env", 0, "name"), "CSMS_LIMITS__CONNECTIONS", ("variables_are_read",)),
        Break("a variable of the Job is not used", "loadtest", JOB,
              (*BOX, "env", 0, "name"), "CHARGEPOINTS", ("variables_are_read",)),
        Break("the value of a variable is a number", "dev", GATEWAY,
              (*BOX, "env", 0, "value"), 2000, ("texts_are_texts",)),
        Break("a label is a boolean", "base", "Service gateway",
              ("metadata", "labels", "public"), True, ("texts_are_texts",)),
        Break("the TOML file has a setting that does not exist", "base", "ConfigMap admin",
              ("data", "admin.toml"), replace("health_port", "healthport"), ("settings_exist",)),
        Break("the TOML file names a file that is not mounted", "base", "ConfigMap gateway",
              ("data", "gateway.toml"), replace("/run/tls/rsa/tls.crt", "/run/tls/rsa/chain.pem"),
              ("mounted_files_are_named", "named_files_are_mounted")),
        Break("the TOML file names the pepper where it is not", "base", "ConfigMap admin",
              ("data", "admin.toml"), replace("csms/pepper", "pepper"),
              ("mounted_files_are_named", "named_files_are_mounted", "settings_exist")),
        Break("the TOML file holds the password of the store", "base", "ConfigMap admin",
              ("data", "admin.toml"), replace('url_file = "/run/secrets/csms/store-url"', 'url = "redis://u:p@h"'),
              ("mounted_files_are_named", "no_render_holds_a_secret", "settings_exist")),
        Break("the process has another port than the manifest says", "base", "ConfigMap gateway",
              ("data", "gateway.toml"), replace("wss_port = 8443", "wss_port = 8444"),
              ("ports_are_those_of_the_process",)),
        Break("the manifest has a port that nobody listens on", "base", GATEWAY,
              (*BOX, "ports", 2), {"name": "ws", "containerPort": 8180}, ("ports_are_those_of_the_process",)),
        Break("Valkey listens on another port", "base", "ConfigMap valkey",
              ("data", "valkey.conf"), replace("port 6379", "port 6380"), ("ports_are_those_of_the_process",)),
        Break("the health port is on loopback", "base", "ConfigMap gateway",
              ("data", "gateway.toml"), replace('health_host = "0.0.0.0"', ""), ("processes_listen_beyond_loopback",)),
        Break("csms has no such command", "base", GATEWAY, (*BOX, "args", 0), "gatway", ("commands_exist",)),
        Break("liveness depends on readiness", "base", GATEWAY,
              (*BOX, "livenessProbe", "httpGet", "path"), "/readyz", ("probes_ask_what_they_should",)),
        Break("a container has no readiness probe", "base", ADMIN,
              (*BOX, "readinessProbe"), DROP, ("probes_ask_what_they_should",)),
        Break("a probe asks a port that the container does not have", "base", ADMIN,
              (*BOX, "readinessProbe", "httpGet", "port"), "healthz", ("probes_ask_ports_that_exist",)),
        Break("a start has no time for a store that loads", "base", GATEWAY,
              (*BOX, "startupProbe", "failureThreshold"), 30, ("a_start_may_wait_for_the_store",)),
        Break("the grace is shorter than the drain", "prod", GATEWAY,
              (*POD, "terminationGracePeriodSeconds"), 104, ("the_grace_fits_the_drain",)),
        Break("the drain window is longer than the grace", "base", "ConfigMap gateway",
              ("data", "gateway.toml"), replace("window_s = 60", "window_s = 76"), ("the_grace_fits_the_drain",)),
        Break("SIGTERM comes at once", "base", GATEWAY,
              (*BOX, "lifecycle"), DROP, ("pods_stay_ready_before_sigterm",)),
    ]  # fmt: skip


def _around_pods() -> list[Break]:
    return [
        Break("two objects have one name", "base", "Service admin", (), twice, ("names_are_unique",)),
        Break("an object is in another namespace", "prod", "PodDisruptionBudget admin",
              ("metadata", "namespace"), "default",
              ("budgets_select_one_workload", "deployments_have_a_budget", "one_namespace_holds_all")),
        Break("the namespace admits every pod", "prod", "Namespace csms",
              ("metadata", "labels", "pod-security.kubernetes.io/enforce"), "baseline", ("one_namespace_holds_all",)),
        Break("a Service selects nothing", "base", "Service gateway",
              ("spec", "selector", *LABELS), "gatewy", ("services_select_pods",)),
        Break("a Service asks a port that no pod has", "base", "Service gateway",
              ("spec", "ports", 0, "targetPort"), "https", ("services_select_pods",)),
        Break("the StatefulSet has no Service", "base", VALKEY,
              ("spec", "serviceName"), "valkey-headless", ("stateful_sets_have_their_service",)),
        Break("traffic stays local on a Service without an outside", "base", "Service admin",
              ("spec", "externalTrafficPolicy"), "Local", ("traffic_policies_are_on_services_that_have_them",)),
        Break("the load balancer hides the charge points", "prod", "Service gateway",
              ("spec", "externalTrafficPolicy"), "Cluster", ("load_balancers_keep_the_address_of_the_client",)),
        Break("the admin API is open to the world", "prod", "Service admin",
              ("spec", "type"), "NodePort", ("only_the_gateway_is_reached_from_outside",)),
        Break("a render makes a Secret", "base", "Service admin", (), beside(_SECRET), ("no_render_holds_a_secret",)),
        Break("a budget has two fields", "base", "PodDisruptionBudget gateway",
              ("spec", "minAvailable"), 1, ("budgets_have_one_field",)),
        Break("a budget allows no disruption", "base", "PodDisruptionBudget gateway",
              ("spec", "maxUnavailable"), 0, ("budgets_allow_a_disruption",)),
        Break("a budget wants all pods of the least number", "prod", "PodDisruptionBudget gateway",
              ("spec",), lambda spec: {"minAvailable": "90%", "selector": spec["selector"]},
              ("budgets_allow_a_disruption",)),
        Break("a budget selects nothing", "base", "PodDisruptionBudget gateway",
              ("spec", "selector", "matchLabels", *LABELS), "gatewy",
              ("budgets_select_one_workload", "deployments_have_a_budget")),
        Break("a Deployment has no budget", "base", "PodDisruptionBudget gateway", (), DROP,
              ("deployments_have_a_budget",)),
        Break("a rollout takes a pod away first", "base", ADMIN,
              ("spec", "strategy", "rollingUpdate", "maxUnavailable"), 1, ("rollouts_take_no_pod_away_first",)),
        Break("a rollout moves charge points more than once", "prod", GATEWAY,
              ("spec", "strategy", "rollingUpdate", "maxSurge"), 1, ("rollouts_move_a_charge_point_once",)),
        Break("the pods may all be in one zone", "base", GATEWAY,
              (*POD, "topologySpreadConstraints", 0), DROP, ("pods_spread_over_zones_and_nodes",)),
        Break("the spread counts other pods", "base", GATEWAY,
              (*POD, "topologySpreadConstraints", 0, "labelSelector", "matchLabels", *LABELS), "admin",
              ("spread_counts_own_pods",)),
        Break("the autoscaler has no target", "prod", SCALER, ("spec", "scaleTargetRef", "name"), "gateways",
              ("autoscalers_have_a_target",)),
        Break("the autoscaler has its least number above its most", "prod", SCALER,
              ("spec", "minReplicas"), 13, ("autoscalers_have_a_range",)),
        Break("replicas are set beside an autoscaler", "prod", GATEWAY,
              ("spec", "replicas"), 3, ("nothing_sets_replicas_beside_an_autoscaler",)),
        Break("the autoscaler waits longer than the server allows", "prod", SCALER,
              ("spec", "behavior", "scaleDown", "stabilizationWindowSeconds"), 7200,
              ("autoscalers_keep_the_bounds_of_the_server",)),
        Break("a period of the autoscaler is longer than the server allows", "prod", SCALER,
              ("spec", "behavior", "scaleDown", "policies", 0, "periodSeconds"), 3600,
              ("autoscalers_keep_the_bounds_of_the_server",)),
        Break("the autoscaler follows a metric that does not exist", "prod", SCALER,
              ("spec", "metrics", 0, "pods", "metric", "name"), "csms_connection",
              ("autoscalers_follow_connections_first",)),
        Break("the autoscaler takes half of the pods at once", "prod", SCALER,
              ("spec", "behavior", "scaleDown", "policies", 0),
              {"type": "Percent", "value": 50, "periodSeconds": 600}, ("autoscalers_go_down_slowly",)),
        Break("a custom resource has a wrong field", "prod", "Certificate csms-tls-rsa",
              ("spec", "privateKey", "size"), 3072, ("custom_resources_match_their_schemas",)),
        Break("a custom resource has no schema", "base", "Service admin", (), beside(_MONITOR),
              ("custom_resources_match_their_schemas",)),
        Break("a certificate goes into a Secret that nobody mounts", "prod", "Certificate csms-tls-rsa",
              ("spec", "secretName"), "rsa", ("secrets_are_known",)),
    ]  # fmt: skip


def _in_policies() -> list[Break]:
    policy = "NetworkPolicy {}".format
    return [
        Break("nothing is denied by default", "base", policy("default-deny"), (), DROP,
              ("everything_is_denied_by_default", "policies_cover_every_pod")),
        Break("a policy selects nothing", "base", policy("valkey"),
              ("spec", "podSelector", "matchLabels", *LABELS), "redis",
              ("parts_reach_each_other", "policies_select_pods")),
        Break("a policy lets every namespace in", "base", policy("admin"),
              ("spec", "ingress", 0, "from", 0, "namespaceSelector"), {},
              ("only_charge_points_come_from_anywhere", "policies_select_pods")),
        Break("a peer is nobody", "base", policy("to-store"),
              ("spec", "egress", 0, "to", 0, "podSelector", "matchLabels", *LABELS), "redis",
              ("parts_reach_each_other", "policies_select_pods")),
        Break("a policy names a port that the pod does not have", "base", policy("admin"),
              ("spec", "ingress", 0, "ports", 0, "port"), "http", ("policy_ports_exist",)),
        Break("everyone reaches the health port", "base", policy("gateway"),
              ("spec", "ingress", 1, "from"), DROP, ("only_charge_points_come_from_anywhere",)),
        Break("a process may call the whole world", "prod", policy("to-store"),
              ("spec", "egress", 0, "to", 0, "ipBlock", "cidr"), "0.0.0.0/0",
              ("only_charge_points_come_from_anywhere",)),
        Break("charge points are not let in", "prod", policy("gateway"),
              ("spec", "ingress", 0), DROP, ("charge_points_reach_the_gateway",)),
        Break("monitoring is not let in", "base", policy("admin"),
              ("spec", "ingress", 1), DROP, ("monitoring_reads_every_health_port",)),
        Break("Valkey does not let the admin process in", "base", policy("valkey"),
              ("spec", "ingress", 0, "from", 0, "podSelector", "matchExpressions", 0, "values"), ["gateway"],
              ("parts_reach_each_other",)),
        Break("the Job may not call the gateway", "loadtest", policy("loadtest"),
              ("spec", "egress", 0, "ports", 0, "port"), 443, ("parts_reach_each_other",)),
        Break("DNS works only over UDP", "base", policy("to-dns"),
              ("spec", "egress", 0, "ports", 1), DROP, ("csms_pods_resolve_names",)),
        Break("nothing leads to the external store", "prod", policy("to-store"), (), DROP,
              ("processes_reach_a_store",)),
        Break("a policy with egress rules is one of ingress only", "base", policy("to-store"),
              ("spec", "policyTypes"), ["Ingress"],
              ("parts_reach_each_other", "policies_say_their_directions")),
    ]  # fmt: skip


BREAKS = [*_in_pods(), *_in_the_process(), *_around_pods(), *_in_policies()]
