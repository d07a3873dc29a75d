"""The address of a charge point: a load balancer keeps it, or says it with the PROXY protocol."""

from collections.abc import Iterator
from ipaddress import ip_network

from gateway.config import GatewayConfig
from tests.k8s.rules.objects import Object, Objects, namespace_of, of_kind, selected, title
from tests.k8s.rules.product import processes

_LEAST_BITS = 8
"""A network with fewer bits is part of the Internet and no network of an operator."""


def load_balancers_keep_the_address_of_the_client(objects: Objects) -> Iterator[str]:
    for thing in of_kind(objects, "Service"):
        spec = thing["spec"]
        annotations = [name for name in thing["metadata"].get("annotations", {}) if _asks_for_proxy(name)]
        if _reads_headers(objects, thing):
            continue
        if spec.get("type") in {"LoadBalancer", "NodePort"} and spec.get("externalTrafficPolicy") != "Local":
            yield (
                f"{title(thing)}: externalTrafficPolicy must be Local, or csms sees the address of a node; "
                "it may be Cluster only with the component proxy-protocol"
            )
        for name in annotations:
            yield (
                f"{title(thing)}: {name} is set, but its pods do not have listen.proxy_protocol; "
                "add the component proxy-protocol"
            )


def _asks_for_proxy(annotation: str) -> bool:
    return "proxyprotocol" in annotation.replace("-", "")


def _reads_headers(objects: Objects, service: Object) -> bool:
    behind = selected(objects, {"matchLabels": service["spec"].get("selector", {})}, namespace_of(service))
    titles = {pod.title for pod in behind}
    return any(
        one.pod.title in titles and isinstance(one.config, GatewayConfig) and one.config.listen.proxy_protocol
        for one in processes(objects)
    )


def only_proxies_may_name_a_client(objects: Objects) -> Iterator[str]:
    for process in processes(objects):
        if isinstance(process.config, GatewayConfig):
            for network in process.config.listen.trusted_networks:
                if ip_network(network, strict=False).prefixlen < _LEAST_BITS:
                    yield (
                        f"{process.words}: listen.trusted_networks has {network}, where anybody could claim "
                        "any address; it must have the addresses of the load balancer alone"
                    )
