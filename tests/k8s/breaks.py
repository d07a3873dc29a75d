"""Manifests that are broken on purpose: one change of a render each, and what must be said about it."""

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


def renamed(name: str) -> Callable[[Object], list[Object]]:
    def change(thing: Object) -> list[Object]:
        thing["metadata"]["name"] = name
        return [thing]

    return change


_SECRET = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "csms"}, "stringData": {"pepper": "x"}}
_MONITOR = {"apiVersion": "monitoring.coreos.com/v1", "kind": "PodMonitor", "metadata": {"name": "gateway"}}
_RSA = """
[[tls.certificates]]
chain_file = "/run/tls/rsa/tls.crt"
key_file = "/run/tls/rsa/tls.key"
"""
_SECRET_VARIABLE = {
    "name": "CSMS__SECURITY__PEPPER",
    "valueFrom": {"secretKeyRef": {"name": "csms", "key": "pepper"}},
}


def _in_pods() -> list[Break]:
    return [
        Break("the template lacks a label of the selector", "prod", "Deployment admin",
              ("spec", "selector", "matchLabels", "tier"), "api",
              "selectors_match_templates",
              "Deployment admin: spec.selector does not match the labels of its template; the template "
              "needs every label of the selector"),
        Break("a pod names a service account that does not exist", "base", ADMIN,
              (*POD, "serviceAccountName"), "nobody",
              "service_accounts_exist",
              "Deployment admin: there is no ServiceAccount nobody; name one of those that are rendered"),
        Break("a pod mounts a ConfigMap that does not exist", "base", VALKEY,
              (*POD, "volumes", 0, "configMap", "name"), "nothing",
              "config_maps_exist",
              "StatefulSet valkey: there is no ConfigMap nothing; name one of those that are rendered",
              ("mounted_files_are_named", "named_files_are_mounted", "ports_are_those_of_the_process")),
        Break("a pod mounts a Secret that no operator makes", "base", GATEWAY,
              (*POD, "volumes", 3, "secret", "secretName"), "csms-tls",
              "secrets_are_known",
              "Deployment gateway: no operator makes the Secret csms-tls; it must be one of csms, "
              "csms-tls-ecdsa, csms-tls-rsa, valkey, csms-client-authorities, csms-pki, loadtest, or be "
              "added to tests/k8s/operator_secrets.py",
              ("gateways_have_both_key_types", "named_files_are_mounted")),
        Break("a mount names no volume", "base", VALKEY,
              (*BOX, "volumeMounts", 2, "name"), "disk",
              "volumes_and_mounts_fit",
              "StatefulSet valkey: a volumeMount names the volume disk, which does not exist; add the "
              "volume",
              ("the_store_keeps_its_data",)),
        Break("the name of a port is too long", "base", VALKEY,
              (*BOX, "ports", 0, "name"), "valkey-of-the-csms",
              "port_names_are_short",
              "StatefulSet valkey: container valkey: the name of port 6379 is 'valkey-of-the-csms'; it "
              "must have 1 to 15 characters",
              ("parts_reach_each_other", "policy_ports_exist", "services_select_pods")),
        Break("a pod uses the network of its node", "base", GATEWAY,
              (*POD, "hostNetwork"), True,
              "pods_leave_the_host_alone",
              "Deployment gateway: hostNetwork is true; a pod must not share this with its node"),
        Break("a container takes a port of its node", "base", GATEWAY,
              (*BOX, "ports", 0, "hostPort"), 8443,
              "pods_leave_the_host_alone",
              "Deployment gateway: hostPort 8443 is set; use a Service"),
        Break("a probe asks another host", "base", GATEWAY,
              (*BOX, "livenessProbe", "httpGet", "host"), "example.com",
              "pods_leave_the_host_alone",
              "Deployment gateway: a probe names a host; a probe must ask the pod itself"),
        Break("a volume is a directory of the node", "base", VALKEY,
              (*POD, "volumes", 0), {"name": "config", "hostPath": {"path": "/etc"}},
              "volumes_have_safe_kinds",
              "StatefulSet valkey: volume config is a hostPath; it must be one of configMap, csi, "
              "downwardAPI, emptyDir, ephemeral, persistentVolumeClaim, projected, secret",
              ("mounted_files_are_named", "named_files_are_mounted", "ports_are_those_of_the_process")),
        Break("a container keeps capabilities", "base", GATEWAY,
              (*BOX, "securityContext", "capabilities"), {"drop": ["NET_RAW"]},
              "containers_have_no_privileges",
              "Deployment gateway: container gateway: capabilities must drop ALL and add none"),
        Break("a container adds a capability", "base", GATEWAY,
              (*BOX, "securityContext", "capabilities", "add"), ["SYS_PTRACE"],
              "containers_have_no_privileges",
              "Deployment gateway: container gateway: capabilities must drop ALL and add none"),
        Break("a container is privileged", "base", ADMIN,
              (*BOX, "securityContext", "privileged"), True,
              "containers_have_no_privileges",
              "Deployment admin: container admin: privileged is true; it must be absent"),
        Break("a container may gain privileges", "base", ADMIN,
              (*BOX, "securityContext", "allowPrivilegeEscalation"), DROP,
              "containers_have_no_privileges",
              "Deployment admin: container admin: allowPrivilegeEscalation must be false"),
        Break("an init container runs unconfined", "base", GATEWAY, (*POD, "initContainers"),
              [{"name": "init", "image": "csms:0.1.0",
                "resources": {"requests": {"cpu": "1", "memory": "64Mi"}, "limits": {"memory": "64Mi"}}}],
              "containers_have_no_privileges",
              "Deployment gateway: container init: allowPrivilegeEscalation must be false",
              ("commands_exist", "root_file_systems_are_read_only")),
        Break("a container runs as root", "base", GATEWAY,
              (*BOX, "securityContext", "runAsUser"), 0,
              "pods_do_not_run_as_root",
              "Deployment gateway: container gateway: runAsUser must be a number other than 0"),
        Break("a pod may run as root", "base", VALKEY,
              (*POD, "securityContext", "runAsNonRoot"), DROP,
              "pods_do_not_run_as_root",
              "StatefulSet valkey: container valkey: runAsNonRoot must be true"),
        Break("a pod has no seccomp profile", "base", VALKEY,
              (*POD, "securityContext", "seccompProfile"), DROP,
              "pods_have_a_seccomp_profile",
              "StatefulSet valkey: container valkey: seccompProfile.type is None; it must be "
              "RuntimeDefault"),
        Break("a pod turns AppArmor off", "base", VALKEY,
              (*POD, "securityContext", "appArmorProfile"), {"type": "Unconfined"},
              "pods_keep_the_protection_of_the_node",
              "StatefulSet valkey: appArmorProfile.type is Unconfined; it must be RuntimeDefault"),
        Break("a pod sets an unsafe sysctl", "base", VALKEY,
              (*POD, "securityContext", "sysctls"), [{"name": "net.core.somaxconn", "value": "1024"}],
              "pods_keep_the_protection_of_the_node",
              "StatefulSet valkey: the sysctl net.core.somaxconn is unsafe; remove it"),
        Break("the root file system can be written", "base", GATEWAY,
              (*BOX, "securityContext", "readOnlyRootFilesystem"), False,
              "root_file_systems_are_read_only",
              "Deployment gateway: container gateway: readOnlyRootFilesystem must be true"),
        Break("a pod has a token of the cluster", "base", ADMIN,
              (*POD, "automountServiceAccountToken"), DROP,
              "no_pod_has_a_token_of_the_cluster",
              "Deployment admin: automountServiceAccountToken must be false"),
        Break("an image has no tag", "base", VALKEY, (*BOX, "image"), "valkey/valkey",
              "images_have_a_tag",
              "StatefulSet valkey: container valkey: image valkey/valkey has no fixed version; it needs a "
              "tag other than latest"),
        Break("an image is the latest", "base", GATEWAY, (*BOX, "image"), "csms:latest",
              "images_have_a_tag",
              "Deployment gateway: container gateway: image csms:latest has no fixed version; it needs a "
              "tag other than latest",
              ("images_are_those_of_one_release",)),
        Break("a request is more than its limit", "prod", GATEWAY,
              (*BOX, "resources", "requests", "memory"), "1025Mi",
              "requests_fit_limits",
              "Deployment gateway: container gateway: requests.memory 1025Mi is more than its limit 1Gi; "
              "it must be at most the limit"),
        Break("a container has no memory limit", "base", VALKEY,
              (*BOX, "resources", "limits"), {},
              "memory_is_limited_and_cpu_is_not",
              "StatefulSet valkey: container valkey: limits.memory is missing; a leak would take the "
              "memory of other pods"),
        Break("a container has a CPU limit", "base", GATEWAY,
              (*BOX, "resources", "limits", "cpu"), "1",
              "memory_is_limited_and_cpu_is_not",
              "Deployment gateway: container gateway: limits.cpu is set; a throttled process answers late, "
              "so it must be absent"),
        Break("a Secret is mounted with a subPath", "base", ADMIN,
              (*BOX, "volumeMounts", 1, "subPath"), "pepper",
              "no_mount_has_a_sub_path",
              "Deployment admin: the mount /run/secrets/csms has a subPath, so the file would never "
              "change; mount the directory"),
        Break("a secret is in the environment", "base", ADMIN, (*BOX, "env"), [_SECRET_VARIABLE],
              "secrets_are_files",
              "Deployment admin: container admin: CSMS__SECURITY__PEPPER is a secret; mount the Secret as "
              "a directory",
              ("settings_exist",)),
    ]  # fmt: skip


