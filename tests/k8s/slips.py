"""What a tired engineer does: more manifests that are broken on purpose, of the kind in breaks.py."""

from copy import deepcopy
from typing import Any

from tests.k8s.breaks import (
    ADMIN,
    BOX,
    DROP,
    GATEWAY,
    JOB,
    LABELS,
    POD,
    SCALER,
    VALKEY,
    Break,
    beside,
    replace,
)
from tests.k8s.rules.objects import Object

_ROLE = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "gateway"}}
_INGRESS = {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "gateway"}}
_BUDGET = {
    "apiVersion": "policy/v1",
    "kind": "PodDisruptionBudget",
    "metadata": {"name": "valkey"},
    "spec": {
        "maxUnavailable": 1,
        "unhealthyPodEvictionPolicy": "AlwaysAllow",
        "selector": {"matchLabels": {LABELS[0]: "valkey"}},
    },
}
_KIND_OF_KEY = ("spec", "privateKey")
_TO_A_STORE = {"to": [{"ipBlock": {"cidr": "10.0.0.0/8"}}], "ports": [{"port": 6379}]}
_OPERATORS = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "csms-operators"}}}
_CLAIM = ("spec", "volumeClaimTemplates", 0, "spec")
_NAME_SERVER = ("spec", "egress", 0, "to", 0, "namespaceSelector", "matchLabels")
_READY = {"httpGet": {"path": "/livez", "port": "health"}, "periodSeconds": 5, "failureThreshold": 2}


def _keeps_data_in_memory(spec: Object) -> Object:
    del spec["volumeClaimTemplates"]
    spec["template"]["spec"]["volumes"].append({"name": "data", "emptyDir": {}})
    return spec


def _two(thing: Object) -> list[Object]:
    other: Any = deepcopy(thing)
    other["metadata"]["name"] += "-2"
    return [thing, other]


def _of_probes() -> list[Break]:
    return [
        Break("liveness asks the port of charge points", "base", GATEWAY,
              (*BOX, "livenessProbe", "httpGet", "port"),
              "wss",
              "probes_ask_the_health_port",
              "Deployment gateway: container gateway: livenessProbe asks port wss over HTTP; only "
              "the port health answers probes, over HTTP"),
        Break("a probe speaks TLS to the health port", "base", ADMIN,
              (*BOX, "readinessProbe", "httpGet", "scheme"),
              "HTTPS",
              "probes_ask_the_health_port",
              "Deployment admin: container admin: readinessProbe asks port health over HTTPS; only "
              "the port health answers probes, over HTTP"),
        Break("Valkey gets connections before it has loaded its file", "base", VALKEY,
              (*BOX, "readinessProbe"),
              DROP,
              "what_a_service_leads_to_says_when_it_is_ready",
              "StatefulSet valkey: container valkey: readinessProbe is missing; a Service would "
              "lead to it too early"),
        Break("liveness gives up after ten seconds", "base", GATEWAY,
              (*BOX, "livenessProbe"),
              _READY,
              "liveness_is_patient",
              "Deployment gateway: container gateway: livenessProbe gives up after 10 s; it must be"
              " 30 s or more, because a restart cuts all connections"),
    ]  # fmt: skip


