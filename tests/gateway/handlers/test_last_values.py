"""The energy and the power that the events of meter values carry."""

from typing import Any, Final

import pytest

from gateway.handlers.last_values import find_last
from gateway.ocpp16.messages.types import MeterValue, SampledValue
from state.transactions.meter_values import LastRead


def values(*readings: dict[str, Any]) -> list[MeterValue]:
    """Each reading is a MeterValue of its own."""
    return [
        MeterValue(timestamp="2026-01-01T00:00:00Z", sampled_value=(SampledValue(**one),)) for one in readings
    ]


POWER: Final = "Power.Active.Import"


@pytest.mark.parametrize(
    ("readings", "expected"),
    [
        ([], (None, None)),
        ([{"value": "1520"}], (1520, None)),
        ([{"value": "1520"}, {"value": "1.75", "unit": "kWh"}], (1750, None)),
        ([{"value": "1520"}, {"value": "not a number"}], (1520, None)),
        ([{"value": "1520"}, {"value": "9" * 17}, {"value": "9" * 16}], (1520, None)),
        ([{"value": "7.4", "measurand": POWER, "unit": "kW"}, {"value": " 12 "}], (12, 7400)),
        ([{"value": "\x1c12.5"}, {"value": "7\x1f", "measurand": POWER}], (12, 7)),
        ([{"value": "230", "measurand": "Voltage"}], (None, None)),
        ([{"value": "1", "phase": "L1"}, {"value": "2", "location": "Inlet"}], (None, None)),
        ([{"value": "1", "format": "SignedData"}, {"value": "2", "unit": "varh"}], (None, None)),
        ([{"value": "-1"}, {"value": "1e3"}, {"value": "nan"}], (None, None)),
    ],
)
def test_the_last_readable_values_of_all_phases_at_the_outlet_count(
    readings: list[dict[str, Any]], expected: tuple[int | None, int | None]
) -> None:
    assert find_last(values(*readings)) == LastRead(*expected)


def test_all_values_of_a_message_count() -> None:
    both = (SampledValue(value="10"), SampledValue(value="3600", measurand=POWER, unit="W"))
    message = MeterValue(timestamp="2026-01-01T00:00:00Z", sampled_value=both)
    assert find_last([message]) == LastRead(10, 3600)
