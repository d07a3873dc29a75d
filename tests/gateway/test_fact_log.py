import msgspec
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock

from gateway.fact_log import FACTS_PER_LINE, FactLog
from gateway.service.masking import mask
from state.transactions.acknowledged import Fact


def shown(number: int) -> tuple[str, str, str, int, int, str, int]:
    return ("start", "demo", "CP", number, 1, "2026-11-30T00:00:00Z", 0)


def fact(number: int) -> Fact:
    return msgspec.convert(shown(number), Fact)


async def test_facts_of_a_second_are_on_one_line(autojump_clock: MockClock) -> None:
    with capture_logs() as lines:
        async with trio.open_nursery() as nursery:
            fact_log = FactLog(nursery)
            for number in range(3):
                fact_log.note(fact(number))
            await trio.sleep_until(autojump_clock.current_time() + 1.5)
            fact_log.note(fact(3))
    assert [line["event"] for line in lines] == ["facts.acknowledged"] * 2
    assert [line["facts"] for line in lines] == [[shown(0), shown(1), shown(2)], [shown(3)]]


async def test_no_fact_is_left_out_of_many_and_each_line_survives_the_masking(
    autojump_clock: MockClock,
) -> None:
    count = 7 * FACTS_PER_LINE + 5
    with capture_logs() as lines:
        async with trio.open_nursery() as nursery:
            fact_log = FactLog(nursery)
            for number in range(count):
                fact_log.note(fact(number))
            await trio.sleep_until(autojump_clock.current_time() + 1.5)
    assert len(lines) == 8
    masked = [mask(None, "", dict(line))["facts"] for line in lines]
    assert [one for some in masked for one in some] == [list(shown(number)) for number in range(count)]


async def test_facts_are_written_at_a_drain_and_when_the_process_ends() -> None:
    with capture_logs() as lines:
        async with trio.open_nursery() as nursery:
            fact_log = FactLog(nursery)
            fact_log.note(fact(1))
            fact_log.write()
            fact_log.note(fact(2))
            await trio.lowlevel.checkpoint()
            nursery.cancel_scope.cancel()
    assert [line["facts"] for line in lines] == [[shown(1)], [shown(2)]]
