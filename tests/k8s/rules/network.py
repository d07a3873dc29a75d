"""Network policies: nothing is open by accident, and what must be open is open."""

from collections.abc import Iterator

from tests.k8s.rules.objects import (
    Object,
    Objects,
    Pod,
    matches,
    name_of,
    namespace_of,
    of_kind,
    pods,
    selected,
    title,
)
from tests.k8s.rules.product import csms_pods

_DIRECTIONS = (("Ingress", "ingress", "from"), ("Egress", "egress", "to"))
_OFFERED = {"gateway": {443: "wss"}, "admin": {8080: "api"}, "valkey": {6379: "valkey"}}
"""The ports of each Service, and the port of the pod behind each. k8s/README.md names them."""
_GUESTS = {
    ("gateway", "health"): {"namespace monitoring"},
    ("admin", "health"): {"namespace monitoring"},
    ("admin", "api"): {"namespace csms-operators"},
    ("valkey", "valkey"): {"gateway", "admin", "backup"},
}
"""Who may reach a port of a component. k8s/README.md names the namespaces."""
_NARROWEST_OF_ALL = 8
"""A network with fewer bits is part of the Internet and no network of an operator."""
_FLOWS = (
    ("gateway", "valkey", "valkey"),
    ("admin", "valkey", "valkey"),
    ("backup", "valkey", "valkey"),
    ("loadtest", "gateway", "wss"),
)
"""From the pods of one component to a port of another."""


def _policies(objects: Objects, pod: Pod, direction: str) -> list[Object]:
    """Return the policies that apply to a pod in one direction."""
    return [
        thing
        for thing in of_kind(objects, "NetworkPolicy")
        if namespace_of(thing) == pod.namespace
        and direction in thing["spec"]["policyTypes"]
        and matches(thing["spec"]["podSelector"], pod.labels)
    ]


def policies_say_their_directions(objects: Objects) -> Iterator[str]:
    for thing in of_kind(objects, "NetworkPolicy"):
        types = thing["spec"].get("policyTypes", [])
        for direction, field, _ in _DIRECTIONS:
            if field in thing["spec"] and direction not in types:
                yield (
                    f"{title(thing)}: policyTypes lacks {direction}, but spec.{field} has rules; "
                    f"add {direction}"
                )


def policies_cover_every_pod(objects: Objects) -> Iterator[str]:
    for pod in pods(objects):
        for direction, _, _ in _DIRECTIONS:
            if not _policies(objects, pod, direction):
                yield f"{pod.title}: no network policy bounds its {direction}; one must select its labels"


def everything_is_denied_by_default(objects: Objects) -> Iterator[str]:
    for thing in of_kind(objects, "NetworkPolicy"):
        spec = thing["spec"]
        has_rules = spec.get("ingress") or spec.get("egress")
        if spec["podSelector"] == {} and not has_rules and set(spec["policyTypes"]) == {"Ingress", "Egress"}:
            return
    yield "NetworkPolicy: none denies everything; one must have podSelector {}, both policyTypes and no rules"


def policy_ports_exist(objects: Objects) -> Iterator[str]:
    for thing in of_kind(objects, "NetworkPolicy"):
        for pod in selected(objects, thing["spec"]["podSelector"], namespace_of(thing)):
            known = {
                p[k]
                for one in pod.containers
                for p in one.get("ports", [])
                for k in ("name", "containerPort")
            }
            for rule in thing["spec"].get("ingress") or []:
                for port in rule.get("ports", []):
                    if port["port"] not in known:
                        yield (
                            f"{title(thing)}: ingress names port {port['port']}, which {pod.title} does not "
                            f"have; it must be one of {', '.join(sorted(map(str, known)))}"
                        )


def rules_of_policies_name_ports_and_peers(objects: Objects) -> Iterator[str]:
    for thing in of_kind(objects, "NetworkPolicy"):
        for _, field, peers in _DIRECTIONS:
            for rule in thing["spec"].get(field) or []:
                ports = rule.get("ports") or [{}]
                if any("port" not in port or "endPort" in port for port in ports):
                    yield f"{title(thing)}: a rule of spec.{field} must name each port"
                for peer in rule.get(peers) or []:
                    if peer.get("podSelector") == {} and "namespaceSelector" not in peer:
                        yield (
                            f"{title(thing)}: a podSelector in {peers} takes every pod of the namespace; "
                            "it must have the labels of a workload"
                        )


