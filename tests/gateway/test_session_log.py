from structlog.testing import capture_logs

from gateway.session_log import note_ended, note_opened
from gateway.websocket.close_codes import Closed
from state.keys import ChargePointKeys
from state.nodes.leases import Lease
from tests.support.leases import attachment

LEASE = Lease(ChargePointKeys("demo", "CP-1"), "n/1", 1)


def test_the_begin_and_the_end_of_a_session_are_logged() -> None:
    with capture_logs() as lines:
        note_opened(LEASE, attachment("n/1"))
        note_ended(LEASE, Closed(1000, "bye", "peer"), 3.14159)
    opened, ended = lines
    assert (opened["event"], opened["tenant"], opened["charge_point"]) == ("session.opened", "demo", "CP-1")
    assert (opened["address"], opened["log_level"]) == (attachment("n/1").address, "info")
    assert (ended["event"], ended["code"], ended["reason"]) == ("session.ended", 1000, "bye")
    assert (ended["by"], ended["lasted_s"]) == ("peer", 3.1)
