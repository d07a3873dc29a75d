"""Failed authentications per minute, for each address, and for each address with a name.

The name is what the client claims to be: a charge point id, or the id of an API key. Only failures count, so
this limit does not hinder a fleet that reconnects all at once. Nothing is counted by name alone, because
anyone could then lock a charge point out by failing under its id.

An IPv6 network of 64 bits counts as one address, because one peer usually has all of its addresses.
"""

from collections import OrderedDict
from ipaddress import AddressValueError, IPv6Address

WINDOW_S = 60.0
REMEMBERED = 20_000


class Attempts:
    """Counts of failures.

    The 20,000 keys that failed last are kept. A key is an address, or an address with a name.

    `wait_of_address` and `wait_of_name` return the seconds for which an address must not try again, in
    general or with one name. 0 means that the address may try at once.
    """

    def __init__(self, *, per_address: int, per_name: int) -> None:
        self._per_address = per_address
        self._per_name = per_name
        self._counts: OrderedDict[tuple[str, ...], tuple[float, int]] = OrderedDict()

    def wait_of_address(self, address: str, now: float) -> int:
        return self._wait((_peer_of(address),), self._per_address, now)

    def wait_of_name(self, address: str, name: str, now: float) -> int:
        return self._wait((_peer_of(address), name), self._per_name, now)

    def record_failure(self, address: str, name: str, now: float) -> None:
        peer = _peer_of(address)
        for key in ((peer,), (peer, name)):
            since, count = self._counts.pop(key, (now, 0))
            if now - since >= WINDOW_S:
                since, count = now, 0
            self._counts[key] = (since, count + 1)
        while len(self._counts) > REMEMBERED:
            self._counts.popitem(last=False)

    def _wait(self, key: tuple[str, ...], limit: int, now: float) -> int:
        since, count = self._counts.get(key, (now, 0))
        left = since + WINDOW_S - now
        return int(left) + 1 if count >= limit and left > 0 else 0


def _peer_of(address: str) -> str:
    """Return the IPv4 address, or the first 64 bits of the IPv6 address."""
    if ":" not in address:
        return address
    try:
        read = IPv6Address(address)
    except AddressValueError:
        return address
    return str(read.ipv4_mapped or read.packed[:8].hex())
