"""Only answers to requests that fail are delayed, and only a bounded number of them."""

import pytest
import trio
from trio.testing import MockClock

from gateway.admission.delays import DELAY_S, DELAYED, Delays
from gateway.service.attempts import Attempts
from gateway.telemetry import Telemetry


@pytest.fixture
async def attempts() -> Attempts:
    """Return attempts of which the address "bad" has too many."""
    found = Attempts(per_address=10, per_name=100)
    for _ in range(20):
        found.record_failure("bad", "CP-1", trio.current_time())
    await trio.lowlevel.checkpoint()
    return found


async def test_an_answer_is_delayed_while_too_many_requests_of_its_address_fail(
    attempts: Attempts, autojump_clock: MockClock
) -> None:
    telemetry = Telemetry()
    delays = Delays(attempts, telemetry)
    began = autojump_clock.current_time()
    await delays.wait("good")
    assert autojump_clock.current_time() == began
    await delays.wait("bad")
    assert autojump_clock.current_time() == began + DELAY_S
    assert telemetry.delayed_refusals == 1
    await trio.sleep(60)
    began = autojump_clock.current_time()
    await delays.wait("bad")
    assert autojump_clock.current_time() == began


async def test_no_more_than_a_bounded_number_of_answers_is_delayed_at_once(
    attempts: Attempts, autojump_clock: MockClock
) -> None:
    telemetry = Telemetry()
    delays = Delays(attempts, telemetry)
    ended: list[float] = []

    async def wait() -> None:
        await delays.wait("bad")
        ended.append(autojump_clock.current_time())

    began = autojump_clock.current_time()
    async with trio.open_nursery() as nursery:
        for _ in range(DELAYED + 50):
            nursery.start_soon(wait)
    assert ended == [began] * 50 + [began + DELAY_S] * DELAYED
    assert telemetry.delayed_refusals == DELAYED
