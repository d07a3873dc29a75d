"""The energy and the power that a message of meter values shows last, for its event."""

import re
from collections.abc import Sequence

from gateway.ocpp16.messages.types import MeterValue
from state.transactions.meter_values import LastRead

_IN_WH = {None: 1, "Wh": 1, "kWh": 1000}
_IN_W = {None: 1, "W": 1, "kW": 1000}
_UNITS = {None: _IN_WH, "Energy.Active.Import.Register": _IN_WH, "Power.Active.Import": _IN_W}
_AT_OUTLET = frozenset({None, "Outlet"})
_RAW = frozenset({None, "Raw"})
_DIGITS = 16
_NUMBER = re.compile(rf"\+?[0-9]{{1,{_DIGITS}}}(?:\.[0-9]{{1,16}})?")
_MOST = 2**53 - 1
"""Greatest reading, because many programs cannot read a greater number from JSON exactly."""


def find_last(values: Sequence[MeterValue]) -> LastRead:
    """Find the last readings of all phases at the outlet.

    A value without `measurand` is the imported energy, and the default unit is Wh (OCPP 1.6 section 7.43).
    """
    energy = power = None
    for value in reversed(values):
        for one in reversed(value.sampled_value):
            units = _UNITS.get(one.measurand)
            if units is None or one.phase is not None:
                continue
            if one.location not in _AT_OUTLET or one.format not in _RAW:
                continue
            if units is _IN_W:
                if power is None:
                    power = _read(one.value, units.get(one.unit))
            elif energy is None:
                energy = _read(one.value, units.get(one.unit))
    return LastRead(energy, power)


def _read(text: str, factor: int | None) -> int | None:
    if factor is None:
        return None
    if len(text) <= _DIGITS and text.isdigit() and text.isascii():  # Three times as fast as the pattern.
        number = int(text) * factor
    elif _NUMBER.fullmatch(stripped := text.strip()):
        number = round(float(stripped) * factor)
    else:
        return None
    return number if number <= _MOST else None