def _of_the_store() -> list[Break]:
    return [
        Break("Valkey writes to disk once a second", "base", "ConfigMap valkey",
              ("data", "valkey.conf"),
              replace("appendfsync always", "appendfsync everysec"),
              "the_store_has_the_settings_that_csms_demands",
              "StatefulSet valkey: appendfsync is 'everysec'; it must be 'always' "
              "(docs/operations.md says why)"),
        Break("Valkey throws data away when its memory is full", "base", "ConfigMap valkey",
              ("data", "valkey.conf"),
              replace("noeviction", "allkeys-lru"),
              "the_store_has_the_settings_that_csms_demands",
              "StatefulSet valkey: maxmemory-policy is 'allkeys-lru'; it must be 'noeviction' "
              "(docs/operations.md says why)"),
        Break("Valkey may use more memory than its limit", "base", "ConfigMap valkey",
              ("data", "valkey.conf"),
              replace("maxmemory 1gb", "maxmemory 4gb"),
              "the_store_has_room_for_a_rewrite",
              "StatefulSet valkey: maxmemory is 4gb, and the memory limit is 2Gi; maxmemory must be"
              " set, to at most half of the limit, because a rewrite may need twice that",
              ("the_store_keeps_its_data",)),
        Break("Valkey has no bound on its memory", "base", "ConfigMap valkey",
              ("data", "valkey.conf"),
              replace("maxmemory 1gb", ""),
              "the_store_has_room_for_a_rewrite",
              "StatefulSet valkey: maxmemory is None, and the memory limit is 2Gi; maxmemory must "
              "be set, to at most half of the limit, because a rewrite may need twice that"),
        Break("an overlay halves the memory limit of Valkey", "base", VALKEY,
              (*BOX, "resources"),
              {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"memory": "1Gi"}},
              "the_store_has_room_for_a_rewrite",
              "StatefulSet valkey: maxmemory is 1gb, and the memory limit is 1Gi; maxmemory must be"
              " set, to at most half of the limit, because a rewrite may need twice that"),
        Break("Valkey refuses other pods", "base", "ConfigMap valkey",
              ("data", "valkey.conf"),
              replace("protected-mode no", ""),
              "the_store_listens_to_other_pods",
              "StatefulSet valkey: its configuration must have protected-mode no, and no bind"),
        Break("Valkey listens on loopback", "base", "ConfigMap valkey",
              ("data", "valkey.conf"),
              replace("port 6379", "port 6379\nbind 127.0.0.1"),
              "the_store_listens_to_other_pods",
              "StatefulSet valkey: its configuration must have protected-mode no, and no bind"),
        Break("Valkey keeps its data in an emptyDir", "base", VALKEY,
              ("spec",),
              _keeps_data_in_memory,
              "the_store_keeps_its_data",
              "StatefulSet valkey: its dir /data is no writable mount of a volumeClaimTemplate; the"
              " data would be gone with the pod"),
        Break("the volume of Valkey is mounted elsewhere", "base", VALKEY,
              (*BOX, "volumeMounts", 2, "mountPath"),
              "/var/lib/valkey",
              "the_store_keeps_its_data",
              "StatefulSet valkey: its dir /data is no writable mount of a volumeClaimTemplate; the"
              " data would be gone with the pod"),
        Break("Valkey cannot write to its volume", "base", VALKEY,
              (*BOX, "volumeMounts", 2, "readOnly"),
              True,
              "the_store_keeps_its_data",
              "StatefulSet valkey: its dir /data is no writable mount of a volumeClaimTemplate; the"
              " data would be gone with the pod"),
        Break("the volume of Valkey is too small", "base", VALKEY,
              (*_CLAIM, "resources", "requests", "storage"),
              "2Gi",
              "the_store_keeps_its_data",
              "StatefulSet valkey: the claim data asks for 2Gi; it must be 3 times maxmemory"),
        Break("the data goes with the StatefulSet", "base", VALKEY,
              ("spec", "persistentVolumeClaimRetentionPolicy"),
              {"whenDeleted": "Delete"},
              "the_store_keeps_its_data",
              "StatefulSet valkey: persistentVolumeClaimRetentionPolicy must be Retain, or data is "
              "deleted"),
        Break("there are two stores", "base", VALKEY,
              ("spec", "replicas"),
              2,
              "there_is_one_store",
              "StatefulSet valkey: spec.replicas is 2; it must be 1, because two servers would be "
              "two different stores"),
        Break("Valkey waits for somebody to delete its pod", "base", VALKEY,
              ("spec", "updateStrategy"),
              {"type": "OnDelete"},
              "there_is_one_store",
              "StatefulSet valkey: updateStrategy is OnDelete; a new configuration would never come"
              " into force"),
        Break("Valkey has no time to write the end of its file", "base", VALKEY,
              (*POD, "terminationGracePeriodSeconds"),
              DROP,
              "the_store_has_time_to_end",
              "StatefulSet valkey: terminationGracePeriodSeconds is 30; it must be 60 or more, "
              "because Valkey writes the end of its append-only file"),
        Break("liveness restarts Valkey while it is busy", "base", VALKEY,
              (*BOX, "livenessProbe"),
              {"exec": {"command": ["valkey-cli", "ping"]}, "failureThreshold": 6},
              "the_store_is_not_restarted_while_it_loads",
              "StatefulSet valkey: livenessProbe must be absent, as it would restart a busy server,"
              " and the server would load its file again"),
        Break("the single Valkey has a budget", "base", "Service valkey",
              (),
              beside(_BUDGET),
              "the_store_has_no_budget",
              "PodDisruptionBudget valkey: it selects StatefulSet valkey; one server must have no "
              "budget"),
        Break("the Service of Valkey is headless", "base", "Service valkey",
              ("spec", "clusterIP"),
              "None",
              "the_store_keeps_its_address",
              "Service valkey: clusterIP is None; without an address that stays, csms waits for DNS"),
    ]  # fmt: skip


