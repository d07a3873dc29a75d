from contextlib import contextmanager

import pytest

from tests.bench.peers.install import Installed
from tests.bench.peers.measuring import Fleet, measure_load
from tests.bench.peers.servers import find_kinds

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", ["csms", "trio"])
def test_a_short_round_has_numbers(name: str) -> None:
    kind = find_kinds(Installed(None, None, []))[name]
    with contextmanager(kind.run)() as server:
        fleet = Fleet(server.plain)
        for message in ("meter-values", "start-stop"):
            cell = measure_load(name, server, fleet.take(5), message, seconds=0.5, latency=True)
            assert cell.us > 0
            assert cell.rate > 0
            assert (cell.store_us > 0) == (name == "csms")
            assert (cell.p50_ms is None) == (cell.p99_ms is None) == (cell.half_us is None)
        fleet.disconnect()
