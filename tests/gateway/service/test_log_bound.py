"""The lines of each event are bounded by the second, and the lines that are left out are counted."""

import io
import json
import logging
from collections import Counter
from collections.abc import Iterator

import pytest
import structlog
import trio
import trio.testing
from trio.testing import MockClock

from gateway.service import logs
from gateway.service.log_bound import LINES_PER_SECOND, OTHER_BOUNDS, report

log = structlog.get_logger()


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    written = io.StringIO()
    logs.configure("info", "json", written)
    yield written
    structlog.reset_defaults()
    logging.getLogger().handlers.clear()


def read(stream: io.StringIO) -> tuple[Counter[str], list[dict[str, int]]]:
    """Return the number of lines of each event or library, and what the process said that it left out."""
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    left_out = [line["lines"] for line in lines if line["event"] == "lines.left_out"]
    return Counter(line.get("logger", line["event"]) for line in lines), left_out


async def test_a_flood_of_one_event_is_bounded_and_counted_and_hides_no_other_event(
    stream: io.StringIO, autojump_clock: MockClock
) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(report)
        await trio.testing.wait_all_tasks_blocked()
        for number in range(3):
            for _ in range(LINES_PER_SECOND + 100 * number):
                log.error("handler.failed", action="Heartbeat", exc_info=ValueError("no"))
                logging.getLogger("hypercorn.error").warning("line %d", number)
            log.error("work.failed")
            await trio.sleep_until(autojump_clock.current_time() + 1.5)
        nursery.cancel_scope.cancel()
    counts, left_out = read(stream)
    assert counts["handler.failed"] == counts["hypercorn.error"] == 3 * LINES_PER_SECOND
    assert counts["work.failed"] == 3
    assert left_out == [{"handler.failed": more, "hypercorn.error": more} for more in (100, 200)]


@pytest.mark.parametrize("event", OTHER_BOUNDS)
async def test_an_event_with_a_bound_of_its_own_has_this_bound(
    stream: io.StringIO, autojump_clock: MockClock, event: str
) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(report)
        await trio.testing.wait_all_tasks_blocked()
        for _ in range(OTHER_BOUNDS[event] + 7):
            log.info(event)
        await trio.sleep_until(autojump_clock.current_time() + 1.5)
        nursery.cancel_scope.cancel()
    counts, left_out = read(stream)
    assert (counts[event], left_out) == (OTHER_BOUNDS[event], [{event: 7}])


async def test_a_level_that_is_not_logged_counts_for_nothing(
    stream: io.StringIO, autojump_clock: MockClock
) -> None:
    logs.configure("warning", "json", stream)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(report)
        await trio.testing.wait_all_tasks_blocked()
        for _ in range(LINES_PER_SECOND + 1):
            log.info("session.opened")
        await trio.sleep_until(autojump_clock.current_time() + 1.5)
        nursery.cancel_scope.cancel()
    assert stream.getvalue() == ""


def test_a_process_that_reports_nothing_leaves_nothing_out(stream: io.StringIO) -> None:
    for _ in range(LINES_PER_SECOND + 1):
        log.warning("child.ended")
    assert read(stream) == ({"child.ended": LINES_PER_SECOND + 1}, [])
