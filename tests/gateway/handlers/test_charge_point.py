"""The parts of a fact that are kept as sent: a time that was repaired or not read is among them."""

from typing import Any

import msgspec
import pytest

from gateway.handlers.charge_point import ChargePoint, SessionMemory
from gateway.ocpp16.faults.reading import AsSent
from state.transactions import as_sent

NOBODY: Any = None  # Reading a time needs neither a store nor a lease.


def read_time(text: str, sent: AsSent | None = None) -> tuple[bool, as_sent.AsSent]:
    """Return whether the time was read, and the parts that are kept."""
    memory = SessionMemory(heartbeat_interval_s=300, registration="Accepted")
    charge_point = ChargePoint(NOBODY, NOBODY, memory, sent=sent)
    return charge_point.read_time(text) is not None, charge_point.as_sent


@pytest.mark.parametrize(
    "text", ["2026-01-31T12:00:00Z", "2026-01-31T13:00:00.123+01:00", "1970-01-01T00:00:00Z"]
)
def test_a_time_in_the_form_of_rfc_3339_is_not_kept_a_second_time(text: str) -> None:
    assert read_time(text) == (True, as_sent.NOTHING_REPAIRED)


@pytest.mark.parametrize(
    ("text", "is_read"),
    [
        ("2026-01-31T12:00:00", True),
        ("2026-01-30T24:00:00Z", True),
        ("2026-01-31 12:00", True),
        ("20260131T120000Z", True),
        ("2026-02-30T12:00:00Z", False),
        ("0000-00-00T00:00:00Z", False),
        ("1769860800", False),
        ("31.01.2026 12:00", False),
        ('"\N{EURO SIGN}\\', False),
        ("\x00", False),
    ],
)
def test_a_time_that_was_repaired_or_not_read_is_kept_as_it_was_sent(text: str, is_read: bool) -> None:  # noqa: FBT001  a parameter of the table
    found, kept = read_time(text)
    assert found is is_read
    assert kept.fields is not None
    assert msgspec.json.decode(kept.fields) == {"timestamp": text}
    assert kept.mark == ""


def test_a_long_time_is_kept_cut() -> None:
    _, kept = read_time("9" * 100_000)
    assert kept.fields == b'{"timestamp":"%b"}' % (b"9" * 1_000)


def test_a_time_is_kept_beside_the_other_parts_as_it_was_sent_there() -> None:
    sent = AsSent(b'{"meterStop":"x"}', b"{}")
    _, kept = read_time("noon", sent)
    assert kept.fields is not None
    assert msgspec.json.decode(kept.fields) == {"meterStop": "x", "timestamp": "noon"}
    assert kept.mark == as_sent.read_as_sent(b"{}", b"{}").mark
    _, number = read_time("5", AsSent(b'{"timestamp":5}'))
    assert number.fields == b'{"timestamp":5}'
    _, absent = read_time("")
    assert absent == as_sent.NOTHING_REPAIRED
