"""Count the messages that the schema allows but that cannot be right, and serve them like any others.

This module does not change what is stored or answered. A fact is kept as it was sent.
"""

from gateway.handlers.charge_point import ChargePoint
from gateway.ocpp16.faults import timestamps
from gateway.ocpp16.messages import core
from state import transactions
from state.transactions.meter_values import Appended

IMPLAUSIBLE_W = 500_000
"""Mean power from which on the energy of a transaction whose meter began at 0 is counted as a fault."""
_OF_A_STATION = frozenset({"Available", "Unavailable", "Faulted"})


def check_status(request: core.StatusNotification, charge_point: ChargePoint) -> None:
    if request.timestamp is not None and not timestamps.is_usual(request.timestamp):
        charge_point.read_time(request.timestamp)
    if request.connector_id == 0:
        if request.status not in _OF_A_STATION:
            charge_point.fault("connector_zero")
    elif request.status == "Available" and request.connector_id == charge_point.memory.charging_at:
        charge_point.fault("available_while_charging")


def check_start(request: core.StartTransaction, charge_point: ChargePoint) -> None:
    if request.connector_id == 0:
        charge_point.fault("connector_zero")
    if request.meter_start is not None and request.meter_start < 0:
        charge_point.fault("meter_negative")
    if request.reservation_id == 0:
        charge_point.fault("reservation_zero")


def check_stop(
    request: core.StopTransaction,
    outcome: transactions.StopOutcome,
    stopped_ms: int,
    charge_point: ChargePoint,
) -> None:
    if request.meter_stop is not None and request.meter_stop < 0:
        charge_point.fault("meter_negative")
    match outcome:  # StopReplayed must come before Stopped, because StopReplayed is a subclass of Stopped.
        case transactions.StopReplayed():
            charge_point.fault("repeated_stop")
        case transactions.Stopped():
            _check_transaction(outcome, request.meter_stop, stopped_ms, charge_point)
        case transactions.Orphaned(replayed=True):
            charge_point.fault("repeated_stop")
        case transactions.Orphaned():
            charge_point.fault("stop_contradicts" if outcome.contradicts else "orphan_stop")


def _check_transaction(
    stopped: transactions.Stopped, meter_stop: int | None, stopped_ms: int, charge_point: ChargePoint
) -> None:
    lasted_ms = stopped_ms - stopped.started_ms
    if lasted_ms < 0:
        charge_point.fault("stop_before_start")
    if meter_stop is None or stopped.meter_start is None:
        return
    energy_wh = meter_stop - stopped.meter_start
    if energy_wh < 0:
        charge_point.fault("meter_backwards")
    # A meter that was not read yet is often reported as 0.
    if stopped.meter_start == 0 and energy_wh * 3_600_000 > IMPLAUSIBLE_W * max(lasted_ms, 60_000):
        charge_point.fault("meter_jump")


def check_meter_values(request: core.MeterValues, appended: Appended, charge_point: ChargePoint) -> None:
    """Count what is wrong with meter values.

    MeterValues are frequent, so the check of a good message costs only a few comparisons.
    """
    for value in request.meter_value:
        if not timestamps.is_usual(value.timestamp):
            charge_point.read_time(value.timestamp)
    if appended.outcome == "repeated":
        charge_point.fault("repeated_values")
    if request.transaction_id is None:
        return
    if appended.outcome == "dropped":
        charge_point.fault("too_many_values")
    if appended.outcome == "stray":
        charge_point.fault("unknown_transaction")
    elif request.transaction_id == charge_point.memory.ended:
        charge_point.fault("values_after_stop")
    if request.connector_id == 0:
        charge_point.fault("connector_zero")
