"""What the latest meter values of a transaction say: the last reading of the energy register, and its end."""

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec

from admin.routes.meter_value_messages import read_items
from gateway.ocpp16.faults import timestamps
from state.transactions.ending import End, Policy
from state.transactions.listing import Transaction
from state.transactions.stored_values import StoredValues

MOST_WH = 2**53 - 1
"""Greatest reading, because many programs cannot read a greater number from JSON exactly."""
AHEAD_MS = 60_000
"""How far the time of an end may be ahead of the clock of csms."""
_IN_WH = {None: 1, "Wh": 1, "kWh": 1000}
_NUMBER = re.compile(r"\+?[0-9]{1,16}(\.[0-9]{1,16})?")


class LastReading(NamedTuple):
    """`meter` is in Wh. It is None if no value is a readable energy register.

    `at_ms` is the time of the MeterValue that has the reading, or of the last MeterValue if there is no
    reading.
    """

    at_ms: int
    meter: int | None


class _SampledValue(msgspec.Struct, frozen=True):
    value: str | int | float
    measurand: str | None = None
    unit: str | None = None
    phase: str | None = None
    location: str | None = None
    format: str | None = None


def find_end(
    found: Transaction,
    values: Sequence[StoredValues],
    now_ms: int,
    *,
    api_key: str | None = None,
    policy: Policy | None = None,
) -> End:
    """Make the end of a transaction from its latest meter values, or from its start if it has none."""
    # An operator may not give a reading or a time beyond these bounds either.
    within = range(found.started_ms, now_ms + AHEAD_MS + 1)
    last = find_last(values, least=found.meter_start or 0, within=within)
    meter = None if last is None else last.meter
    return End(
        # A start from a clock that is ahead may be later than the time of receipt.
        ended_ms=found.started_ms if last is None else max(last.at_ms, found.started_ms),
        time_source="start" if last is None else "meter_values",
        meter=meter,
        meter_source=None if meter is None else "meter_values",
        received_ms=now_ms,
        api_key=api_key,
        policy=policy,
    )


def find_last(
    messages: Sequence[StoredValues], *, least: int = 0, within: range | None = None
) -> LastReading | None:
    """Find the last reading of messages in the order of arrival. None means that they have no MeterValue.

    A reading below `least` does not count. For a time that is unreadable, or not `within` these Unix
    milliseconds, the time of receipt is used.
    """
    without = None
    for message in reversed(messages):
        for item in reversed(read_items(message)):
            at_ms = timestamps.parse_ms(item["timestamp"])
            if at_ms is None or (within is not None and at_ms not in within):
                at_ms = message.received_ms
            found = (_read_energy_wh(one) for one in item["sampledValue"])
            readings = [meter for meter in found if meter is not None and meter >= least]
            if readings:
                return LastReading(at_ms, readings[-1])
            without = without or LastReading(at_ms, None)
    return without


def _read_energy_wh(sampled: Any) -> int | None:
    """Return the energy in Wh, or None unless the value is the imported energy of all phases at the outlet.

    A value without `measurand` is this energy, and the default unit is Wh (OCPP 1.6 section 7.43).
    """
    try:
        one = msgspec.json.decode(sampled, type=_SampledValue)
    except (msgspec.DecodeError, RecursionError):
        return None
    number = str(one.value).strip()
    if (
        one.measurand not in {None, "Energy.Active.Import.Register"}
        or one.unit not in _IN_WH
        or one.phase is not None
        or one.location not in {None, "Outlet"}
        or one.format not in {None, "Raw"}
        or not _NUMBER.fullmatch(number)
    ):
        return None
    energy = round(Decimal(number) * _IN_WH[one.unit])
    return energy if energy <= MOST_WH else None
