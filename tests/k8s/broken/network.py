"""Network policies, and who may reach what through them."""

from tests.k8s.broken.breaking import BOX, DROP, GATEWAY, LABELS, Break, beside


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
        Break("nothing reads the metrics of the admin processes", "monitoring", "PodMonitor csms",
              ("spec", "selector", "matchExpressions", 0, "values"), ["gateway"],
              "monitors_read_every_process",
              "Deployment admin: no PodMonitor reads its port health; alerts need the metrics"),
        Break("the metrics have another job than in the alerts", "monitoring", "PodMonitor csms",
              ("spec", "podMetricsEndpoints", 0, "relabelings"), DROP,
              "monitors_name_the_jobs_of_the_alerts",
              "PodMonitor csms: no relabeling makes the job csms-$1 of the component"),
        Break("an alert has a field that Prometheus does not know", "monitoring", "PrometheusRule csms",
              ("spec", "groups", 1, "rules", 0, "severity"), "critical",
              "custom_resources_match_their_schemas",
              "PrometheusRule csms: spec.groups[1].rules[0]: Additional properties are not allowed "
              "('severity' was unexpected)"),
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


_INGRESS = {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "gateway"}}
_TO_A_STORE = {"to": [{"ipBlock": {"cidr": "10.0.0.0/8"}}], "ports": [{"port": 6379}]}
_OPERATORS = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "csms-operators"}}}
_NAME_SERVER = ("spec", "egress", 0, "to", 0, "namespaceSelector", "matchLabels")


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
              "backup, gateway may"),
        Break("the private network reaches the store by its number", "base", "NetworkPolicy valkey",
              ("spec", "ingress", 1),
              {"from": [{"ipBlock": {"cidr": "10.0.0.0/8"}}], "ports": [{"port": 6379}]},
              "ports_let_in_only_their_guests",
              "NetworkPolicy valkey: 10.0.0.0/8 may reach port valkey; only admin, backup, gateway may"),
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
              "Service gateway: example.com/proxy-protocol is set, but its pods do not have "
              "listen.proxy_protocol; add the component proxy-protocol"),
        Break("every address may say that it is a load balancer", "proxy-protocol", GATEWAY,
              (*BOX, "env", 1, "value"),
              "0.0.0.0/0",
              "only_proxies_may_name_a_client",
              "Deployment gateway: container gateway: listen.trusted_networks has 0.0.0.0/0, where "
              "anybody could claim any address; it must have the addresses of the load balancer alone"),
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
              "node; it may be Cluster only with the component proxy-protocol"),
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


BREAKS = [*_in_policies(), *_of_guests(), *_of_the_network()]
