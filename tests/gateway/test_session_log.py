import trio
from structlog.testing import capture_logs
from trio.testing import MockClock

from gateway.session_log import LINES_PER_SECOND, SessionLog
from gateway.websocket.close_codes import Closed
from state.keys import ChargePointKeys
from state.nodes.leases import Lease
from tests.support.leases import attachment

LEASE = Lease(ChargePointKeys("demo", "CP-1"), "n/1", 1)


async def test_the_begin_and_the_end_of_a_session_are_logged() -> None:
    with capture_logs() as lines:
        async with trio.open_nursery() as nursery:
            session_log = SessionLog(nursery)
            session_log.note_opened(LEASE, attachment("n/1"))
            session_log.note_ended(LEASE, Closed(1000, "bye", "peer"), 3.14159)
            nursery.cancel_scope.cancel()
    opened, ended = lines
    assert (opened["event"], opened["tenant"], opened["charge_point"]) == ("session.opened", "demo", "CP-1")
    assert (opened["address"], opened["log_level"]) == (attachment("n/1").address, "info")
    assert (ended["event"], ended["code"], ended["reason"]) == ("session.ended", 1000, "bye")
    assert (ended["by"], ended["lasted_s"]) == ("peer", 3.1)


async def test_the_lines_of_a_second_are_bounded_and_the_rest_is_counted(autojump_clock: MockClock) -> None:
    with capture_logs() as lines:
        async with trio.open_nursery() as nursery:
            session_log = SessionLog(nursery)
            for second in range(2):
                for _ in range(LINES_PER_SECOND + 412):
                    session_log.note_opened(LEASE, attachment("n/1"))
                for _ in range(LINES_PER_SECOND + second):
                    session_log.note_ended(LEASE, Closed(1006, "", "lost"), 1)
                await trio.sleep_until(autojump_clock.current_time() + 1.5)
            session_log.note_opened(LEASE, attachment("n/1"))
    counts = [line["event"] for line in lines]
    assert counts.count("session.opened") == 2 * LINES_PER_SECOND + 1
    assert counts.count("session.ended") == 2 * LINES_PER_SECOND
    more = [(line["opened"], line["ended"]) for line in lines if line["event"] == "session.more"]
    assert more == [(412, 0), (412, 1)]