def ports_let_in_only_their_guests(objects: Objects) -> Iterator[str]:
    for pod in pods(objects):
        names = {p["containerPort"]: p.get("name") for one in pod.containers for p in one.get("ports", [])}
        for policy in _policies(objects, pod, "Ingress"):
            for rule in policy["spec"].get("ingress") or []:
                for port in (names.get(p.get("port"), p.get("port")) for p in rule.get("ports", [])):
                    guests = _GUESTS.get((pod.component, port))
                    found = {
                        guest for peer in rule.get("from") or [] for guest in _guests(objects, policy, peer)
                    }
                    if guests is not None and not found <= guests:
                        yield (
                            f"{title(policy)}: {_listed(found - guests)} may reach port {port}; "
                            f"only {_listed(guests)} may"
                        )
        if pod.component == "valkey" and any(
            policy["spec"].get("egress") for policy in _policies(objects, pod, "Egress")
        ):
            yield f"{pod.title}: a network policy has egress for it; it calls nobody, so remove that"


def _listed(words: set[str]) -> str:
    return ", ".join(sorted(words))


def _guests(objects: Objects, policy: Object, peer: Object) -> set[str]:
    """Return words for whom a peer of a policy means."""
    if "ipBlock" in peer:
        return {str(peer["ipBlock"].get("cidr"))}
    if "namespaceSelector" in peer:
        labels = peer["namespaceSelector"].get("matchLabels", {})
        return {f"namespace {labels.get('kubernetes.io/metadata.name')}"}
    return {pod.component for pod in selected(objects, peer.get("podSelector", {}), namespace_of(policy))}


def ports_are_tcp(objects: Objects) -> Iterator[str]:
    for pod in pods(objects):
        if any(p.get("protocol", "TCP") != "TCP" for one in pod.containers for p in one.get("ports", [])):
            yield f"{pod.title}: a port has another protocol than TCP; no process listens there"
    for thing in of_kind(objects, "Service"):
        if any(port.get("protocol", "TCP") != "TCP" for port in thing["spec"].get("ports", [])):
            yield f"{title(thing)}: a port has another protocol than TCP; no process listens there"


def only_charge_points_come_from_anywhere(objects: Objects) -> Iterator[str]:
    for thing in of_kind(objects, "NetworkPolicy"):
        for _, field, peers in _DIRECTIONS:
            for rule in thing["spec"].get(field) or []:
                everyone = not rule.get(peers) or any(_is_everyone(peer) for peer in rule[peers])
                if everyone and not (
                    field == "ingress" and [p["port"] for p in rule.get("ports", [])] == ["wss"]
                ):
                    yield (
                        f"{title(thing)}: a rule of spec.{field} allows every address; "
                        f"only ingress to the port wss may, so name the peers in {peers}"
                    )


def _is_everyone(peer: Object) -> bool:
    cidr = peer.get("ipBlock", {}).get("cidr")
    is_wide = cidr is not None and int(cidr.partition("/")[2]) < _NARROWEST_OF_ALL
    return is_wide or peer.get("namespaceSelector") == {}


def charge_points_reach_the_gateway(objects: Objects) -> Iterator[str]:
    for pod in pods(objects):
        if pod.component == "gateway" and not any(
            not rule.get("from")
            and any(p["port"] == "wss" and p.get("protocol", "TCP") == "TCP" for p in rule.get("ports", []))
            for policy in _policies(objects, pod, "Ingress")
            for rule in policy["spec"].get("ingress") or []
        ):
            yield f"{pod.title}: no network policy opens the port wss to every address; charge points need it"


def monitoring_reads_every_health_port(objects: Objects) -> Iterator[str]:
    for pod in csms_pods(objects):
        if any(
            port.get("name") == "health" for one in pod.containers for port in one.get("ports", [])
        ) and not any(
            any(port["port"] == "health" for port in rule.get("ports", []))
            for policy in _policies(objects, pod, "Ingress")
            for rule in policy["spec"].get("ingress") or []
        ):
            yield f"{pod.title}: no network policy opens the port health; monitoring needs it"


def parts_reach_each_other(objects: Objects) -> Iterator[str]:
    everyone = list(pods(objects))
    for source_name, target_name, port in _FLOWS:
        for source in (pod for pod in everyone if pod.component == source_name):
            for target in (pod for pod in everyone if pod.component == target_name):
                number = next(
                    (
                        p["containerPort"]
                        for one in target.containers
                        for p in one["ports"]
                        if p["name"] == port
                    ),
                    None,
                )
                for direction, subject, peer in (("Egress", source, target), ("Ingress", target, source)):
                    if not _allows(_policies(objects, subject, direction), direction, peer, {port, number}):
                        yield (
                            f"{subject.title}: no network policy allows its {direction} between "
                            f"{source_name} and port {port} of {target_name}; add a rule"
                        )


