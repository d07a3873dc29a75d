"""Charge points: registration, status, configuration and faults."""

from state.charge_points.charge_points import (
    Booted,
    OpenTransactions,
    accept,
    boot,
    change,
    delete,
    get,
    get_with_security,
    get_with_token,
    has_room,
    list_,
    put,
)
from state.record import BootStatus, ChargePointRecord, Settings

__all__ = [
    "BootStatus",
    "Booted",
    "ChargePointRecord",
    "OpenTransactions",
    "Settings",
    "accept",
    "boot",
    "change",
    "delete",
    "get",
    "get_with_security",
    "get_with_token",
    "has_room",
    "list_",
    "put",
]
