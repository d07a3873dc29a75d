"""What one process of a load test measures, as it happens.

The calls of a run are many, so recording one only appends two numbers to arrays. Once a second, the arrays
are counted into histograms. A call belongs to the stage in which it should have been sent, so that a stage
in which the central system stands still cannot pass its delay on to the next one. Everything else belongs to
the stage in which it happened. A slice has the calls that were answered in it.
"""

from array import array
from collections import Counter
from collections.abc import Iterable
from typing import Final

from msgspec import Struct, field

from loadtest.measuring.histograms import SLICE_DIGITS, add, coarsen, count_buckets, encode
from loadtest.measuring.slices import Second, SliceList
from loadtest.results import Clock, Phase, What

LATE_S: Final = 0.1
"""A send is late if it is later than this."""
_NAMES_MAX: Final = 200
_CHARACTERS_MAX: Final = 120
_OTHERS: Final = "other errors"
_SECOND: Final = 1.0

type Key = tuple[What, str, Clock]


class Counted(Struct, frozen=True, array_like=True):
    """A histogram of a process so far. `buckets` are those of histograms.py."""

    what: What
    name: str
    stage: str
    clock: Clock
    buckets: dict[int, int]


class Snapshot(Struct, kw_only=True):
    """How a run is doing. Snapshots of its processes add up.

    `counts` are by stage. `recent` has the corrected latencies of the calls since the snapshot before, as an
    HdrHistogram of two digits. `violations` is for the owner of the checks to set.
    """

    stage: str
    connected: int
    booted: int
    counts: dict[str, dict[str, int]] = field(default_factory=dict)
    histograms: list[Counted] = field(default_factory=list)
    recent: str = ""
    violations: int = 0


class StageRecord:
    """What was measured in one stage."""

    __slots__ = ("begin", "calls", "counts", "end", "histograms", "name", "others", "sent")

    def __init__(self, name: str, begin: float) -> None:
        self.name = name
        self.begin = begin
        self.end = begin
        self.sent = 0
        self.counts: Counter[str] = Counter()
        self.calls: dict[str, _Calls] = {}
        self.others: dict[Key, array[float]] = {}
        self.histograms: dict[Key, Counter[int]] = {}

    def add(self, what: What, name: str, seconds: float) -> None:
        key: Key = (what, name, "corrected")
        values = self.others.get(key)
        if values is None:
            values = self.others[key] = array("d")
        values.append(seconds * 1e6)

    def count_into(self, second: Second) -> Counter[int]:
        """Count what was collected. Returns the buckets of the corrected latencies of its calls."""
        corrected: Counter[int] = Counter()
        for action, calls in self.calls.items():
            if calls.corrected:
                self.counts["calls"] += len(calls.corrected)
                second.calls += len(calls.corrected)
                corrected.update(self._count(("call", action, "corrected"), calls.corrected))
                self._count(("call", action, "service"), calls.service)
                calls.corrected, calls.service = array("d"), array("d")
        for key, values in self.others.items():
            self._count(key, values)
        self.others.clear()
        if self.sent:
            self.counts["sent"] += self.sent
            self.sent = 0
        return corrected

    def _count(self, key: Key, values: "array[float]") -> Counter[int]:
        buckets = count_buckets(values)
        self.histograms.setdefault(key, Counter()).update(buckets)
        return buckets


class _Calls:
    """Answered calls of one action that are not yet in the histograms, in microseconds."""

    __slots__ = ("corrected", "service")

    def __init__(self) -> None:
        self.corrected = array("d")
        self.service = array("d")


