"""Deadlines of commands stay right when the clock of the server is set one hour forward or back."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import pytest
import trio

from state import commands
from state.commands import Go, sweep
from state.redis import pulse
from state.store import Store, StoreConfig, open_store
from tests.support.commands import KEYS, current, open_inbox, seat, submitted
from tests.support.fake_clock import IS_INSTALLED, MISSING, FakeClock
from tests.support.valkey_server import ValkeyServer
from tests.support.waiting import until

pytestmark = pytest.mark.skipif(not IS_INSTALLED, reason=MISSING)

HOUR_S = 3600
both_ways = pytest.mark.parametrize("step_s", [HOUR_S, -HOUR_S])


class Stepping(NamedTuple):
    store: Store
    clock: FakeClock


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[ValkeyServer, FakeClock]]:
    with TemporaryDirectory(prefix="csms-clock-") as directory:
        clock = FakeClock(Path(directory))
        valkey = ValkeyServer(Path(directory) / "store", env=clock.environment)
        valkey.start()
        try:
            yield valkey, clock
        finally:
            valkey.stop()


@pytest.fixture
async def stepping(
    server: tuple[ValkeyServer, FakeClock], monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Stepping]:
    monkeypatch.setattr(pulse, "_EVERY_S", 0.05)
    valkey, clock = server
    valkey.flush()
    async with open_store(StoreConfig(url=valkey.url)) as store:
        yield Stepping(store, clock)


@both_ways
async def test_a_command_that_was_queued_before_the_clock_was_set_is_still_sent_in_its_time(
    stepping: Stepping, step_s: int
) -> None:
    store, clock = stepping
    lease = await seat(store)
    await open_inbox(store)
    command = await submitted(store, ttl_ms=60_000)
    clock.step(step_s)
    claimed = await commands.claim(store, lease, command.id, "nonce")
    assert isinstance(claimed, Go)
    assert 0 < claimed.left_ms <= 60_000
    assert await sweep.sweep_overdue(store, [KEYS.partition]) == 0
    assert (await current(store, command)).status == "sent"


@both_ways
async def test_the_sweep_ends_a_command_in_its_time_although_the_clock_was_set(
    stepping: Stepping, step_s: int
) -> None:
    store, clock = stepping
    await seat(store)
    await open_inbox(store)
    soon, later = [await submitted(store, ttl_ms=ttl_ms) for ttl_ms in (500, 60_000)]
    clock.step(step_s)
    await until(lambda: store.clock.seconds_since_step() < sweep.RENEW_S)
    assert await sweep.sweep_overdue(store, [KEYS.partition]) == 0
    await trio.sleep(0.6)
    assert await sweep.sweep_overdue(store, [KEYS.partition]) == 1
    assert (await current(store, soon)).status == "expired"
    assert (await current(store, later)).status == "queued"


@both_ways
async def test_a_deadline_stays_right_for_a_process_that_starts_after_the_clock_was_set(
    stepping: Stepping, server: tuple[ValkeyServer, FakeClock], step_s: int
) -> None:
    store, clock = stepping
    lease = await seat(store)
    await open_inbox(store)
    command = await submitted(store, ttl_ms=60_000)
    clock.step(step_s)
    await until(lambda: store.clock.seconds_since_step() < sweep.RENEW_S)
    await sweep.sweep_overdue(store, [KEYS.partition])
    async with open_store(StoreConfig(url=server[0].url)) as other:
        claimed = await commands.claim(other, lease, command.id, "nonce")
    assert isinstance(claimed, Go)
    assert 0 < claimed.left_ms <= 60_000


async def test_a_command_that_was_not_written_is_queued_again_although_the_clock_was_set_forward(
    stepping: Stepping,
) -> None:
    store, clock = stepping
    lease = await seat(store)
    await open_inbox(store)
    command = await submitted(store, ttl_ms=60_000)
    await commands.claim(store, lease, command.id, "nonce")
    clock.step(HOUR_S)
    assert await commands.give_back(store, KEYS, command.id, "nonce")
    assert (await current(store, command)).status == "queued"
    clock.step(-HOUR_S)
