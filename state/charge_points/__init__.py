"""Charge points: registration, status, configuration and faults."""

from state.charge_points.charge_points import (
    Booted,
    Filters,
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
    passes,
    pick,
    picks,
    put,
)
from state.record import BootStatus, ChargePointRecord, Settings

__all__ = [
    "BootStatus",
    "Booted",
    "ChargePointRecord",
    "Filters",
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
    "passes",
    "pick",
    "picks",
    "put",
]