def _of_the_store_again() -> list[Break]:
    return [
        Break("Valkey copies another server", "base", "ConfigMap valkey",
              ("data", "valkey.conf"),
              replace("port 6379", "port 6379\nreplicaof 10.0.0.1 6379"),
              "the_store_is_a_single_primary",
              "StatefulSet valkey: its configuration has replicaof, with which csms refuses the "
              "server; remove it"),
        Break("Valkey hides the command that csms asks it with", "base", "ConfigMap valkey",
              ("data", "valkey.conf"),
              replace("port 6379", "port 6379\nrename-command CONFIG x"),
              "the_store_is_a_single_primary",
              "StatefulSet valkey: its configuration has rename-command, with which csms refuses "
              "the server; remove it"),
        Break("a probe of Valkey says nothing of an error", "base", VALKEY,
              (*BOX, "readinessProbe", "exec", "command"),
              ["valkey-cli", "ping"],
              "probes_of_the_store_need_no_password",
              "StatefulSet valkey: readinessProbe runs valkey-cli ping; it must run valkey-cli -e "
              "ping, which needs no password, and fails while the server loads its file"),
        Break("a probe of Valkey logs in", "base", VALKEY,
              (*BOX, "startupProbe", "exec", "command"),
              ["valkey-cli", "-a", "x", "-e", "ping"],
              "probes_of_the_store_need_no_password",
              "StatefulSet valkey: startupProbe runs valkey-cli -a x -e ping; it must run "
              "valkey-cli -e ping, which needs no password, and fails while the server loads its "
              "file"),
        Break("two servers may write to the volume", "base", VALKEY,
              (*_CLAIM, "accessModes"),
              ["ReadWriteMany"],
              "the_store_keeps_its_data",
              "StatefulSet valkey: the claim data must be ReadWriteOnce"),
    ]  # fmt: skip