def _in_the_process() -> list[Break]:
    return [
        Break("a variable names a setting that does not exist", "dev", GATEWAY,
              (*BOX, "env", 0, "name"), "CSMS__LIMITS__CONNECTION",
              "settings_exist",
              "Deployment gateway: container gateway: csms refuses its configuration: unknown variable "
              "CSMS__LIMITS__CONNECTION; did you mean CSMS__LIMITS__CONNECTIONS?"),
        Break("a variable has a value that csms refuses", "dev", GATEWAY,
              (*BOX, "env", 0, "value"), "many",
              "settings_exist",
              "Deployment gateway: container gateway: csms refuses its configuration: "
              "CSMS__LIMITS__CONNECTIONS: expected a whole number, got 'many'"),
        Break("a variable lacks an underscore of the prefix", "dev", GATEWAY,
              (*BOX, "env", 0, "name"), "CSMS_LIMITS__CONNECTIONS",
              "variables_are_read",
              "Deployment gateway: container gateway: csms does not read the variable "
              "CSMS_LIMITS__CONNECTIONS; its name must begin with CSMS__"),
        Break("a variable of the Job is not used", "loadtest", JOB,
              (*BOX, "env", 0, "name"), "SCENARIOS",
              "variables_are_read",
              "Job loadtest: container loadtest: the command does not use the variable SCENARIOS; "
              "remove it"),
        Break("the value of a variable is a number", "dev", GATEWAY,
              (*BOX, "env", 0, "value"), 2000,
              "texts_are_texts",
              "Deployment gateway: env CSMS__LIMITS__CONNECTIONS is 2000, not a text; put the value in "
              "quotes"),
        Break("a label is a boolean", "base", "Service gateway",
              ("metadata", "labels", "public"), True,
              "texts_are_texts",
              "Service gateway: labels public is True, not a text; put the value in quotes"),
        Break("the TOML file has a setting that does not exist", "base", "ConfigMap admin",
              ("data", "admin.toml"), replace("health_port", "healthport"),
              "settings_exist",
              "Deployment admin: container admin: csms refuses its configuration: /etc/csms/admin.toml: "
              "unknown key listen.healthport; did you mean listen.health_port?"),
        Break("the TOML file names a file that is not mounted", "base", "ConfigMap gateway",
              ("data", "gateway.toml"), replace("/run/tls/rsa/tls.crt", "/run/tls/rsa/chain.pem"),
              "named_files_are_mounted",
              "Deployment gateway: container gateway: the file /run/tls/rsa/chain.pem is named, but no "
              "volume has it; mount the volume that has it",
              ("mounted_files_are_named",)),
        Break("no setting names a mounted file", "base", "ConfigMap gateway",
              ("data", "gateway.toml"), replace(_RSA, ""),
              "mounted_files_are_named",
              "Deployment gateway: container gateway: no setting names the mounted file "
              "/run/tls/rsa/tls.crt; name it or do not mount it"),
        Break("the TOML file names the pepper where it is not", "base", "ConfigMap admin",
              ("data", "admin.toml"), replace("csms/pepper", "pepper"),
              "named_files_are_mounted",
              "Deployment admin: container admin: the file /run/secrets/pepper is named, but no volume has "
              "it; mount the volume that has it",
              ("mounted_files_are_named", "settings_exist")),
        Break("the TOML file holds the password of the store", "base", "ConfigMap admin",
              ("data", "admin.toml"), replace('url_file = "/run/secrets/csms/store-url"',
              'url = "redis://u:p@h"'),
              "no_render_holds_a_secret",
              "ConfigMap admin: admin.toml holds a key or a password; it belongs into a Secret",
              ("mounted_files_are_named", "settings_exist")),
        Break("the process has another port than the manifest says", "base", "ConfigMap gateway",
              ("data", "gateway.toml"), replace("wss_port = 8443", "wss_port = 8444"),
              "ports_are_those_of_the_process",
              "Deployment gateway: container gateway: ports are {'wss': 8443, 'health': 9180}; they must "
              "be {'wss': 8444, 'health': 9180}, as in the configuration of the process"),
        Break("the manifest has a port that nobody listens on", "base", GATEWAY,
              (*BOX, "ports", 2), {"name": "ws", "containerPort": 8180},
              "ports_are_those_of_the_process",
              "Deployment gateway: container gateway: ports are {'wss': 8443, 'health': 9180, 'ws': 8180}; "
              "they must be {'wss': 8443, 'health': 9180}, as in the configuration of the process"),
        Break("Valkey listens on another port", "base", "ConfigMap valkey",
              ("data", "valkey.conf"), replace("port 6379", "port 6380"),
              "ports_are_those_of_the_process",
              "StatefulSet valkey: container valkey: nothing configures port 6379; name the port of the "
              "process"),
        Break("the health port is on loopback", "base", "ConfigMap gateway",
              ("data", "gateway.toml"), replace('health_host = "0.0.0.0"', ""),
              "processes_listen_beyond_loopback",
              "Deployment gateway: container gateway: listen.health_host is 127.0.0.1, where neither the "
              "kubelet nor a Service reaches the process; it must be 0.0.0.0"),
        Break("csms has no such command", "base", GATEWAY, (*BOX, "args", 0), "gatway",
              "commands_exist",
              "Deployment gateway: container gateway: args are ['gatway', '--config', "
              "'/etc/csms/gateway.toml']; they must be gateway or admin, --config and the path of a TOML "
              "file"),
        Break("liveness depends on readiness", "base", GATEWAY,
              (*BOX, "livenessProbe", "httpGet", "path"), "/readyz",
              "probes_ask_what_they_should",
              "Deployment gateway: container gateway: livenessProbe asks /readyz; it must ask /livez"),
        Break("a container has no readiness probe", "base", ADMIN,
              (*BOX, "readinessProbe"), DROP,
              "probes_ask_what_they_should",
              "Deployment admin: container admin: readinessProbe asks None; it must ask /readyz",
              ("what_a_service_leads_to_says_when_it_is_ready",)),
        Break("a probe asks a port that the container does not have", "base", ADMIN,
              (*BOX, "readinessProbe", "httpGet", "port"), "healthz",
              "probes_ask_ports_that_exist",
              "Deployment admin: container admin: readinessProbe asks port healthz, which the container "
              "does not have; it must be one of 8080, 9181, api, health",
              ("probes_ask_the_health_port",)),
        Break("the kubelet ends a process that waits for its store", "base", GATEWAY,
              (*BOX, "startupProbe", "httpGet", "path"), "/readyz",
              "probes_ask_what_they_should",
              "Deployment gateway: container gateway: startupProbe asks /readyz; it must ask /livez",
              ("a_store_may_load_its_file_for_minutes",)),
        Break("the kubelet ends a store that loads", "base", VALKEY,
              (*BOX, "startupProbe", "failureThreshold"), 12,
              "a_store_may_load_its_file_for_minutes",
              "StatefulSet valkey: container valkey: startupProbe gives 60 s; it must be 300 s or more, "
              "because a large store loads its file for minutes"),
        Break("a rollout fails before the store has loaded", "base", GATEWAY,
              ("spec", "progressDeadlineSeconds"), 60,
              "a_rollout_may_wait_for_the_store",
              "Deployment gateway: progressDeadlineSeconds is 60; it must be 300 or more, because a process "
              "is not ready while its store loads"),
        Break("the grace is shorter than the drain", "prod", GATEWAY,
              (*POD, "terminationGracePeriodSeconds"), 104,
              "the_grace_fits_the_drain",
              "Deployment gateway: terminationGracePeriodSeconds is 104; it must be at least 105: 15 of "
              "preStop, 60 of drain and 30"),
        Break("the drain window is longer than the grace", "base", "ConfigMap gateway",
              ("data", "gateway.toml"), replace("window_s = 60", "window_s = 76"),
              "the_grace_fits_the_drain",
              "Deployment gateway: terminationGracePeriodSeconds is 120; it must be at least 121: 15 of "
              "preStop, 76 of drain and 30"),
        Break("a gateway has the keys of the authorities", "client-certificates", GATEWAY,
              (*POD, "volumes", 4, "secret", "secretName"), "csms-pki",
              "only_admin_has_the_keys_of_authorities",
              "Deployment gateway: it mounts the Secret csms-pki; only an admin process may have these keys",
              ("mounted_files_are_named", "named_files_are_mounted")),
        Break("SIGTERM comes at once", "base", GATEWAY,
              (*BOX, "lifecycle"), DROP,
              "pods_stay_ready_before_sigterm",
              "Deployment gateway: container gateway: the preStop sleep is 0 s; it must be 5 s or more, "
              "because load balancers still send connections for some seconds"),
    ]  # fmt: skip


