"""The store: its volume, its budget and its address."""

from tests.k8s.broken.breaking import BOX, DROP, LABELS, POD, VALKEY, Break, beside, replace
from tests.k8s.rules.objects import Object

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

_CLAIM = ("spec", "volumeClaimTemplates", 0, "spec")


def _keeps_data_in_memory(spec: Object) -> Object:
    del spec["volumeClaimTemplates"]
    spec["template"]["spec"]["volumes"].append({"name": "data", "emptyDir": {}})
    return spec


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


BREAKS = [*_of_the_store(), *_of_the_store_again()]