def _of_files_and_images() -> list[Break]:
    return [
        Break("a ConfigMap makes variables", "base", GATEWAY,
              (*BOX, "envFrom"),
              [{"configMapRef": {"name": "limits"}}],
              "variables_are_read",
              "Deployment gateway: container gateway: envFrom must be absent, because nothing can "
              "check the variables that it makes",
              ("config_maps_exist",)),
        Break("the pod of a gateway lacks its group", "base", GATEWAY,
              (*POD, "securityContext", "fsGroup"),
              DROP,
              "pods_can_read_their_secrets_and_nobody_else",
              "Deployment gateway: fsGroup is missing; its files belong to root"),
        Break("Valkey may not write to its volume", "base", VALKEY,
              (*POD, "securityContext", "fsGroup"),
              DROP,
              "pods_can_read_their_secrets_and_nobody_else",
              "StatefulSet valkey: fsGroup is missing; its files belong to root"),
        Break("the files belong to the group of root", "base", GATEWAY,
              (*POD, "securityContext", "fsGroup"),
              0,
              "pods_are_in_no_group_of_root",
              "Deployment gateway: fsGroup and supplementalGroups must not have 0, which is the "
              "group of root"),
        Break("a pod is in the group of root", "base", GATEWAY,
              (*POD, "securityContext", "supplementalGroups"),
              [0],
              "pods_are_in_no_group_of_root",
              "Deployment gateway: fsGroup and supplementalGroups must not have 0, which is the "
              "group of root"),
        Break("everybody may read the pepper", "base", GATEWAY,
              (*POD, "volumes", 1, "secret", "defaultMode"),
              DROP,
              "pods_can_read_their_secrets_and_nobody_else",
              "Deployment gateway: Secret csms has defaultMode 0o644; it must be 0440"),
        Break("a mode is decimal", "base", ADMIN,
              (*POD, "volumes", 1, "secret", "defaultMode"),
              440,
              "pods_can_read_their_secrets_and_nobody_else",
              "Deployment admin: Secret csms has defaultMode 0o670; it must be 0440"),
        Break("a pod starts without its Secret", "base", GATEWAY,
              (*POD, "volumes", 1, "secret", "optional"),
              True,
              "pods_can_read_their_secrets_and_nobody_else",
              "Deployment gateway: Secret csms is optional; the pod must wait for it"),
        Break("the key of a ConfigMap has a typo", "base", "ConfigMap gateway",
              ("data",),
              lambda data: {"gatway.toml": data["gateway.toml"]},
              "mounted_files_are_named",
              "Deployment gateway: container gateway: no setting names the mounted file "
              "/etc/csms/gatway.toml; name it or do not mount it",
              ("named_files_are_mounted", "settings_exist")),
        Break("an item of a Secret has a typo", "base", GATEWAY,
              (*POD, "volumes", 1, "secret", "items"),
              [{"key": "peper", "path": "pepper"}, {"key": "store-url", "path": "store-url"}],
              "items_of_volumes_exist",
              "Deployment gateway: volume secrets has an item peper; it must be one of pepper, "
              "store-url"),
        Break("a volume leaves a file of its Secret out", "base", GATEWAY,
              (*POD, "volumes", 1, "secret", "items"),
              [{"key": "pepper", "path": "pepper"}],
              "named_files_are_mounted",
              "Deployment gateway: container gateway: the file /run/secrets/csms/store-url is "
              "named, but no volume has it; mount the volume that has it",
              ("settings_exist",)),
        Break("a volume gives the configuration another name", "base", GATEWAY,
              (*POD, "volumes", 0, "configMap", "items"),
              [{"key": "gateway.toml", "path": "csms.toml"}],
              "mounted_files_are_named",
              "Deployment gateway: container gateway: no setting names the mounted file "
              "/etc/csms/csms.toml; name it or do not mount it",
              ("named_files_are_mounted", "settings_exist")),
        Break("two volumes are mounted at one place", "base", GATEWAY,
              (*BOX, "volumeMounts", 3, "mountPath"),
              "/run/tls/ecdsa/",
              "mounts_have_places_of_their_own",
              "Deployment gateway: container gateway: 2 volumes are mounted at /run/tls/ecdsa; each"
              " needs a place of its own",
              ("mounted_files_are_named", "named_files_are_mounted")),
        Break("the RSA certificate is the ECDSA one", "base", GATEWAY,
              (*POD, "volumes", 3, "secret", "secretName"),
              "csms-tls-ecdsa",
              "gateways_have_both_key_types",
              "Deployment gateway: container gateway: it does not mount the Secret csms-tls-rsa; "
              "charge points need both key types"),
        Break("one overlay has the admin process of an old release", "prod", ADMIN,
              (*BOX, "image"),
              "csms:0.0.9",
              "images_are_those_of_one_release",
              "Deployment gateway: container gateway: image is csms:0.1.0, but another container "
              "has csms:0.0.9; both must be the same"),
        Break("the name of an image has a typo", "base", ADMIN,
              (*BOX, "image"),
              "cmss:0.1.0",
              "images_are_those_of_one_release",
              "Deployment admin: container admin: image cmss:0.1.0 is unknown; it must be one of "
              "csms, valkey"),
        Break("an image is never pulled", "base", GATEWAY,
              (*BOX, "imagePullPolicy"),
              "Never",
              "images_are_those_of_one_release",
              "Deployment gateway: container gateway: imagePullPolicy is Never; a new node could "
              "start no pod"),
        Break("a command hides what the image starts", "base", GATEWAY,
              (*BOX, "command"),
              ["/opt/csms/bin/csms"],
              "commands_exist",
              "Deployment gateway: container gateway: command is ['/opt/csms/bin/csms']; it must be"
              " absent, as the image has it"),
        Break("a memory limit has milli in place of mega", "base", GATEWAY,
              (*BOX, "resources"),
              {"requests": {"cpu": "1", "memory": "512m"}, "limits": {"memory": "512m"}},
              "memory_is_limited_and_cpu_is_not",
              "Deployment gateway: container gateway: limits.memory is 512m; it must be 16Mi or "
              "more, so a unit is wrong"),
        Break("an overlay puts the limit below the request", "dev", GATEWAY,
              (*BOX, "resources", "limits", "memory"),
              "128Mi",
              "requests_fit_limits",
              "Deployment gateway: container gateway: requests.memory 256Mi is more than its limit "
              "128Mi; it must be at most the limit"),
        Break("the password of the store is in a variable", "dev", GATEWAY,
              (*BOX, "env", 1),
              {"name": "CSMS__STORE__URL", "value": "redis://csms:x@valkey:6379"},
              "secrets_are_files",
              "Deployment gateway: container gateway: CSMS__STORE__URL is a secret; mount the "
              "Secret as a directory"),
        Break("the pepper is in a variable", "dev", GATEWAY,
              (*BOX, "env", 1),
              {"name": "CSMS__SECURITY__PEPPER", "value": "made-up " * 8},
              "secrets_are_files",
              "Deployment gateway: container gateway: CSMS__SECURITY__PEPPER is a secret; mount the"
              " Secret as a directory"),
        Break("a variable occurs twice", "dev", GATEWAY,
              (*BOX, "env", 1),
              {"name": "CSMS__LIMITS__CONNECTIONS", "value": "10"},
              "variables_occur_once",
              "Deployment gateway: container gateway: the variable CSMS__LIMITS__CONNECTIONS occurs"
              " 2 times, and only the last one counts"),
    ]  # fmt: skip


