"""Failed authentications, for each address with a name, for each address, and in all.

The name is what the client claims to be: a charge point id, or the id of an API key. Each of the three has a
bucket: a failure fills it by one, and it empties evenly within a minute. Only failures count, so this limit
does not hinder a fleet that reconnects all at once. Nothing is counted by name alone, because anyone could
then lock a charge point out by failing under its id.

Only the bucket of an address with a name may refuse a client that is right. Many charge points may share an
address, so the failures of some must not lock the others out.

An IPv6 network of 64 bits counts as one address, because one peer usually has all of its addresses.
"""

from collections import Counter, OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from ipaddress import AddressValueError, IPv6Address
from math import ceil

WINDOW_S = 60.0
REMEMBERED = 20_000
"""Greatest number of addresses and names that are remembered."""
REMEMBERED_OF_ADDRESS = REMEMBERED // 10
"""Greatest number of names that are remembered for one address. An address that varies the name forgets its
own names first, not those of others."""


@dataclass(slots=True)
class _Bucket:
    level: float = 0.0
    at: float = 0.0

    def level_at(self, now: float, limit: int) -> float:
        return max(0.0, self.level - max(0.0, now - self.at) * limit / WINDOW_S)

    def fill(self, now: float, limit: int) -> None:
        self.level, self.at = min(float(limit), self.level_at(now, limit) + 1), now

    def wait(self, now: float, limit: int, pending: int = 0) -> int:
        """Return the seconds until the bucket has room for another failure, or 0 if it has room.

        `pending` is the number of requests that may still fail.
        """
        excess = self.level_at(now, limit) + pending - (limit - 1)
        return ceil(excess * WINDOW_S / limit) if excess > 0 else 0


@dataclass(slots=True)
class _Peer:
    bucket: _Bucket = field(default_factory=_Bucket)
    names: OrderedDict[str, _Bucket] = field(default_factory=OrderedDict)


class Attempts:
    """The buckets of failures. The addresses and names that failed last are remembered.

    `wait_of_name` and `wait_of_address` return the seconds after which the bucket has room again. 0 means
    that it has room now.
    """

    def __init__(self, *, per_address: int, per_name: int) -> None:
        self._per_address = per_address
        self._per_name = per_name
        self._in_all = 10 * per_address
        self._all = _Bucket()
        self._peers: OrderedDict[str, _Peer] = OrderedDict()
        self._size = 0
        self._pending: Counter[tuple[str, str]] = Counter()

    def wait_of_address(self, address: str, now: float) -> int:
        peer = self._peers.get(_peer_of(address))
        return peer.bucket.wait(now, self._per_address) if peer else 0

    def wait_of_name(self, address: str, name: str, now: float) -> int:
        key = _peer_of(address)
        peer = self._peers.get(key)
        bucket = (peer and peer.names.get(name)) or _Bucket()
        return bucket.wait(now, self._per_name, self._pending[key, name])

    @contextmanager
    def trying(self, address: str, name: str) -> Iterator[None]:
        """Count a request as a failure of its name, while nobody knows whether it is right.

        Otherwise, any number of requests could be verified at the same time.
        """
        key = _peer_of(address), name
        self._pending[key] += 1
        try:
            yield
        finally:
            self._pending[key] -= 1
            if not self._pending[key]:
                del self._pending[key]

    def is_crowded(self, address: str, now: float) -> bool:
        """Return whether too many requests fail, either from this address or in all."""
        return bool(self.wait_of_address(address, now) or self._all.wait(now, self._in_all))

    def record_failure(self, address: str, name: str, now: float) -> None:
        self._all.fill(now, self._in_all)
        key = _peer_of(address)
        peer = self._peers.get(key)
        if peer is None:
            peer = self._peers[key] = _Peer()
            self._size += 1
        self._peers.move_to_end(key)
        peer.bucket.fill(now, self._per_address)
        bucket = peer.names.get(name)
        if bucket is None:
            bucket = peer.names[name] = _Bucket()
            self._size += 1
        peer.names.move_to_end(name)
        bucket.fill(now, self._per_name)
        self._forget(peer)

    def _forget(self, peer: _Peer) -> None:
        if len(peer.names) > REMEMBERED_OF_ADDRESS:
            peer.names.popitem(last=False)
            self._size -= 1
        while self._size > REMEMBERED:
            _, oldest = self._peers.popitem(last=False)
            self._size -= 1 + len(oldest.names)


def _peer_of(address: str) -> str:
    """Return the IPv4 address, or the first 64 bits of the IPv6 address."""
    if ":" not in address:
        return address
    try:
        read = IPv6Address(address)
    except AddressValueError:
        return address
    return str(read.ipv4_mapped or read.packed[:8].hex())
