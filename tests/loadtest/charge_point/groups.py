"""Groups of charge points for the tests."""

from loadtest.scenario.model import Charging, Group, Reconnect

QUIET = Group(name="quiet", heartbeat_s=0.0, reconnect=Reconnect(model="fixed", first_s=3.0))

BUSY = Group(
    name="busy",
    heartbeat_s=0.0,
    reconnect=Reconnect(model="fixed", first_s=3.0),
    charging=Charging(charge_s=(95.0, 95.0), pause_s=(1_000.0, 1_000.0), values_s=30.0),
)

ON_CALL = Group(
    name="on-call",
    heartbeat_s=0.0,
    reboot_s=5.0,
    charging=Charging(charge_s=(4_000.0, 4_000.0), values_s=30.0, starts="remote"),
)
