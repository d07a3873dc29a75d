"""The last energy register among stored messages of meter values."""

from json import dumps
from typing import Any

import pytest

from admin.routes.last_reading import LastReading, find_last
from state.transactions.stored_values import StoredValues

AT_MS = 1_767_225_600_000


def message(payload: Any, received_ms: int = 5) -> StoredValues:
    text = payload if isinstance(payload, str) else dumps(payload)
    return StoredValues(
        connector_id=1, transaction_id="1", received_ms=received_ms, payload=text.encode(), of_stop=False
    )


def value(*sampled: Any, timestamp: Any = "2026-01-01T00:00:00Z") -> dict[str, Any]:
    return {"timestamp": timestamp, "sampledValue": list(sampled)}


@pytest.mark.parametrize(
    ("sampled", "energy_wh"),
    [
        ({"value": "1520"}, 1520),
        ({"value": "1520", "measurand": "Energy.Active.Import.Register", "unit": "Wh"}, 1520),
        ({"value": "1.5204", "unit": "kWh"}, 1520),
        ({"value": 1520}, 1520),
        ({"value": " +1520.50 "}, 1520),
        ({"value": "0"}, 0),
        ({"value": "1520", "location": "Outlet", "format": "Raw", "context": "Sample.Clock"}, 1520),
        ({"value": "1520", "unit": None, "measurand": None}, 1520),
        ({"value": "1520", "phase": "L1"}, None),
        ({"value": "1520", "location": "EV"}, None),
        ({"value": "1520", "format": "SignedData"}, None),
        ({"value": "1520", "measurand": "Energy.Active.Export.Register"}, None),
        ({"value": "1520", "unit": "varh"}, None),
        ({"value": "26,008"}, None),
        ({"value": "-5"}, None),
        ({"value": "1e3"}, None),
        ({"value": "NaN"}, None),
        ({"value": "9007199254740992"}, None),
        ({"value": None}, None),
        ({"value": {}}, None),
        ({}, None),
    ],
)
def test_a_sampled_value_is_an_energy_register_only_if_it_is_the_energy_of_all_phases(
    sampled: dict[str, Any], energy_wh: int | None
) -> None:
    assert find_last([message([value(sampled)])]) == LastReading(AT_MS, energy_wh)


@pytest.mark.parametrize(
    ("readings", "least", "found"),
    [
        ((150, 99), 100, 150),
        ((150, 100), 100, 100),
        ((99, 0), 100, None),
        ((150, 0), 0, 0),
        ((99, 150), 100, 150),
    ],
)
def test_a_reading_below_the_least_one_does_not_count(
    readings: tuple[int, ...], least: int, found: int | None
) -> None:
    messages = [message([value({"value": str(reading)})]) for reading in readings]
    assert find_last(messages, least=least) == LastReading(AT_MS, found)


@pytest.mark.parametrize(
    ("at", "at_ms"),
    [
        ("2026-01-01T00:00:00Z", AT_MS),
        ("2026-01-01T00:01:00Z", AT_MS + 60_000),
        ("2026-01-01T00:01:00.001Z", 5),
        ("2025-12-31T23:59:59.999Z", 5),
        ("2025-12-31T24:00:00Z", AT_MS),
        ("1970-01-01T00:00:00Z", 5),
        ("2036-02-07T06:28:16Z", 5),
        ("0001-01-01T00:00:00+01:00", 5),
        ("9999-12-31T23:59:59-01:00", 5),
        ("noon", 5),
    ],
)
def test_the_time_of_receipt_replaces_a_time_that_cannot_be(at: str, at_ms: int) -> None:
    within = range(AT_MS, AT_MS + 60_001)
    for sampled in ({"value": "7"}, {"value": "9", "measurand": "Voltage"}):
        found = find_last([message([value(sampled, timestamp=at)])], within=within)
        assert found is not None
        assert found.at_ms == at_ms


def test_the_last_energy_register_of_the_last_message_that_has_one_counts() -> None:
    later = value({"value": "9", "measurand": "Voltage"}, timestamp="2026-01-01T00:02:00Z")
    messages = [
        message([value({"value": "1"})]),
        message([value({"value": "2"}), value({"value": "3"}, {"value": "4"}, timestamp="x"), later], 77),
        message([later]),
    ]
    # The time of the reading cannot be read, so the time of receipt is used.
    assert find_last(messages) == LastReading(77, 4)


def test_without_an_energy_register_the_time_of_the_last_meter_value_is_found() -> None:
    voltage = {"value": "230", "measurand": "Voltage"}
    later = value(voltage, timestamp="2026-01-01T00:00:01Z")
    assert find_last([message([value(voltage)]), message([later])]) == LastReading(AT_MS + 1_000, None)


@pytest.mark.parametrize(
    "payload",
    ["null", "[]", "5", "[[]]", '[{"sampledValue":[{"value":' + "9" * 5_000 + "}]}]", "[" * 500 + "]" * 500],
)
def test_messages_of_any_json_are_read_without_an_error(payload: str) -> None:
    found = find_last([message(payload)])
    assert found is None or found.meter is None


def test_no_messages_have_no_last_reading() -> None:
    assert find_last([]) is None