def _allows(policies: list[Object], direction: str, peer: Pod, spellings: set[object]) -> bool:
    field, peers = next((field, peers) for name, field, peers in _DIRECTIONS if name == direction)
    for policy in policies:
        for rule in policy["spec"].get(field) or []:
            ports = [port["port"] for port in rule.get("ports", []) if port.get("protocol", "TCP") == "TCP"]
            if spellings & set(ports) and (
                not rule.get(peers)
                or any(
                    "podSelector" in one
                    and "namespaceSelector" not in one
                    and matches(one["podSelector"], peer.labels)
                    for one in rule[peers]
                )
            ):
                return True
    return False


def csms_pods_resolve_names(objects: Objects) -> Iterator[str]:
    for pod in csms_pods(objects):
        protocols = {
            port.get("protocol", "TCP")
            for rule in _egress_rules(objects, pod)
            if any(_is_name_server(peer) for peer in rule.get("to", []))
            for port in rule.get("ports", [])
            if port["port"] == 53
        }
        for missing in sorted({"TCP", "UDP"} - protocols):
            yield f"{pod.title}: no network policy allows DNS over {missing}; allow egress to port 53 over it"


def processes_reach_a_store(objects: Objects) -> Iterator[str]:
    if any(pod.component == "valkey" for pod in pods(objects)):
        return  # `parts_reach_each_other` judges this.
    for pod in csms_pods(objects):
        ports = [port for rule in _egress_rules(objects, pod) for port in rule.get("ports", [])]
        if all(port["port"] == 53 for port in ports):
            yield f"{pod.title}: no network policy allows egress to a store; add its address and port"


def _is_name_server(peer: Object) -> bool:
    labels: Object = peer.get("namespaceSelector", {}).get("matchLabels", {})
    return labels.get("kubernetes.io/metadata.name") == "kube-system"


def _egress_rules(objects: Objects, pod: Pod) -> list[Object]:
    return [
        rule for policy in _policies(objects, pod, "Egress") for rule in policy["spec"].get("egress") or []
    ]


def traffic_policies_are_on_services_that_have_them(objects: Objects) -> Iterator[str]:
    for thing in of_kind(objects, "Service"):
        kind = thing["spec"].get("type", "ClusterIP")
        if "externalTrafficPolicy" in thing["spec"] and kind not in {"LoadBalancer", "NodePort"}:
            yield (
                f"{title(thing)}: externalTrafficPolicy is set, but the type is {kind}; "
                "only LoadBalancer and NodePort may have it"
            )


def only_the_gateway_is_reached_from_outside(objects: Objects) -> Iterator[str]:
    for thing in of_kind(objects, "Service"):
        kind = thing["spec"].get("type", "ClusterIP")
        if kind != "ClusterIP" and name_of(thing) != "gateway":
            yield f"{title(thing)}: type is {kind}; only the gateway may be reached from outside the cluster"
        if "externalIPs" in thing["spec"]:
            yield f"{title(thing)}: externalIPs is set; only a load balancer may lead into the cluster"


def services_offer_only_what_they_are_for(objects: Objects) -> Iterator[str]:
    for thing in of_kind(objects, "Service"):
        ports = {
            port["port"]: port.get("targetPort", port["port"]) for port in thing["spec"].get("ports", [])
        }
        wanted = _OFFERED.get(name_of(thing))
        if ports != wanted:
            yield f"{title(thing)}: it leads from port to port like {ports}; it must be {wanted}"


def services_send_to_every_ready_pod(objects: Objects) -> Iterator[str]:
    for thing in of_kind(objects, "Service"):
        spec = thing["spec"]
        for field, good in (
            ("internalTrafficPolicy", {None, "Cluster"}),
            ("publishNotReadyAddresses", {None, False}),
            ("sessionAffinity", {None, "None"}),
        ):
            if spec.get(field) not in good:
                yield f"{title(thing)}: {field} is {spec[field]}; it must be absent"
        if "loadBalancerSourceRanges" in spec:
            yield f"{title(thing)}: loadBalancerSourceRanges is set, but charge points come from anywhere"


def tls_ends_in_the_gateway(objects: Objects) -> Iterator[str]:
    for thing in of_kind(objects, "Ingress", "HTTPRoute", "Gateway", "IngressRoute"):
        yield f"{title(thing)}: a proxy would end TLS and hide the address of a charge point; use the Service"
