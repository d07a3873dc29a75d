"""What is around the pods: services, budgets, rollouts, autoscalers and certificates."""

from tests.k8s.broken.breaking import (
    ADMIN,
    DROP,
    GATEWAY,
    LABELS,
    POD,
    SCALER,
    VALKEY,
    Break,
    beside,
    replace,
    twice,
    with_second,
)

_SECRET = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "csms"}, "stringData": {"pepper": "x"}}
_MONITOR = {"apiVersion": "monitoring.coreos.com/v1", "kind": "Probe", "metadata": {"name": "gateway"}}


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
              "Service gateway: externalTrafficPolicy must be Local, or csms sees the address of a node; it "
              "may be Cluster only with the component proxy-protocol"),
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
              "Probe gateway: monitoring.coreos.com/v1 has no schema; write "
              "tests/k8s/schemas/probe.monitoring.coreos.com.v1.json"),
        Break("a certificate goes into a Secret that nobody mounts", "prod", "Certificate csms-tls-rsa",
              ("spec", "secretName"), "rsa",
              "secrets_are_known",
              "Certificate csms-tls-rsa: no pod mounts the Secret rsa; it must be one of csms, "
              "csms-tls-ecdsa, csms-tls-rsa, valkey, csms-client-authorities, csms-pki, "
              "csms-revocation-lists, loadtest",
              ("certificates_are_of_both_key_types",)),
    ]  # fmt: skip


_KIND_OF_KEY = ("spec", "privateKey")


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
              with_second,
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


BREAKS = [*_around_pods(), *_of_rollouts(), *_of_autoscalers_and_certificates()]