def _of_pods() -> list[Break]:
    return [
        Break("a strategic merge takes the seccomp profile away", "prod", GATEWAY,
              (*POD, "securityContext", "seccompProfile"),
              None,
              "pods_have_a_seccomp_profile",
              "Deployment gateway: container gateway: seccompProfile.type is None; it must be "
              "RuntimeDefault"),
        Break("a JSON patch empties the security of a container", "prod", GATEWAY,
              (*BOX, "securityContext"),
              None,
              "containers_have_no_privileges",
              "Deployment gateway: container gateway: allowPrivilegeEscalation must be false",
              ("root_file_systems_are_read_only",)),
        Break("a pod tolerates every taint", "base", GATEWAY,
              (*POD, "tolerations"),
              [{"operator": "Exists"}],
              "pods_go_where_the_scheduler_says",
              "Deployment gateway: a toleration names no key; the pod would stay on a lost node"),
        Break("a pod names its node", "base", GATEWAY,
              (*POD, "nodeName"),
              "node-1",
              "pods_go_where_the_scheduler_says",
              "Deployment gateway: nodeName must be absent, or the pod dies with its node"),
        Break("a pod names a priority class that nobody makes", "base", GATEWAY,
              (*POD, "priorityClassName"),
              "high",
              "pods_go_where_the_scheduler_says",
              "Deployment gateway: there is no PriorityClass high; a render must hold the one that "
              "it names"),
        Break("a pod asks the name server of its node", "base", GATEWAY,
              (*POD, "dnsPolicy"),
              "Default",
              "pods_use_the_names_of_the_cluster",
              "Deployment gateway: dnsPolicy must be ClusterFirst, and hostAliases absent"),
        Break("a pod gets a variable for each Service", "base", GATEWAY,
              (*POD, "enableServiceLinks"),
              DROP,
              "pods_use_the_names_of_the_cluster",
              "Deployment gateway: enableServiceLinks must be false, or each Service adds variables"
              " to the pod"),
        Break("a pod of a Deployment is never restarted", "base", GATEWAY,
              (*POD, "restartPolicy"),
              "Never",
              "restart_policies_fit_the_kind",
              "Deployment gateway: restartPolicy is Never; it must be Always"),
        Break("a load test is repeated when it fails", "loadtest", JOB,
              ("spec", "backoffLimit"),
              DROP,
              "restart_policies_fit_the_kind",
              "Job loadtest: backoffLimit must be 0, or a load that failed is repeated"),
        Break("a container sees the processes of another", "base", GATEWAY,
              (*POD, "shareProcessNamespace"),
              True,
              "containers_of_a_pod_are_apart",
              "Deployment gateway: shareProcessNamespace is true; csms would not get SIGTERM as "
              "process 1"),
        Break("a container for a search for faults stays", "base", GATEWAY,
              (*POD, "ephemeralContainers"),
              [{"name": "debug", "image": "csms:0.1.0"}],
              "containers_of_a_pod_are_apart",
              "Deployment gateway: ephemeralContainers are for kubectl debug; remove them"),
        Break("a service account gets rights", "base", "Service admin",
              (),
              beside(_ROLE),
              "nothing_gets_rights_in_the_cluster",
              "Role gateway: csms asks the API of the cluster for nothing; remove it"),
        Break("two Deployments share a selector", "base", ADMIN,
              ("spec", "selector", "matchLabels"),
              {"app.kubernetes.io/name": "csms"},
              "selectors_take_only_own_pods",
              "Deployment admin: spec.selector also takes the pods of Deployment gateway; add a "
              "label"),
        Break("the only admin process has a budget", "base", ADMIN,
              ("spec", "replicas"),
              1,
              "deployments_have_two_pods_at_least",
              "Deployment admin: it may have only 1 pod; it must have 2, so that one can go"),
        Break("a pod that never gets ready holds up a drain", "base", "PodDisruptionBudget gateway",
              ("spec", "unhealthyPodEvictionPolicy"),
              DROP,
              "budgets_let_go_of_pods_that_are_not_ready",
              "PodDisruptionBudget gateway: unhealthyPodEvictionPolicy is None; it must be "
              "AlwaysAllow, or a pod that never gets ready holds up the drain of its node"),
        Break("gateways need a node each", "base", GATEWAY,
              (*POD, "topologySpreadConstraints", 1, "whenUnsatisfiable"),
              "DoNotSchedule",
              "pods_spread_over_zones_and_nodes",
              "Deployment gateway: the spread over kubernetes.io/hostname must be ScheduleAnyway, "
              "or one node more is needed"),
        Break("the spread counts the pods that go", "base", GATEWAY,
              (*POD, "topologySpreadConstraints", 0, "matchLabelKeys"),
              DROP,
              "pods_spread_over_zones_and_nodes",
              "Deployment gateway: the spread over topology.kubernetes.io/zone counts old pods in a"
              " rollout; add matchLabelKeys"),
    ]  # fmt: skip


