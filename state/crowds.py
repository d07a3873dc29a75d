"""Which records make room when there are too many, so that a flood pushes out only its own records.

Each record belongs to a kind, to an address and to an identity. The kind with the most records gives way
first. Within the kind, the address or the identity with the most records gives way, and of those the oldest
record goes. So a flood from one address pushes out the records of this address, a flood that names one
identity those of this identity, and a flood that varies both the records of strangers like itself.
"""

from collections import defaultdict
from collections.abc import Hashable, Iterable
from heapq import heapify, heappop, heappush
from typing import Any, NamedTuple


class Crowded[T](NamedTuple):
    """A record. `last` orders the records of a crowd, the oldest first."""

    record: T
    kind: Hashable
    address: Hashable
    identity: Hashable
    last: float


type _Name = tuple[int, Hashable]


def find_dropped[T](records: Iterable[Crowded[T]], number: int) -> list[T]:
    """Return the `number` records that make room for others."""
    kinds: defaultdict[Hashable, list[Crowded[T]]] = defaultdict(list)
    for one in records:
        kinds[one.kind].append(one)
    crowds = [_Crowds(of_kind) for of_kind in kinds.values()]
    dropped: list[T] = []
    while len(dropped) < number and (largest := max(crowds, key=len, default=None)):
        dropped.append(largest.drop().record)
    return dropped


class _Crowds[T]:
    """The records of one kind, each in the crowd of its address and in that of its identity."""

    def __init__(self, records: list[Crowded[T]]) -> None:
        self._left = len(records)
        self._dropped: set[int] = set()
        self._sizes: defaultdict[_Name, int] = defaultdict(int)
        crowds: defaultdict[_Name, list[Crowded[T]]] = defaultdict(list)
        for one in sorted(records, key=lambda one: -one.last):  # The oldest is the last one of its crowd.
            for name in _names(one):
                crowds[name].append(one)
                self._sizes[name] += 1
        self._crowds = crowds
        # A crowd stands in the heap at least with its size. Crowds of one size go by their oldest record.
        self._heap = [(-len(crowd), crowd[-1].last, id(crowd), name) for name, crowd in crowds.items()]
        heapify(self._heap)

    def __len__(self) -> int:
        return self._left

    def drop(self) -> Crowded[T]:
        while True:
            size, _, _, name = heappop(self._heap)
            crowd = self._crowds[name]
            while crowd and id(crowd[-1]) in self._dropped:
                crowd.pop()
            if crowd and -size == self._sizes[name]:
                oldest = crowd.pop()
                self._dropped.add(id(oldest))
                self._left -= 1
                for other in _names(oldest):
                    self._sizes[other] -= 1
                self._push(name)
                return oldest
            self._push(name)

    def _push(self, name: _Name) -> None:
        if size := self._sizes[name]:
            crowd = self._crowds[name]
            heappush(self._heap, (-size, crowd[-1].last, id(crowd), name))


def _names(one: Crowded[Any]) -> tuple[_Name, _Name]:
    return (0, one.address), (1, one.identity)
