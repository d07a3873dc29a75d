"""Refused handshakes are logged at info, with a bound for each minute and for each address."""

import structlog
import trio
from trio.testing import MockClock

from gateway.refusal_counts import Note
from gateway.refusal_log import LINES_OF_ADDRESS, LINES_PER_MINUTE, MINUTE_S, RefusalLog


async def test_a_refused_handshake_is_one_line_without_more_than_operators_may_see() -> None:
    async with trio.open_nursery() as nursery:
        with structlog.testing.capture_logs() as lines:
            RefusalLog(nursery).note(Note("wrong_token", "192.0.2.7", "acme", "CP-1", "CN=x"))
        nursery.cancel_scope.cancel()
    assert lines == [
        {
            "event": "handshake.refused",
            "log_level": "info",
            "tenant": "acme",
            "charge_point": "CP-1",
            "address": "192.0.2.7",
            "reason": "wrong_token",
            "detail": "CN=x",
        }
    ]


async def test_a_flood_of_one_address_is_counted_and_does_not_hide_the_others(
    autojump_clock: MockClock,
) -> None:
    assert autojump_clock.rate == 0
    async with trio.open_nursery() as nursery:
        log = RefusalLog(nursery)
        with structlog.testing.capture_logs() as lines:
            for _ in range(10_000):
                log.note(Note("wrong_token", "198.51.100.1"))
            log.note(Note("wrong_token", "192.0.2.7"))
            await trio.sleep(MINUTE_S + 1)
            log.note(Note("wrong_token", "198.51.100.1"))
        nursery.cancel_scope.cancel()
    addresses = [line.get("address") for line in lines]
    assert addresses == [*["198.51.100.1"] * LINES_OF_ADDRESS, "192.0.2.7", None, "198.51.100.1"]
    assert lines[-2] == {
        "event": "handshake.more_refused",
        "log_level": "info",
        "refused": 10_000 - LINES_OF_ADDRESS,
    }


async def test_a_flood_of_many_addresses_is_bounded() -> None:
    async with trio.open_nursery() as nursery:
        log = RefusalLog(nursery)
        with structlog.testing.capture_logs() as lines:
            for number in range(10_000):
                log.note(Note("wrong_token", f"2001:db8::{number:x}"))
        nursery.cancel_scope.cancel()
    assert len(lines) == LINES_PER_MINUTE
    assert len(log._lines) == LINES_PER_MINUTE