class Recorder:
    """Measures one process. Times are of Trio's clock, and `begin` is time 0 of the run.

    The first stage must be entered before anything else is recorded. `connected` and `booted` are moved by
    the charge points.
    """

    __slots__ = (
        "_recent",
        "_second",
        "_slices",
        "_stage",
        "_stage_begin",
        "_turn_at",
        "begin",
        "booted",
        "commands",
        "connected",
        "errors",
        "stages",
    )
    _stage: StageRecord

    def __init__(self, begin: float) -> None:
        self.begin = begin
        self.connected = 0
        self.booted = 0
        self.stages: list[StageRecord] = []
        self.errors: Counter[str] = Counter()
        self.commands: Counter[str] = Counter()
        self._stage_begin = begin
        self._turn_at = begin + _SECOND
        self._second = Second()
        self._slices = SliceList()
        self._recent: Counter[int] = Counter()

    def enter(self, stage: str, at: float) -> None:
        """Begin a stage, and end the one before."""
        self.tick(at)
        if self.stages:
            self._stage.end = at
        self._stage = StageRecord(stage, at)
        self._stage_begin = at
        self.stages.append(self._stage)

    def tick(self, now: float) -> None:
        """End each second that is over. This is called several times a second, whatever else happens."""
        while now >= self._turn_at:
            self._count()
            self._second.connected, self._second.booted = self.connected, self.booted
            self._slices.add(self._second)
            self._second = Second()
            self._turn_at += _SECOND

    def sent(self, intended: float, sent: float, *, free: bool) -> None:
        """Record the sending of a call, and whether its charge point was free to send it in time."""
        self._stage.sent += 1
        if sent - intended > LATE_S:
            self._stage.counts["late"] += 1
            if free:
                self._stage.counts["late_generator"] += 1

    def answered(self, action: str, intended: float, sent: float, answered: float) -> None:
        if answered >= self._turn_at:
            self.tick(answered)
        stage = self._stage if intended >= self._stage_begin else self._stage_of(intended)
        calls = stage.calls.get(action)
        if calls is None:
            calls = stage.calls[action] = _Calls()
        calls.corrected.append((answered - intended) * 1e6)
        calls.service.append((answered - sent) * 1e6)

    def delivered(self, action: str, written: float, answered: float) -> None:
        """Record the acknowledgement of a message that had waited in the queue of its charge point."""
        self._stage.add("delivery", action, answered - written)
        self._stage.counts["delivered"] += 1

    def failed(self, action: str, why: str) -> None:
        """Record a call that got a CALLERROR or no answer."""
        counts = self._stage.counts
        counts["failed"] += 1
        counts[f"failed {action}"] += 1
        if why == "no answer":
            counts["unanswered"] += 1
        self.error(f"{action} {why}")

    def phase(self, phase: Phase, seconds: float) -> None:
        self._stage.add("phase", phase, seconds)
        if phase == "upgrade":
            self._second.handshakes += 1

    def command(
        self, action: str, intended: float, answered: float, outcome: str, *, expected: bool = True
    ) -> None:
        """Record a command, and whether its outcome was one of those that the scenario expects."""
        stage = self._stage_of(intended)
        stage.add("command", action, answered - intended)
        stage.counts["commands"] += 1
        _count_words(self.commands, f"{action} {outcome}")
        if not expected:
            stage.counts["unexpected"] += 1
            stage.counts[f"unexpected {action}"] += 1
            self.error(f"{action} {outcome}")

    def count(self, name: str, more: int = 1) -> None:
        self._stage.counts[name] += more

    def error(self, words: str) -> None:
        """Record anything that went wrong."""
        self._stage.counts["errors"] += 1
        self._second.errors += 1
        _count_words(self.errors, words)

    def snapshot(self, wanted: Iterable[tuple[What, str | None, str | None, Clock]] = ()) -> Snapshot:
        """Return how the run is doing, with the histograms that are wanted.

        None in the place of a name or a stage wants all of them.
        """
        self._count()
        recent, self._recent = self._recent, Counter()
        asked = list(wanted)
        return Snapshot(
            stage=self._stage.name,
            connected=self.connected,
            booted=self.booted,
            counts={stage.name: dict(stage.counts) for stage in self.stages},
            histograms=[
                Counted(what, name, stage.name, clock, dict(buckets))
                for stage in self.stages
                for (what, name, clock), buckets in stage.histograms.items()
                if any(
                    (what, clock) == (a_what, a_clock)
                    and a_name in {None, name}
                    and a_stage in {None, stage.name}
                    for a_what, a_name, a_stage, a_clock in asked
                )
            ],
            recent=encode(recent, SLICE_DIGITS),
        )

    def finish(self, at: float) -> SliceList:
        """End the last stage. Returns the slices."""
        self.tick(at)
        self._count()
        self._stage.end = at
        last = self._second
        if last.calls or last.errors or last.handshakes:
            last.connected, last.booted = self.connected, self.booted
            self._slices.add(last)
        return self._slices

    def _stage_of(self, time: float) -> StageRecord:
        """Return the stage at a time. A time before the first one belongs to the first one."""
        return next((stage for stage in reversed(self.stages) if time >= stage.begin), self.stages[0])

    def _count(self) -> None:
        for stage in self.stages:
            corrected = coarsen(stage.count_into(self._second))
            self._second.buckets.update(corrected)
            self._recent.update(corrected)


def add_snapshots(snapshots: Iterable[Snapshot]) -> Snapshot:
    """Add up the snapshots of all processes. There is at least one."""
    first, *others = snapshots
    counts = {stage: Counter(each) for stage, each in first.counts.items()}
    histograms = {_key_of(each): Counter(each.buckets) for each in first.histograms}
    for other in others:
        for stage, more in other.counts.items():
            counts.setdefault(stage, Counter()).update(more)
        for each in other.histograms:
            histograms.setdefault(_key_of(each), Counter()).update(each.buckets)
    together = [first, *others]
    return Snapshot(
        stage=first.stage,
        connected=sum(each.connected for each in together),
        booted=sum(each.booted for each in together),
        counts={stage: dict(each) for stage, each in counts.items()},
        histograms=[Counted(*key, dict(buckets)) for key, buckets in histograms.items()],
        recent=add([each.recent for each in together]),
        violations=sum(each.violations for each in together),
    )


def _key_of(counted: Counted) -> tuple[What, str, str, Clock]:
    return counted.what, counted.name, counted.stage, counted.clock


def _count_words(counter: Counter[str], words: str) -> None:
    """Count words that the central system may have made up, so their number and length are bounded."""
    words = words[:_CHARACTERS_MAX]
    counter[words if words in counter or len(counter) < _NAMES_MAX else _OTHERS] += 1
