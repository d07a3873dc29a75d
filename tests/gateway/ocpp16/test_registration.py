import pytest

from gateway.ocpp16 import actions
from gateway.ocpp16.actions import Sender, actions_of
from gateway.ocpp16.messages.core import Reset
from gateway.ocpp16.messages.remote_trigger import TriggerMessage
from gateway.ocpp16.registration import may_receive, may_send, name_triggered

FROM_CHARGE_POINT = sorted(actions_of(Sender.CHARGE_POINT))
FROM_US = sorted(actions_of(Sender.CENTRAL_SYSTEM))


@pytest.mark.parametrize("action", FROM_CHARGE_POINT)
def test_an_accepted_charge_point_may_send_every_action(action: str) -> None:
    assert may_receive(action, "Accepted") == "served"
    assert may_receive(action, "Accepted", policy="Rejected") == "served"


@pytest.mark.parametrize("action", FROM_CHARGE_POINT)
def test_calls_before_the_first_boot_notification_are_faulty_but_served_unless_the_mode_is_strict(
    action: str,
) -> None:
    expected = "served" if action == "BootNotification" else "no_boot"
    assert may_receive(action, None) == expected
    assert may_receive(action, None, strict=True) == ("served" if expected == "served" else "refused")


@pytest.mark.parametrize("policy", ["Pending", "Rejected"])
@pytest.mark.parametrize("registration", [None, "Pending", "Rejected"])
@pytest.mark.parametrize("action", FROM_CHARGE_POINT)
def test_only_a_boot_notification_is_served_from_a_charge_point_that_is_pending_or_rejected(
    action: str, registration: None, policy: str
) -> None:
    verdict = may_receive(action, registration, policy=policy)  # type: ignore[arg-type]
    assert verdict == ("served" if action == "BootNotification" else "refused")


def test_a_triggered_message_is_served_if_the_charge_point_is_pending_but_not_if_it_is_rejected() -> None:
    triggered = {"StatusNotification"}
    assert may_receive("StatusNotification", "Pending", triggered=triggered) == "served"
    assert may_receive("Heartbeat", "Pending", triggered=triggered) == "refused"
    assert may_receive("StatusNotification", "Rejected", triggered=triggered) == "refused"


@pytest.mark.parametrize("action", FROM_US)
def test_remote_start_and_remote_stop_are_not_sent_while_the_charge_point_is_pending_or_rejected(
    action: str,
) -> None:
    assert may_send(action, "Accepted")
    assert may_send(action, None)
    forbidden = action in {"RemoteStartTransaction", "RemoteStopTransaction"}
    assert may_send(action, "Pending") == (not forbidden)
    assert may_send(action, "Rejected") == (not forbidden)


def test_a_trigger_message_permits_exactly_the_message_that_is_requested_in_it() -> None:
    assert name_triggered(TriggerMessage(requested_message="Heartbeat")) == {"Heartbeat"}
    extended = {
        "FirmwareStatusNotification": "SignedFirmwareStatusNotification",
        "SignChargePointCertificate": "SignCertificate",
        "MeterValues": "MeterValues",
    }
    for asked, sent in extended.items():
        request = actions.decode_request(
            "ExtendedTriggerMessage", b'{"requestedMessage":"%s"}' % asked.encode()
        )
        assert name_triggered(request) == {sent}
    assert not name_triggered(Reset(type="Soft"))
