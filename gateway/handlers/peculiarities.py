"""Count the messages that the schema allows but that cannot be right, and serve them like any others.

This module does not change what is stored or answered. A fact is kept as it was sent.
"""

from gateway.handlers.charge_point import ChargePoint
from gateway.ocpp16.faults import timestamps
from gateway.ocpp16.messages import core
from state import transactions
from state.transactions.meter_values import Appended

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
    if request.meter_start < 0:
        charge_point.fault("meter_negative")
    if request.reservation_id == 0:
        charge_point.fault("reservation_zero")


def check_stop(
    request: core.StopTransaction,
    outcome: transactions.StopOutcome,
    charge_point: ChargePoint,
) -> None:
    if request.meter_stop < 0:
        charge_point.fault("meter_negative")
    match outcome:  # StopReplayed must come before Stopped, because StopReplayed is a subclass of Stopped.
        case transactions.StopReplayed():
            charge_point.fault("repeated_stop")
        case transactions.Stopped():
            if request.meter_stop < outcome.meter_start:
                charge_point.fault("meter_backwards")
        case transactions.Orphaned():
            charge_point.fault("repeated_stop" if outcome.replayed else "orphan_stop")


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
    if appended.outcome == "stray":
        charge_point.fault("unknown_transaction")
    elif request.transaction_id == charge_point.memory.ended:
        charge_point.fault("values_after_stop")
    if request.connector_id == 0:
        charge_point.fault("connector_zero")
