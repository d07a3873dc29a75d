"""Meter values as a charge point sends them: a message a minute, each with six values and 854 bytes."""

from collections.abc import Iterator
from datetime import UTC, datetime
from random import Random

import msgspec

BEGIN_MS = 1_795_000_000_000
EVERY_MS = 60_000
LATENCY_MS = 200


def messages(count: int, seed: int = 1) -> Iterator[tuple[int, bytes]]:
    """Yield the time of receipt and the meterValue array of each message."""
    random = Random(seed)
    energy_wh = 1000
    for number in range(count):
        at_ms = BEGIN_MS + number * EVERY_MS
        energy_wh += random.randrange(150, 200)
        yield at_ms + LATENCY_MS, message(random, at_ms, energy_wh)


def message(random: Random, at_ms: int, energy_wh: int) -> bytes:
    values = [
        _value(str(energy_wh), "Energy.Active.Import.Register", "Wh"),
        _value(f"{random.uniform(10000, 11000):.1f}", "Power.Active.Import", "W"),
        *(
            _value(f"{random.uniform(15, 16):.2f}", "Current.Import", "A", phase=phase)
            for phase in ("L1", "L2", "L3")
        ),
        _value(f"{random.uniform(228, 232):.1f}", "Voltage", "V", phase="L1-N"),
    ]
    return msgspec.json.encode([{"timestamp": text_of(at_ms), "sampledValue": values}])


def text_of(at_ms: int) -> str:
    at = datetime.fromtimestamp(at_ms / 1000, UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _value(value: str, measurand: str, unit: str, **more: str) -> dict[str, str]:
    return {
        "value": value,
        "context": "Sample.Periodic",
        "format": "Raw",
        "measurand": measurand,
        **more,
        "location": "Outlet",
        "unit": unit,
    }
