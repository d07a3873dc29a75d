"""Networks that the operator trusts, and the address of a client behind trusted proxies."""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from gateway.service.config import ConfigError

type _Network = IPv4Network | IPv6Network


class Networks:
    """A set of networks. `in` takes the text of an address. A text that is not an address is in none."""

    def __init__(self, networks: Iterable[_Network] = ()) -> None:
        self._networks = tuple(networks)

    def __contains__(self, address: str) -> bool:
        found = _read(address)
        return found is not None and any(found in network for network in self._networks)

    def __bool__(self) -> bool:
        return bool(self._networks)


def read_networks(setting: str, texts: Sequence[str]) -> Networks:
    """Read networks such as `10.0.0.0/8`, `fd00::/8` or `192.0.2.1`. Raises ConfigError."""
    found: list[_Network] = []
    for text in texts:
        try:
            found.append(ip_network(text))
        except ValueError:
            raise ConfigError(
                f"{setting}: {text!r} is not a network; give networks such as 10.0.0.0/8 or fd00::/8, "
                "without bits beyond the prefix"
            ) from None
    return Networks(found)


def find_client(peer: str, forwarded: Sequence[str], trusted: Networks) -> str:
    """Return the address of the client of an HTTP request that came from `peer`.

    `forwarded` are the values of the X-Forwarded-For headers. Each proxy adds the address of its peer on the
    right. Only what trusted proxies added counts, because a client may send any header itself. So the client
    is the rightmost address that is not trusted. If one of the addresses on the way cannot be read, the last
    proxy before it counts as the client.
    """
    client = _normalise(peer)
    hops = [hop.strip() for value in forwarded for hop in value.split(",")]
    for hop in reversed(hops):
        if client not in trusted:
            break
        address = _read(_without_port(hop))
        if address is None:
            break
        client = str(address)
    return client


def _without_port(hop: str) -> str:
    """Some proxies add the port, and then put an IPv6 address into brackets."""
    if hop.startswith("["):
        return hop[1:].partition("]")[0]
    return hop.partition(":")[0] if hop.count(":") == 1 else hop


def _normalise(address: str) -> str:
    found = _read(address)
    return address if found is None else str(found)


@lru_cache(1024)
def _read(address: str) -> IPv4Address | IPv6Address | None:
    try:
        found = ip_address(address)
    except ValueError:
        return None
    return (found.ipv4_mapped or found) if isinstance(found, IPv6Address) else found
