"""Charge points: registration, status, configuration and faults."""

from state.charge_points.charge_points import Booted, accept, boot, delete, get, list_, put
from state.record import BootStatus, ChargePointRecord, Settings

__all__ = [
    "BootStatus",
    "Booted",
    "ChargePointRecord",
    "Settings",
    "accept",
    "boot",
    "delete",
    "get",
    "list_",
    "put",
]
