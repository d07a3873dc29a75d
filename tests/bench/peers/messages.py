"""The calls of a charge point as frames that are masked beforehand, so that a call costs the client little.

A frame has places that change from call to call: digits (of the message id and of a reading) and seconds with
milliseconds (of a timestamp), whose masked forms are in tables, and the id of a transaction. The four bytes
of the mask are the same, so that a place may stand anywhere in a frame.
"""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

MASK: Final = 0x5A
_MASKED: Final = bytes(byte ^ MASK for byte in range(256))
TURNS: Final = 60_000
"""After so many calls the numbers of a frame begin anew. No measurement makes so many on one connection."""
_DIGITS: Final = [(b"%06d" % number).translate(_MASKED) for number in range(TURNS)]
_SECONDS: Final = [
    (b"%02d.%03d" % divmod(number * 7 % TURNS, 1000)).translate(_MASKED) for number in range(TURNS)
]
_DIGIT_PLACE: Final = b"NNNNNN"
_SECOND_PLACE: Final = b"SS.SSS"
_TRANSACTION_PLACE: Final = b"7777777777"


class Frame:
    """One call whose numbers change. Its bytes are always in the same object."""

    __slots__ = ("_data", "_digits", "_seconds", "_transactions")

    def __init__(self, message: bytes) -> None:
        header = _header(len(message))
        self._data = bytearray(header + message.translate(_MASKED))
        self._digits, self._seconds, self._transactions = (
            tuple(len(header) + at for at in range(len(message)) if message.startswith(place, at))
            for place in (_DIGIT_PLACE, _SECOND_PLACE, _TRANSACTION_PLACE)
        )

    def number(self, number: int) -> bytearray:
        """Write this number into the frame, and return its bytes."""
        data = self._data
        digits = _DIGITS[number]
        for at in self._digits:
            data[at : at + 6] = digits
        for at in self._seconds:
            data[at : at + 6] = _SECONDS[number]
        return data

    def set_transaction(self, id_: int) -> None:
        """Write the id into the frame. It has spaces in front, so that the frame keeps its length."""
        for at in self._transactions:
            self._data[at : at + 10] = (b"%10d" % id_).translate(_MASKED)


def _header(length: int) -> bytes:
    mask = bytes((MASK,)) * 4
    if length < 126:
        return bytes((0x81, 0x80 | length)) + mask
    return bytes((0x81, 0xFE)) + length.to_bytes(2) + mask


def make_call(action: str, payload: object) -> bytes:
    """Return the message, with a place for the message id."""
    return json.dumps([2, _DIGIT_PLACE.decode(), action, payload], separators=(",", ":")).encode()


def make_time() -> str:
    """Return a timestamp of this minute, with a place for its seconds."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:") + _SECOND_PLACE.decode() + "Z"


BOOT: Final = make_call("BootNotification", {"chargePointVendor": "csms", "chargePointModel": "bench"})
_MEASURANDS: Final = (
    {"measurand": "Energy.Active.Import.Register", "unit": "Wh"},
    {"measurand": "Power.Active.Import", "unit": "W"},
    {"measurand": "Current.Import", "unit": "A", "phase": "L1"},
    {"measurand": "Current.Import", "unit": "A", "phase": "L2"},
    {"measurand": "Voltage", "unit": "V"},
    {"measurand": "SoC", "unit": "Percent"},
)
_READINGS: Final = ("1NNNNNN", "11040.0", "16.02", "15.98", "230.4", "57")


def heartbeat(_transaction: int) -> list[bytes]:
    return [make_call("Heartbeat", {})]


def status_notification(_transaction: int) -> list[bytes]:
    """Return two calls, because a status that stays the same may be cheaper than a change."""
    return [
        make_call(
            "StatusNotification",
            {"connectorId": 2, "errorCode": "NoError", "status": status, "timestamp": make_time()},
        )
        for status in ("Available", "Preparing")
    ]


def meter_values(transaction: int) -> list[bytes]:
    sampled = [
        {"value": value, "context": "Sample.Periodic", **rest}
        for value, rest in zip(_READINGS, _MEASURANDS, strict=True)
    ]
    return [
        make_call(
            "MeterValues",
            {
                "connectorId": 1,
                "transactionId": transaction,
                "meterValue": [{"timestamp": make_time(), "sampledValue": sampled}],
            },
        )
    ]


def start(connector: int) -> bytes:
    return make_call(
        "StartTransaction",
        {"connectorId": connector, "idTag": "DEMO", "meterStart": 0, "timestamp": make_time()},
    )


def start_stop(_transaction: int) -> list[bytes]:
    """Return a start and the stop of the transaction whose id the answer to the start has."""
    stop = {"transactionId": int(_TRANSACTION_PLACE), "meterStop": 1000, "timestamp": make_time()}
    return [start(connector=2), make_call("StopTransaction", stop)]


MESSAGES: Final[dict[str, Callable[[int], list[bytes]]]] = {
    "heartbeat": heartbeat,
    "status": status_notification,
    "meter-values": meter_values,
    "start-stop": start_stop,
}
"""Makes the calls of each kind in turn from the id of the running transaction."""
