"""What a process is given: its settings, files, ports and images."""

from tests.k8s.broken.breaking import (
    ADMIN,
    BACKUP,
    BOX,
    DROP,
    GATEWAY,
    JOB,
    NESTED_BOX,
    POD,
    VALKEY,
    Break,
    replace,
)

_RSA = """
[[tls.certificates]]
chain_file = "/run/tls/rsa/tls.crt"
key_file = "/run/tls/rsa/tls.key"
"""


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
              (*BOX, "env", 1, "name"), "SCENARIOS",
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
              "Deployment gateway: container gateway: csms refuses `gatway --config /etc/csms/gateway.toml`: "
              'Unknown command "gatway". Did you mean "gateway"?',
              ("settings_exist",)),
        Break("a gateway gets its settings from nowhere", "base", GATEWAY, (*BOX, "args"), ["gateway"],
              "commands_exist",
              "Deployment gateway: container gateway: its args have no --config, but the settings are in a "
              "mounted file",
              ("mounted_files_are_named",)),
        Break("an admin process is a command that ends at once", "base", ADMIN, (*BOX, "args"),
              ["archive", "write", "--config", "/etc/csms/admin.toml"],
              "commands_exist",
              "Deployment admin: container admin: a Deployment must not run csms archive"),
        Break("the load test has no such option", "loadtest", JOB,
              (*BOX, "command", 2), lambda text: f"csms loadtest run smoke --scal 1 # {text}",
              "commands_exist",
              "Job loadtest: container loadtest: csms refuses `loadtest run smoke --scal 1`: Unknown option: "
              "--scal. Did you mean --scale?"),
        Break("the backup has no such option", "backup", BACKUP,
              (*NESTED_BOX, "args", 6), "--kept",
              "commands_exist",
              "CronJob backup: container backup: csms refuses `backup write /data /backups --config "
              "/etc/csms/admin.toml --kept 48`: Unknown option: --kept. Did you mean --keep?"),
        Break("the backup has a setting that does not exist", "backup", BACKUP,
              (*NESTED_BOX, "env"), [{"name": "CSMS__STORE__URI", "value": "x"}],
              "settings_exist",
              "CronJob backup: container backup: csms refuses its configuration: unknown variable "
              "CSMS__STORE__URI; did you mean CSMS__STORE__URL?"),
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
              (*POD, "volumes", 0, "secret", "secretName"), "csms-pki",
              "only_admin_has_the_keys_of_authorities",
              "Deployment gateway: it mounts the Secret csms-pki; only an admin process may have these keys",
              ("mounted_files_are_named", "named_files_are_mounted")),
        Break("SIGTERM comes at once", "base", GATEWAY,
              (*BOX, "lifecycle"), DROP,
              "pods_stay_ready_before_sigterm",
              "Deployment gateway: container gateway: the preStop sleep is 0 s; it must be 5 s or more, "
              "because load balancers still send connections for some seconds"),
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


BREAKS = [*_in_the_process(), *_of_files_and_images()]