def _of_rollouts() -> list[Break]:
    return [
        Break("a Deployment is still paused", "base", GATEWAY,
              ("spec", "paused"),
              True,
              "rollouts_go_on_and_can_be_undone",
              "Deployment gateway: spec.paused is true; an apply would change no pod"),
        Break("a rollout waits an hour for each pod", "base", GATEWAY,
              ("spec", "minReadySeconds"),
              3600,
              "rollouts_go_on_and_can_be_undone",
              "Deployment gateway: minReadySeconds must be at most 60"),
        Break("a rollout cannot be undone", "base", GATEWAY,
              ("spec", "revisionHistoryLimit"),
              0,
              "rollouts_go_on_and_can_be_undone",
              "Deployment gateway: revisionHistoryLimit must be 1 or more, for kubectl rollout undo"),
        Break("a drain makes all charge points connect within a second", "base", "ConfigMap gateway",
              ("data", "gateway.toml"),
              replace("window_s = 60", "window_s = 1"),
              "drains_cause_no_storm_of_reconnects",
              "Deployment gateway: container gateway: drain.window_s is 1, in which 15000 charge "
              "points would connect again; it must be 15 or more"),
        Break("the spread allows four more pods in a zone", "base", GATEWAY,
              (*POD, "topologySpreadConstraints", 0, "maxSkew"),
              5,
              "pods_spread_over_zones_and_nodes",
              "Deployment gateway: the spread over topology.kubernetes.io/zone has maxSkew 5; it "
              "must be 1"),
        Break("a pod asks for one node", "base", GATEWAY,
              (*POD, "nodeSelector"),
              {"kubernetes.io/hostname": "node-1"},
              "pods_go_where_the_scheduler_says",
              "Deployment gateway: it asks for a certain kubernetes.io/hostname; it must not, or it"
              " dies with that place"),
    ]  # fmt: skip


def _of_autoscalers_and_certificates() -> list[Break]:
    return [
        Break("the certificates have two issuers", "prod", "Certificate csms-tls-rsa",
              ("spec", "issuerRef", "kind"),
              "Issuer",
              "certificates_are_of_both_key_types",
              "Certificate: the issuerRefs differ; both must have the same issuer"),
        Break("the autoscaler may leave one gateway", "prod", SCALER,
              ("spec", "minReplicas"),
              1,
              "deployments_have_two_pods_at_least",
              "Deployment gateway: it may have only 1 pod; it must have 2, so that one can go"),
        Break("two autoscalers have one target", "prod", SCALER,
              (),
              _two,
              "autoscalers_have_a_target",
              "Deployment gateway: 2 autoscalers have it as target, and they would undo each other"),
        Break("the autoscaler asks an API that is gone", "prod", SCALER,
              ("spec", "scaleTargetRef", "apiVersion"),
              "extensions/v1beta1",
              "autoscalers_have_a_target",
              "HorizontalPodAutoscaler gateway: scaleTargetRef.apiVersion must be apps/v1"),
        Break("the autoscaler waits for more connections than a gateway takes", "prod", SCALER,
              ("spec", "metrics", 0, "pods", "target", "averageValue"),
              "80000",
              "autoscalers_act_before_a_gateway_is_full",
              "HorizontalPodAutoscaler gateway: a target is 80000, but a gateway can have 15000; it"
              " must be at most 4/5 of that"),
        Break("the autoscaler waits for more than the one core of a gateway", "prod", SCALER,
              ("spec", "metrics", 1, "resource", "target"),
              {"type": "Utilization", "averageUtilization": 200},
              "autoscalers_act_before_a_gateway_is_full",
              "HorizontalPodAutoscaler gateway: a target is 1, but a gateway can have 1; it must be"
              " at most 4/5 of that"),
        Break("the autoscaler never goes down", "prod", SCALER,
              ("spec", "behavior", "scaleDown", "selectPolicy"),
              "Disabled",
              "autoscalers_go_down_slowly",
              "HorizontalPodAutoscaler gateway: behavior.scaleDown is Disabled; pods that nobody "
              "needs would stay"),
        Break("there is no certificate with an RSA key", "prod", "Certificate csms-tls-rsa",
              (),
              DROP,
              "certificates_are_of_both_key_types",
              "Certificate csms-tls-rsa: it is missing; charge points need both key types"),
        Break("the key of the RSA certificate is ECDSA", "prod", "Certificate csms-tls-rsa",
              _KIND_OF_KEY,
              {"algorithm": "ECDSA", "size": 256},
              "certificates_are_of_both_key_types",
              "Certificate csms-tls-rsa: its secretName is csms-tls-rsa, and its key is ECDSA; its "
              "name and its secretName must be csms-tls-ecdsa"),
        Break("two certificates go into one Secret", "prod", "Certificate csms-tls-rsa",
              ("spec", "secretName"),
              "csms-tls-ecdsa",
              "certificates_are_of_both_key_types",
              "Certificate csms-tls-rsa: its secretName is csms-tls-ecdsa, and its key is RSA; its "
              "name and its secretName must be csms-tls-rsa"),
        Break("the certificates are for different names", "prod", "Certificate csms-tls-rsa",
              ("spec", "dnsNames"),
              ["csms.example.org"],
              "certificates_are_of_both_key_types",
              "Certificate: the dnsNames differ; both must have the same, because the key type "
              "decides"),
        Break("a certificate is for clients", "prod", "Certificate csms-tls-ecdsa",
              ("spec", "usages"),
              ["client auth"],
              "certificates_are_of_both_key_types",
              "Certificate csms-tls-ecdsa: usages lack digital signature, server auth; charge "
              "points would refuse it"),
    ]  # fmt: skip


