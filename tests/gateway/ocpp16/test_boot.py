import pytest

from gateway.ocpp16 import boot
from gateway.ocpp16.actions import Sender, sent_by

FROM_CHARGE_POINT = sorted(sent_by(Sender.CHARGE_POINT))
FROM_US = sorted(sent_by(Sender.CENTRAL_SYSTEM))


@pytest.mark.parametrize("action", FROM_CHARGE_POINT)
def test_an_accepted_charge_point_may_send_everything(action: str) -> None:
    assert boot.may_receive(action, "Accepted") == "served"
    assert boot.may_receive(action, "Accepted", policy="Rejected") == "served"


@pytest.mark.parametrize("action", FROM_CHARGE_POINT)
def test_without_boot_everything_is_served_and_counted(action: str) -> None:
    expected = "served" if action == "BootNotification" else "no_boot"
    assert boot.may_receive(action, None) == expected


@pytest.mark.parametrize("policy", ["Pending", "Rejected"])
@pytest.mark.parametrize("registration", [None, "Pending", "Rejected"])
@pytest.mark.parametrize("action", FROM_CHARGE_POINT)
def test_held_back_only_boot_is_served(action: str, registration: None, policy: str) -> None:
    verdict = boot.may_receive(action, registration, policy=policy)  # type: ignore[arg-type]
    assert verdict == ("served" if action == "BootNotification" else "refused")


def test_what_we_triggered_is_served_while_pending_only() -> None:
    triggered = {"StatusNotification"}
    assert boot.may_receive("StatusNotification", "Pending", triggered=triggered) == "served"
    assert boot.may_receive("Heartbeat", "Pending", triggered=triggered) == "refused"
    assert boot.may_receive("StatusNotification", "Rejected", triggered=triggered) == "refused"


@pytest.mark.parametrize("action", FROM_US)
def test_what_we_may_send(action: str) -> None:
    assert boot.may_send(action, "Accepted")
    assert boot.may_send(action, None)
    assert not boot.may_send(action, "Rejected")
    assert boot.may_send(action, "Pending") == (
        action not in {"RemoteStartTransaction", "RemoteStopTransaction"}
    )
