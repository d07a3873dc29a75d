"""A long quiet load, to see memory and files that only ever grow."""

import trio

from state.store import StoreConfig, open_store
from tests.chaos.bench import Bench, leg
from tests.chaos.fleet import fleet, judge
from tests.chaos.workers import open_files, rss_kib, workers

CHURN_A_MINUTE = 0.05
EVERY_S = 5.0


@leg(
    "soak",
    criterion="A soak of 60 minutes on a quiet machine with 800 charge points and 5 % churn a minute: memory "
    "slope of the second half below 2 % an hour and open files flat.",
    minutes=60,
)
async def soak(bench: Bench) -> None:
    """Charge for an hour, with some charge points that connect again each minute."""
    size, minutes = bench.scaled(800, least=40), bench.minutes or 60.0
    tenant = bench.central.tenant()
    async with (
        open_store(StoreConfig(url=bench.central.valkey.url)) as store,
        workers(bench, 2, proxies=False) as pool,
        fleet(bench, [f"o{n}" for n in range(size)], lambda id_: pool.url(tenant, id_)) as running,
    ):
        await running.wait_connected()
        pids = [place.running.pid for place in pool.places]
        samples: list[tuple[float, int, int]] = []
        began, churned = trio.current_time(), 0.0
        while trio.current_time() < began + 60 * minutes:
            churned += size * CHURN_A_MINUTE * EVERY_S / 60
            for one in bench.dice.sample(running.charge_points, int(churned)):
                one.drop()
            churned -= int(churned)
            samples.append((trio.current_time() - began, sum(map(rss_kib, pids)), sum(map(open_files, pids))))
            if len(samples) % 24 == 0:
                bench.say(f"{samples[-1][0] / 60:.0f} min, {samples[-1][1]} KiB, {samples[-1][2]} files")
            running.answers.clear()  # Nobody asks for the answers, and a soak must not grow by itself.
            await trio.sleep(EVERY_S)
        half = samples[len(samples) // 2 :]
        slope = 100 * slope_of([(at, kib) for at, kib, _ in half]) * 3600 / half[0][1]
        files = [count for _, _, count in half]
        bench.figure(
            "charge points, minutes, reconnects", f"{size}, {minutes:g}, {running.connections - size}"
        )
        bench.figure(
            "memory at the begin, half and end, KiB", f"{samples[0][1]}, {half[0][1]}, {half[-1][1]}"
        )
        bench.figure("slope of the second half, % an hour", slope)
        bench.figure("open files in the second half", f"{min(files)} to {max(files)}")
        bench.require(slope < 2, f"the memory grows by {slope:.1f} % an hour")
        rise = slope_of([(at, count) for at, _, count in half]) * 60 * minutes / 2
        bench.require(rise < 5, f"the open files rose by {rise:.0f}")
        async with tenant.api() as api:
            await judge(bench, running, api, store, tenant.id)


def slope_of(points: list[tuple[float, int]]) -> float:
    """Return the slope of the line through the points with the least squares, a second."""
    count = len(points)
    mean_x = sum(x for x, _ in points) / count
    mean_y = sum(y for _, y in points) / count
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / spread if spread else 0.0