def _of_guests() -> list[Break]:
    return [
        Break("monitoring reaches the admin API", "base", "NetworkPolicy admin",
              ("spec", "ingress", 1, "ports", 1),
              {"port": "api", "protocol": "TCP"},
              "ports_let_in_only_their_guests",
              "NetworkPolicy admin: namespace monitoring may reach port api; only namespace "
              "csms-operators may"),
        Break("operators reach the store", "base", "NetworkPolicy valkey",
              ("spec", "ingress", 0, "from", 1),
              _OPERATORS,
              "ports_let_in_only_their_guests",
              "NetworkPolicy valkey: namespace csms-operators may reach port valkey; only admin, "
              "gateway may"),
        Break("the private network reaches the store by its number", "base", "NetworkPolicy valkey",
              ("spec", "ingress", 1),
              {"from": [{"ipBlock": {"cidr": "10.0.0.0/8"}}], "ports": [{"port": 6379}]},
              "ports_let_in_only_their_guests",
              "NetworkPolicy valkey: 10.0.0.0/8 may reach port valkey; only admin, gateway may"),
        Break("gateways reach the admin API", "base", "NetworkPolicy admin",
              ("spec", "ingress", 0, "from", 1),
              {"podSelector": {"matchLabels": {LABELS[0]: "gateway"}}},
              "ports_let_in_only_their_guests",
              "NetworkPolicy admin: gateway may reach port api; only namespace csms-operators may"),
        Break("Valkey may call somebody", "base", "NetworkPolicy valkey",
              ("spec",),
              lambda spec: spec | {"policyTypes": ["Ingress", "Egress"], "egress": [_TO_A_STORE]},
              "ports_let_in_only_their_guests",
              "StatefulSet valkey: a network policy has egress for it; it calls nobody, so remove "
              "that"),
        Break("a port is UDP", "base", GATEWAY,
              (*BOX, "ports", 0, "protocol"),
              "UDP",
              "ports_are_tcp",
              "Deployment gateway: a port has another protocol than TCP; no process listens there"),
        Break("a Service is UDP", "base", "Service gateway",
              ("spec", "ports", 0, "protocol"),
              "UDP",
              "ports_are_tcp",
              "Service gateway: a port has another protocol than TCP; no process listens there"),
        Break("the load balancer speaks the PROXY protocol", "prod", "Service gateway",
              ("metadata", "annotations"),
              {"example.com/proxy-protocol": "*"},
              "load_balancers_keep_the_address_of_the_client",
              "Service gateway: example.com/proxy-protocol is set; csms does not understand the "
              "PROXY protocol"),
        Break("the admin API has an address of its own outside", "prod", "Service admin",
              ("spec", "externalIPs"),
              ["192.0.2.1"],
              "only_the_gateway_is_reached_from_outside",
              "Service admin: externalIPs is set; only a load balancer may lead into the cluster"),
    ]  # fmt: skip


