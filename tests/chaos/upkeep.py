"""What idle charge points cost the store, as tests/bench/upkeep.py measures it."""

import re
import sys

import trio

from tests.chaos.bench import Bench, leg

COSTS = re.compile(r"and ([\d.-]+) us of\s+the main thread a\s+second, ([\d.-]+) bytes of file a minute")


@leg(
    "upkeep",
    criterion="Cost of upkeep: 100,000 idle sessions on seven gateways if the machine bears them, else nodes "
    "driven without sockets, said so: an idle charge point costs the server at most 0.10 us a second and 20 "
    "bytes of file a minute.",
    minutes=6,
    central=False,
)
async def upkeep(bench: Bench) -> None:
    """Measure idle charge points on seven nodes that are driven without sockets."""
    sessions, gateways = bench.scaled(100_000, least=1_000), 7 if bench.scale >= 0.5 else 1
    argv = [sys.executable, "-m", "tests.bench.upkeep", "--sessions", str(sessions)]
    done = await trio.run_process(
        [*argv, "--gateways", str(gateways), "--seconds", str(bench.scaled_s(120, least=20))],
        capture_stdout=True,
        capture_stderr=True,
        check=False,
    )
    words = done.stdout.decode().strip()
    bench.figure("sessions without sockets, gateways", f"{sessions}, {gateways}")
    bench.figure("measured", words)
    found = COSTS.search(words)
    if done.returncode or found is None:
        bench.require(False, f"the measurement failed: {done.stderr.decode()[-1000:]}")
        return
    main_us, file_bytes = map(float, found.groups())
    bench.require(main_us <= 0.10, f"an idle charge point costs {main_us} us a second")
    bench.require(file_bytes <= 20, f"an idle charge point writes {file_bytes} bytes a minute")
