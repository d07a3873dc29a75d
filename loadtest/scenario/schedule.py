"""What each charge point intends to do, and when, whatever the central system does.

A schedule is a pure function of the seed and the number of the charge point. It keeps no list of sends.
"""

from collections.abc import Iterable, Iterator
from hashlib import blake2b
from itertools import islice
from math import inf
from typing import NamedTuple

from loadtest.scenario.dice import Dice
from loadtest.scenario.model import Scenario
from loadtest.scenario.population import group_of, group_sizes, rank_of
from loadtest.scenario.streams import Beat, Even, InSequence, Poisson, Stream, Transactions, What, mix_of
from loadtest.scenario.timeline import Timeline

_DIGESTED = 500_000
_DIGESTED_LEAST = 10
_DIGEST_BYTES = 16


class Intended(NamedTuple):
    """One thing to do at a time of the run.

    `action` is the OCPP action of an arrival or of a call in sequence, and empty for the others. The calls of
    a sequence all have the time at which it begins: take the next one after the answer to the one before, and
    leave out those whose stage has ended.
    """

    at: float
    what: What
    action: str


class Schedule:
    """The iterator of all that one charge point intends, in the order of time.

    A charge point intends nothing while the timeline has it away. What a storm, a cut or the central system
    does to its connection makes no difference here.
    """

    __slots__ = ("_end", "_present", "_streams")

    def __init__(self, scenario: Scenario, timeline: Timeline, index: int) -> None:
        self._present = timeline.windows(rank_of(scenario, index))
        self._streams = tuple(_streams(scenario, timeline, index))
        self._end = -inf

    def __iter__(self) -> Iterator[Intended]:
        return self

    def __next__(self) -> Intended:
        while True:
            at = self._end
            first = None
            for stream in self._streams:
                if stream.at < at:
                    at = stream.at
                    first = stream
            if first is not None:
                return Intended(at, *first.take())
            if not self._present:
                raise StopIteration
            begin, self._end = self._present[0]
            self._present = self._present[1:]
            for stream in self._streams:
                stream.enter(begin, self._end)


def digest(scenario: Scenario, first: int, end: int) -> tuple[str, int]:
    """Return a digest of what the charge points from `first` to before `end` intend, and the number of sends.

    It covers the first sends of each charge point, some 500,000 of a whole fleet. Equal scenarios and seeds
    have equal digests, however the fleet is divided (`combine`).
    """
    timeline = Timeline(scenario)
    most = max(_DIGESTED_LEAST, _DIGESTED // scenario.fleet.charge_points)
    total = sends = 0
    for index in range(first, end):
        hashed = blake2b(b"%d" % index, digest_size=_DIGEST_BYTES)
        for at, what, action in islice(Schedule(scenario, timeline, index), most):
            # Whole microseconds, because the last bit of a logarithm differs among machines.
            hashed.update(f"{at * 1e6:.0f} {what} {action}\n".encode())
            sends += 1
        total += int.from_bytes(hashed.digest())
    return _words(total), sends


def combine(digests: Iterable[tuple[str, int]]) -> tuple[str, int]:
    """Return the digest of a whole from those of its parts, in any order."""
    parts = list(digests)
    return _words(sum(int(words, 16) for words, _ in parts)), sum(sends for _, sends in parts)


def _words(total: int) -> str:
    return f"{total % (1 << 8 * _DIGEST_BYTES):0{2 * _DIGEST_BYTES}x}"


def _streams(scenario: Scenario, timeline: Timeline, index: int) -> Iterator[Stream]:
    group = group_of(scenario, index)
    charge_points = group_sizes(scenario)[group.name]

    def dice(purpose: str) -> Dice:
        return Dice(scenario.seed, index, purpose)

    if group.heartbeat_s:
        yield Beat("heartbeat", group.heartbeat_s, dice("heartbeats"))
    if group.cut is not None:
        yield Beat("cut", group.cut.every_s, dice("cuts"))
    if group.charging is not None and group.charging.starts == "local":
        yield Transactions(group.charging, dice("transactions"))
    if even := tuple(arrival for arrival in group.arrivals if arrival.pattern == "even"):
        yield Even(mix_of(even, charge_points), timeline, dice("even arrivals"))
    if poisson := tuple(arrival for arrival in group.arrivals if arrival.pattern == "poisson"):
        yield Poisson(mix_of(poisson, charge_points), timeline, dice("poisson arrivals"))
    if group.arrivals and timeline.sequences:
        yield InSequence(mix_of(group.arrivals, charge_points), timeline, dice("calls in sequence"))