def _of_the_network() -> list[Break]:
    return [
        Break("the load balancer leads to the metrics", "base", "Service gateway",
              ("spec", "ports", 0, "targetPort"),
              "health",
              "services_offer_only_what_they_are_for",
              "Service gateway: it leads from port to port like {443: 'health'}; it must be {443: "
              "'wss'}"),
        Break("the load balancer has a second port", "base", "Service gateway",
              ("spec", "ports", 1),
              {"name": "health", "port": 9180, "targetPort": "health"},
              "services_offer_only_what_they_are_for",
              "Service gateway: it leads from port to port like {443: 'wss', 9180: 'health'}; it "
              "must be {443: 'wss'}"),
        Break("the port of the Service is that of the pod", "base", "Service gateway",
              ("spec", "ports", 0, "port"),
              8443,
              "services_offer_only_what_they_are_for",
              "Service gateway: it leads from port to port like {8443: 'wss'}; it must be {443: "
              "'wss'}"),
        Break("the gateway is a NodePort that hides its clients", "prod", "Service gateway",
              ("spec",),
              lambda spec: {"type": "NodePort", "selector": spec["selector"], "ports": spec["ports"]},
              "load_balancers_keep_the_address_of_the_client",
              "Service gateway: externalTrafficPolicy must be Local, or csms sees the address of a "
              "node"),
        Break("a headless Service has a traffic policy", "prod", "Service gateway",
              ("spec",),
              lambda spec: spec | {"type": "ClusterIP", "clusterIP": "None"},
              "traffic_policies_are_on_services_that_have_them",
              "Service gateway: externalTrafficPolicy is set, but the type is ClusterIP; only "
              "LoadBalancer and NodePort may have it"),
        Break("only some charge points may connect", "base", "Service gateway",
              ("spec", "loadBalancerSourceRanges"),
              ["10.0.0.0/8"],
              "services_send_to_every_ready_pod",
              "Service gateway: loadBalancerSourceRanges is set, but charge points come from "
              "anywhere"),
        Break("all charge points behind one address share a gateway", "base", "Service gateway",
              ("spec", "sessionAffinity"),
              "ClientIP",
              "services_send_to_every_ready_pod",
              "Service gateway: sessionAffinity is ClientIP; it must be absent"),
        Break("a Service sends to pods that drain", "base", "Service gateway",
              ("spec", "publishNotReadyAddresses"),
              True,
              "services_send_to_every_ready_pod",
              "Service gateway: publishNotReadyAddresses is True; it must be absent"),
        Break("the store is reached only from its own node", "base", "Service valkey",
              ("spec", "internalTrafficPolicy"),
              "Local",
              "services_send_to_every_ready_pod",
              "Service valkey: internalTrafficPolicy is Local; it must be absent"),
        Break("a proxy ends TLS", "base", "Service admin",
              (),
              beside(_INGRESS),
              "tls_ends_in_the_gateway",
              "Ingress gateway: a proxy would end TLS and hide the address of a charge point; use "
              "the Service"),
        Break("a policy forgets its ports", "base", "NetworkPolicy admin",
              ("spec", "ingress", 0, "ports"),
              DROP,
              "rules_of_policies_name_ports_and_peers",
              "NetworkPolicy admin: a rule of spec.ingress must name each port"),
        Break("a policy allows a range of ports", "base", "NetworkPolicy to-store",
              ("spec", "egress", 0, "ports", 0, "endPort"),
              9999,
              "rules_of_policies_name_ports_and_peers",
              "NetworkPolicy to-store: a rule of spec.egress must name each port"),
        Break("every pod reaches the store", "base", "NetworkPolicy valkey",
              ("spec", "ingress", 0, "from", 0, "podSelector"),
              {},
              "rules_of_policies_name_ports_and_peers",
              "NetworkPolicy valkey: a podSelector in from takes every pod of the namespace; it "
              "must have the labels of a workload",
              ("ports_let_in_only_their_guests",)),
        Break("half of the Internet is a private network", "prod", "NetworkPolicy to-store",
              ("spec", "egress", 0, "to", 0, "ipBlock", "cidr"),
              "128.0.0.0/1",
              "only_charge_points_come_from_anywhere",
              "NetworkPolicy to-store: a rule of spec.egress allows every address; only ingress to "
              "the port wss may, so name the peers in to"),
        Break("charge points may come over UDP", "base", "NetworkPolicy gateway",
              ("spec", "ingress", 0, "ports", 0, "protocol"),
              "UDP",
              "charge_points_reach_the_gateway",
              "Deployment gateway: no network policy opens the port wss to every address; charge "
              "points need it"),
        Break("the name server is looked for in another namespace", "base", "NetworkPolicy to-dns",
              (*_NAME_SERVER, "kubernetes.io/metadata.name"),
              "kube-dns",
              "csms_pods_resolve_names",
              "Deployment admin: no network policy allows DNS over TCP; allow egress to port 53 "
              "over it"),
    ]  # fmt: skip


SLIPS = [
    *_of_probes(),
    *_of_the_store(),
    *_of_the_store_again(),
    *_of_files_and_images(),
    *_of_pods(),
    *_of_rollouts(),
    *_of_autoscalers_and_certificates(),
    *_of_guests(),
    *_of_the_network(),
]