def _around_pods() -> list[Break]:
    return [
        Break("two objects have one name", "base", "Service admin", (), twice,
              "names_are_unique",
              "Service admin: metadata.name occurs 2 times; each object of a kind needs a name of its own"),
        Break("an object is in another namespace", "prod", "PodDisruptionBudget admin",
              ("metadata", "namespace"), "default",
              "one_namespace_holds_all",
              "PodDisruptionBudget admin: metadata.namespace is default; it must be csms",
              ("budgets_select_one_workload", "deployments_have_a_budget")),
        Break("the namespace admits every pod", "prod", "Namespace csms",
              ("metadata", "labels", "pod-security.kubernetes.io/enforce"), "baseline",
              "one_namespace_holds_all",
              "Namespace csms: the label pod-security.kubernetes.io/enforce is baseline; it must be "
              "restricted"),
        Break("a Service selects nothing", "base", "Service gateway",
              ("spec", "selector", *LABELS), "gatewy",
              "services_select_pods",
              "Service gateway: spec.selector selects 0 workloads; it must have the labels of exactly one"),
        Break("a Service asks a port that no pod has", "base", "Service gateway",
              ("spec", "ports", 0, "targetPort"), "https",
              "services_select_pods",
              "Service gateway: targetPort https is not a port of Deployment gateway; it must be one of "
              "8443, 9180, health, wss",
              ("services_offer_only_what_they_are_for",)),
        Break("the StatefulSet has no Service", "base", VALKEY,
              ("spec", "serviceName"), "valkey-headless",
              "stateful_sets_have_their_service",
              "StatefulSet valkey: there is no Service valkey-headless; spec.serviceName must name one "
              "that is rendered"),
        Break("traffic stays local on a Service without an outside", "base", "Service admin",
              ("spec", "externalTrafficPolicy"), "Local",
              "traffic_policies_are_on_services_that_have_them",
              "Service admin: externalTrafficPolicy is set, but the type is ClusterIP; only LoadBalancer "
              "and NodePort may have it"),
        Break("the load balancer hides the charge points", "prod", "Service gateway",
              ("spec", "externalTrafficPolicy"), "Cluster",
              "load_balancers_keep_the_address_of_the_client",
              "Service gateway: externalTrafficPolicy must be Local, or csms sees the address of a node"),
        Break("the admin API is open to the world", "prod", "Service admin",
              ("spec", "type"), "NodePort",
              "only_the_gateway_is_reached_from_outside",
              "Service admin: type is NodePort; only the gateway may be reached from outside the cluster",
              ("load_balancers_keep_the_address_of_the_client",)),
        Break("a render makes a Secret", "base", "Service admin", (), beside(_SECRET),
              "no_render_holds_a_secret",
              "Secret csms: a render must hold no Secret; the operator makes it"),
        Break("a budget has two fields", "base", "PodDisruptionBudget gateway",
              ("spec", "minAvailable"), 1,
              "budgets_have_one_field",
              "PodDisruptionBudget gateway: spec must have exactly one of minAvailable and maxUnavailable"),
        Break("a budget allows no disruption", "base", "PodDisruptionBudget gateway",
              ("spec", "maxUnavailable"), 0,
              "budgets_allow_a_disruption",
              "PodDisruptionBudget gateway: with 2 pods, it allows 0 disruptions, and a drain of a node "
              "would wait forever; it must allow at least one"),
        Break("a budget wants all pods of the least number", "prod", "PodDisruptionBudget gateway",
              ("spec",), lambda spec: spec | {"minAvailable": "90%", "maxUnavailable": None},
              "budgets_allow_a_disruption",
              "PodDisruptionBudget gateway: with 3 pods, it allows 0 disruptions, and a drain of a node "
              "would wait forever; it must allow at least one"),
        Break("a budget selects nothing", "base", "PodDisruptionBudget gateway",
              ("spec", "selector", "matchLabels", *LABELS), "gatewy",
              "budgets_select_one_workload",
              "PodDisruptionBudget gateway: spec.selector selects 0 workloads; it must have the labels of "
              "exactly one",
              ("deployments_have_a_budget",)),
        Break("a Deployment has no budget", "base", "PodDisruptionBudget gateway", (), DROP,
              "deployments_have_a_budget",
              "Deployment gateway: 0 disruption budgets select it; it needs one"),
        Break("a rollout takes a pod away first", "base", ADMIN,
              ("spec", "strategy", "rollingUpdate", "maxUnavailable"), 1,
              "rollouts_take_no_pod_away_first",
              "Deployment admin: strategy.rollingUpdate.maxUnavailable is 1; it must be 0"),
        Break("a rollout moves charge points more than once", "prod", GATEWAY,
              ("spec", "strategy", "rollingUpdate", "maxSurge"), 1,
              "rollouts_move_a_charge_point_once",
              "Deployment gateway: strategy.rollingUpdate.maxSurge is 1; it must be 100%, because a charge "
              "point would otherwise move to an old pod, and move again when that pod ends"),
        Break("the pods may all be in one zone", "base", GATEWAY,
              (*POD, "topologySpreadConstraints", 0), DROP,
              "pods_spread_over_zones_and_nodes",
              "Deployment gateway: no topologySpreadConstraint has topologyKey "
              "topology.kubernetes.io/zone; add one"),
        Break("the spread counts other pods", "base", GATEWAY,
              (*POD, "topologySpreadConstraints", 0, "labelSelector", "matchLabels", *LABELS), "admin",
              "spread_counts_own_pods",
              "Deployment gateway: a labelSelector of topologySpreadConstraints does not match its own "
              "pods; it must have the labels of the template"),
        Break("the autoscaler has no target", "prod", SCALER, ("spec", "scaleTargetRef", "name"), "gateways",
              "autoscalers_have_a_target",
              "HorizontalPodAutoscaler gateway: there is no Deployment gateways; spec.scaleTargetRef must "
              "name one that is rendered",
              ("deployments_have_two_pods_at_least",)),
        Break("the autoscaler has its least number above its most", "prod", SCALER,
              ("spec", "minReplicas"), 13,
              "autoscalers_have_a_range",
              "HorizontalPodAutoscaler gateway: minReplicas 13 is more than maxReplicas 12; it must be at "
              "most that"),
        Break("replicas are set beside an autoscaler", "prod", GATEWAY,
              ("spec", "replicas"), 3,
              "nothing_sets_replicas_beside_an_autoscaler",
              "Deployment gateway: spec.replicas is set, so each apply would undo what the autoscaler did; "
              "it must be absent"),
        Break("the autoscaler waits longer than the server allows", "prod", SCALER,
              ("spec", "behavior", "scaleDown", "stabilizationWindowSeconds"), 7200,
              "autoscalers_keep_the_bounds_of_the_server",
              "HorizontalPodAutoscaler gateway: behavior.scaleDown.stabilizationWindowSeconds is 7200; it "
              "must be at most 3600"),
        Break("a period of the autoscaler is longer than the server allows", "prod", SCALER,
              ("spec", "behavior", "scaleDown", "policies", 0, "periodSeconds"), 3600,
              "autoscalers_keep_the_bounds_of_the_server",
              "HorizontalPodAutoscaler gateway: a policy of behavior.scaleDown has periodSeconds 3600; it "
              "must be 1 to 1800"),
        Break("the autoscaler follows a metric that does not exist", "prod", SCALER,
              ("spec", "metrics", 0, "pods", "metric", "name"), "csms_connection",
              "autoscalers_follow_connections_first",
              "HorizontalPodAutoscaler gateway: the first metric is csms_connection; it must be "
              "csms_connections of each pod"),
        Break("the autoscaler takes half of the pods at once", "prod", SCALER,
              ("spec", "behavior", "scaleDown", "policies", 0),
              {"type": "Percent", "value": 50, "periodSeconds": 600},
              "autoscalers_go_down_slowly",
              "HorizontalPodAutoscaler gateway: behavior.scaleDown is too fast; it must wait for 1800 s or "
              "more, and take at most one pod in 300 s away, because each pod that ends makes its charge "
              "points connect again"),
        Break("a custom resource has a wrong field", "prod", "Certificate csms-tls-rsa",
              ("spec", "privateKey", "size"), 3072,
              "custom_resources_match_their_schemas",
              "Certificate csms-tls-rsa: spec.privateKey: {'algorithm': 'RSA', 'rotationPolicy': 'Always', "
              "'size': 3072} is not valid under any of the given schemas"),
        Break("a custom resource has no schema", "base", "Service admin", (), beside(_MONITOR),
              "custom_resources_match_their_schemas",
              "PodMonitor gateway: monitoring.coreos.com/v1 has no schema; write "
              "tests/k8s/schemas/podmonitor.monitoring.coreos.com.v1.json"),
        Break("a certificate goes into a Secret that nobody mounts", "prod", "Certificate csms-tls-rsa",
              ("spec", "secretName"), "rsa",
              "secrets_are_known",
              "Certificate csms-tls-rsa: no pod mounts the Secret rsa; it must be one of csms, "
              "csms-tls-ecdsa, csms-tls-rsa, valkey, csms-client-authorities, csms-pki, loadtest",
              ("certificates_are_of_both_key_types",)),
    ]  # fmt: skip


