"""Charge points and operators are served while the clock of the store is set one hour forward and back."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import trio

from tests.support.charge_point_peer import charge_point
from tests.support.fake_clock import IS_INSTALLED, MISSING, FakeClock
from tests.support.pace import Pace
from tests.support.waiting import until
from tests.system.central import Central, central_system

pytestmark = pytest.mark.skipif(not IS_INSTALLED, reason=MISSING)

HOUR_S = 3600
RESET, CLEAR = "/charge-points/cp/commands/Reset", "/charge-points/cp/commands/ClearCache"


@pytest.fixture(scope="module")
def stepping() -> Iterator[tuple[Central, FakeClock]]:
    with TemporaryDirectory(prefix="csms-clock-") as directory:
        clock = FakeClock(Path(directory))
        with central_system(Path(directory), env=clock.environment) as central:
            yield central, clock


def answer(action: str, _payload: Any) -> Any:
    return None if action == "ClearCache" else {"status": "Accepted"}


@pytest.mark.parametrize("step_s", [HOUR_S, -HOUR_S])
async def test_commands_and_handshakes_are_served_at_once_after_the_clock_of_the_store_was_set(
    stepping: tuple[Central, FakeClock], step_s: int, pace: Pace
) -> None:
    """A command that waits behind an unanswered command is sent in its time too."""
    central, clock = stepping
    tenant = central.tenant()
    statuses: dict[str, int] = {}
    with trio.fail_after(120):
        async with (
            central.gateway() as gateway,
            tenant.api() as api,
            charge_point(tenant.url(gateway, "cp"), answer) as peer,
        ):

            async def send(name: str, path: str, timeout_s: int, **body: str) -> None:
                query = {"timeout": timeout_s}
                statuses[name] = (await api.post(path, json=body, params=query)).status_code

            async with trio.open_nursery() as nursery:
                nursery.start_soon(send, "unanswered", CLEAR, 2)
                await until(lambda: bool(peer.asked))
                nursery.start_soon(lambda: send("waits", RESET, 10, type="Soft"))
                await trio.sleep(0.1)
                clock.step(step_s)
                async with charge_point(tenant.url(gateway, "new")) as new:
                    assert (await new.call("Heartbeat", {})).keys() == {"currentTime"}
                    with pace.within(1):
                        asked = await api.post("/charge-points/new/commands/Reset", json={"type": "Soft"})
                    assert asked.status_code == 200
            assert statuses == {"unanswered": 504, "waits": 200}
            assert not peer.ended.is_set()
