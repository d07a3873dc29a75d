"""A long quiet load, to see memory and files that only ever grow."""

from itertools import combinations
from statistics import median

import msgspec
import trio

from gateway.websocket.close_codes import Close
from state.store import StoreConfig, open_store
from tests.chaos.bench import Bench, leg
from tests.chaos.fleet import Fleet, fleet, judge
from tests.chaos.watched_gateway import read_heap
from tests.chaos.workers import open_files, workers
from tests.support.processes import resident_kib
from tests.support.retrying import RetryingChargePoint
from tests.support.waiting import until

CHURN_A_MINUTE = 0.05
EVERY_S = 10.0
HOUR_S = 3600.0
LOWS = 6


class Sample(msgspec.Struct, frozen=True):
    """What one process had at a time."""

    at: float
    rss_kib: int
    used_kib: int
    free_kib: int
    blocks: int
    files: int


@leg(
    "soak",
    criterion="A soak of 60 minutes on a quiet machine with 800 charge points and 5 % churn a minute: memory "
    "slope of the second half below 2 % an hour and open files flat.",
    minutes=60,
)
async def soak(bench: Bench) -> None:
    """Charge for an hour, with some charge points that reset, close, or make room for others each minute."""
    size, minutes = bench.scaled(800, least=40), bench.minutes or 60.0
    tenant = bench.central.tenant()
    module = ("tests.chaos.watched_gateway", str(bench.directory))
    async with (
        open_store(StoreConfig(url=bench.central.valkey.url)) as store,
        workers(bench, 2, proxies=False, module=module) as pool,
        fleet(bench, [f"o{n}" for n in range(size)], lambda id_: pool.url(tenant, id_)) as running,
    ):
        await running.wait_connected()
        pids = [place.running.pid for place in pool.places]
        await until(lambda: all((bench.directory / f"heap-{pid}.json").exists() for pid in pids))
        samples: dict[int, list[Sample]] = {pid: [] for pid in pids}
        churn = Churn(bench, running)
        began = trio.current_time()
        while (passed := trio.current_time() - began) < 60 * minutes:
            churn.turn(size * CHURN_A_MINUTE * EVERY_S / 60)
            for pid, taken in samples.items():
                taken.append(take_sample(bench, pid, passed))
            if len(samples[pids[0]]) % 12 == 0:
                bench.say("; ".join(describe(taken[-1]) for taken in samples.values()))
            running.answers.clear()  # Nobody asks for the answers, and a soak must not grow by itself.
            await trio.sleep(EVERY_S)
        bench.figure("charge points, minutes", f"{size}, {minutes:g}")
        bench.figure("resets, CLOSEs, new ids in place of others", ", ".join(map(str, churn.counts)))
        for number, taken in enumerate(samples.values()):
            judge_memory(bench, f"gateway {number}", taken)
        judge_files(bench, list(samples.values()))
        async with tenant.api() as api:
            await judge(bench, running, api, store, tenant.id)


class Churn:
    """Lets charge points reset their connection, close it, or leave for ever while another one comes."""

    def __init__(self, bench: Bench, running: Fleet) -> None:
        self.counts = [0, 0, 0]
        self._bench = bench
        self._running = running
        self._due = 0.0

    def turn(self, further: float) -> None:
        self._due += further
        connected = self._running.staying
        for one in self._bench.dice.sample(connected, min(int(self._due), len(connected))):
            kind = sum(self.counts) % 3
            self.counts[kind] += 1
            (self._reset, self._close, self._replace)[kind](one)
        self._due -= int(self._due)

    def _reset(self, one: RetryingChargePoint) -> None:
        assert one.connection is not None
        one.connection._stream.abort()

    def _close(self, one: RetryingChargePoint) -> None:
        assert one.connection is not None
        self._running.start_soon(one.connection.close, Close.LOAD_TEST_OVER)

    def _replace(self, one: RetryingChargePoint) -> None:
        self._running.replace(one, f"n{self.counts[2]}")


def take_sample(bench: Bench, pid: int, at: float) -> Sample:
    heap = read_heap(bench.directory, pid)
    return Sample(at, resident_kib(pid), heap.used_kib, heap.free_kib, heap.blocks, open_files(pid))


def describe(one: Sample) -> str:
    return (
        f"{one.at / 60:.0f} min: {one.rss_kib} KiB resident, heap {one.used_kib} used, {one.free_kib} free,"
        f" {one.blocks} blocks, {one.files} files"
    )


def judge_memory(bench: Bench, which: str, samples: list[Sample]) -> None:
    """Require that a process did not grow in the second half of the time.

    If the resident memory grows, the other slopes tell why: with a leak, what is in use grows too.
    """
    half = samples[len(samples) // 2 :]
    bench.figure(f"{which} at the begin", describe(samples[0]))
    bench.figure(f"{which} at half", describe(half[0]))
    bench.figure(f"{which} at the end", describe(half[-1]))
    slopes = {}
    for name in ("rss_kib", "used_kib", "blocks"):
        points = lows([(one.at, getattr(one, name)) for one in half])
        slopes[name] = 100 * HOUR_S * slope_of(points) / points[0][1]
    bench.figure(
        f"{which}, slopes of the second half, % an hour", ", ".join(f"{n} {s:.1f}" for n, s in slopes.items())
    )
    slope = slopes["rss_kib"]
    bench.require(slope < 2, f"the memory of {which} grows by {slope:.1f} % an hour")


def judge_files(bench: Bench, samples: list[list[Sample]]) -> None:
    """Require that the open files of all processes together did not rise in the second half of the time.

    Charge points that come back may choose another gateway, so the files of one gateway may rise.
    """
    times = [(ones[0].at, sum(one.files for one in ones)) for ones in zip(*samples, strict=True)]
    half = times[len(times) // 2 :]
    rise = slope_of(half) * (half[-1][0] - half[0][0])
    files = [count for _, count in half]
    bench.figure("open files in the second half", f"{min(files)} to {max(files)}, rise {rise:.1f}")
    bench.require(rise < 5, f"the open files rose by {rise:.0f}")


def lows(points: list[tuple[float, int]]) -> list[tuple[float, int]]:
    """Return the lowest point of each sixth of the time.

    Between two times at which a gateway gives free memory back, which are five minutes apart, its resident
    memory goes up and down by 5 %. What counts is what is left then.
    """
    size = max(1, -(-len(points) // LOWS))
    return [min(points[at : at + size], key=lambda point: point[1]) for at in range(0, len(points), size)]


def slope_of(points: list[tuple[float, int]]) -> float:
    """Return how much the values rise in a second, as the median of the slopes between any two points.

    A few samples that are far off, for example while a storm's memory is free but not yet given back, do not
    change the result (Theil and Sen).
    """
    slopes = [(y2 - y1) / (x2 - x1) for (x1, y1), (x2, y2) in combinations(points, 2) if x2 > x1]
    return median(slopes) if slopes else 0.0