def _in_policies() -> list[Break]:
    policy = "NetworkPolicy {}".format
    return [
        Break("nothing is denied by default", "base", policy("default-deny"), (), DROP,
              "everything_is_denied_by_default",
              "NetworkPolicy: none denies everything; one must have podSelector {}, both policyTypes and "
              "no rules",
              ("policies_cover_every_pod",)),
        Break("only ingress is denied by default", "base", policy("default-deny"),
              ("spec", "policyTypes"), ["Ingress"],
              "policies_cover_every_pod",
              "StatefulSet valkey: no network policy bounds its Egress; one must select its labels",
              ("everything_is_denied_by_default",)),
        Break("a policy selects nothing", "base", policy("valkey"),
              ("spec", "podSelector", "matchLabels", *LABELS), "redis",
              "policies_select_pods",
              "NetworkPolicy valkey: spec.podSelector selects no pod; it must have the labels of a "
              "workload",
              ("parts_reach_each_other",)),
        Break("a policy lets every namespace in", "base", policy("admin"),
              ("spec", "ingress", 0, "from", 0, "namespaceSelector"), {},
              "only_charge_points_come_from_anywhere",
              "NetworkPolicy admin: a rule of spec.ingress allows every address; only ingress to the port "
              "wss may, so name the peers in from",
              ("policies_select_pods", "ports_let_in_only_their_guests")),
        Break("a peer is nobody", "base", policy("to-store"),
              ("spec", "egress", 0, "to", 0, "podSelector", "matchLabels", *LABELS), "redis",
              "policies_select_pods",
              "NetworkPolicy to-store: a podSelector of a peer selects no pod of this namespace; it must "
              "have the labels of a workload",
              ("parts_reach_each_other",)),
        Break("a policy names a port that the pod does not have", "base", policy("admin"),
              ("spec", "ingress", 0, "ports", 0, "port"), "http",
              "policy_ports_exist",
              "NetworkPolicy admin: ingress names port http, which Deployment admin does not have; it must "
              "be one of 8080, 9181, api, health"),
        Break("everyone reaches the health port", "base", policy("gateway"),
              ("spec", "ingress", 1, "from"), DROP,
              "only_charge_points_come_from_anywhere",
              "NetworkPolicy gateway: a rule of spec.ingress allows every address; only ingress to the "
              "port wss may, so name the peers in from"),
        Break("a process may call the whole world", "prod", policy("to-store"),
              ("spec", "egress", 0, "to", 0, "ipBlock", "cidr"), "0.0.0.0/0",
              "only_charge_points_come_from_anywhere",
              "NetworkPolicy to-store: a rule of spec.egress allows every address; only ingress to the "
              "port wss may, so name the peers in to"),
        Break("charge points are not let in", "prod", policy("gateway"),
              ("spec", "ingress", 0), DROP,
              "charge_points_reach_the_gateway",
              "Deployment gateway: no network policy opens the port wss to every address; charge points "
              "need it"),
        Break("monitoring is not let in", "base", policy("admin"),
              ("spec", "ingress", 1), DROP,
              "monitoring_reads_every_health_port",
              "Deployment admin: no network policy opens the port health; monitoring needs it"),
        Break("Valkey does not let the admin process in", "base", policy("valkey"),
              ("spec", "ingress", 0, "from", 0, "podSelector", "matchExpressions", 0, "values"), ["gateway"],
              "parts_reach_each_other",
              "StatefulSet valkey: no network policy allows its Ingress between admin and port valkey of "
              "valkey; add a rule"),
        Break("the Job may not call the gateway", "loadtest", policy("loadtest"),
              ("spec", "egress", 0, "ports", 0, "port"), 443,
              "parts_reach_each_other",
              "Job loadtest: no network policy allows its Egress between loadtest and port wss of gateway; "
              "add a rule"),
        Break("DNS works only over UDP", "base", policy("to-dns"),
              ("spec", "egress", 0, "ports", 1), DROP,
              "csms_pods_resolve_names",
              "Deployment admin: no network policy allows DNS over TCP; allow egress to port 53 over it"),
        Break("nothing leads to the external store", "prod", policy("to-store"), (), DROP,
              "processes_reach_a_store",
              "Deployment admin: no network policy allows egress to a store; add its address and port"),
        Break("a policy with egress rules is one of ingress only", "base", policy("to-store"),
              ("spec", "policyTypes"), ["Ingress"],
              "policies_say_their_directions",
              "NetworkPolicy to-store: policyTypes lacks Egress, but spec.egress has rules; add Egress",
              ("parts_reach_each_other",)),
    ]  # fmt: skip


BREAKS = [*_in_pods(), *_in_the_process(), *_around_pods(), *_in_policies()]
