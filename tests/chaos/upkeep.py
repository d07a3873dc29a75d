"""What idle charge points cost the store, as tests/bench/upkeep measures it."""

from tests.bench.upkeep.measuring import Cost, Plan, measure
from tests.chaos.bench import Bench, leg

MAIN_US = 0.10
FILE_BYTES = 20
DRIVEN = 100_000
"""With fewer sessions, the time of the main thread is not judged.

Ten writes a second, each with its fsync, serve any number of sessions. With 10,000 sessions and a slow disk,
they cost 0.4 us for each.
"""


@leg(
    "upkeep",
    criterion="Cost of upkeep: 100,000 idle sessions on seven gateways, driven without sockets, and 15,000 "
    "real ones beside: an idle charge point costs the server at most 0.10 us a second and 20 bytes of file a "
    "minute, and a bystander's GET p99 is at most twice its quiet value while audits run.",
    minutes=12,
    central=False,
)
async def upkeep(bench: Bench) -> None:
    """Keep idle charge points on seven nodes without sockets, and on a gateway with connections."""
    plan = Plan(
        driven=bench.scaled(DRIVEN, least=10_000),
        gateways=7,
        connected=bench.scaled(15_000, least=500),
        seconds=bench.scaled_s(60, least=20),
        rounds=bench.scaled(4, least=2),
    )
    found = await measure(plan, bench.say)
    bench.figure("sessions without sockets, on gateways", f"{plan.driven}, {plan.gateways}")
    bench.figure("connections, Heartbeats, PINGs, closed", ", ".join(map(str, found.fleet)))
    bench.require(found.fleet[0] == plan.connected, f"{found.fleet[3]} connections were closed")
    whole = plan.driven >= DRIVEN
    _judge(bench, "without socket", found.driven, whole=whole)
    _judge(bench, "with connection", found.connected, whole=whole)
    for when, rounds in found.bystander.items():
        each = ", ".join(f"{p99:.2f}" for _, p99, _ in rounds)
        bench.figure(f"bystander's GET, {when}, p99 in ms", f"{found.p99(when):.2f} ({each})")
    quiet, working = found.p99("quiet"), found.p99("work")
    bench.require(working <= 2 * quiet, f"a bystander's GET took {working:.2f} ms, quiet {quiet:.2f} ms")


def _judge(bench: Bench, which: str, cost: Cost | None, *, whole: bool) -> None:
    assert cost is not None
    bench.figure(
        f"one idle charge point {which}",
        f"{cost.main_us:.3f} us of the main thread and {cost.commands_us:.3f} us of commands a second, "
        f"{cost.file_bytes:.1f} bytes of file a minute",
    )
    if whole:
        bench.require(cost.main_us <= MAIN_US, f"{which}: {cost.main_us:.3f} us a second")
    bench.require(cost.file_bytes <= FILE_BYTES, f"{which}: {cost.file_bytes:.1f} bytes a minute")
