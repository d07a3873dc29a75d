"""Which faults of real charge points are repaired in a payload, applied only where the fast decoder failed.

A good payload never gets here. `reading` reads a bad one again with the policy of this file and names each
repair (table.Repair). Nothing is guessed: a repair either loses nothing (the text "1" for the number 1), or
keeps the original in the payload and takes the harmless reading in the typed view.
"""

from typing import Final

import msgspec

from gateway.ocpp16.errors import PayloadInvalid
from gateway.ocpp16.faults import reading
from gateway.ocpp16.faults.reading import Read, RepairPolicy
from gateway.ocpp16.frames import DECODE_ERRORS
from gateway.ocpp16.messages import core, firmware, security, types
from gateway.ocpp16.messages.types import Message

REPAIRS: Final = RepairPolicy(
    instead={
        (core.StatusNotification, "error_code"): "OtherError",
        (core.StopTransaction, "reason"): "Other",
    },
    also_called={
        # The whitepaper's text (N01.FR.10) says the one, its enumeration the other.
        (security.LogStatusNotification, "status"): {"UploadFailed": "UploadFailure"},
        (firmware.DiagnosticsStatusNotification, "status"): {"UploadFailure": "UploadFailed"},
    },
    # A start or stop is a fact, whatever its meter counts in.
    rounded=frozenset({(core.StartTransaction, "meter_start"), (core.StopTransaction, "meter_stop")}),
    when_absent={
        (core.KeyValue, "readonly"): False,
        # A boot that is refused is sent again for ever (Q19), and nobody charges until it is not.
        (core.BootNotification, "charge_point_vendor"): "",
        (core.BootNotification, "charge_point_model"): "",
        # A fact without its time is still a fact: "" is no time, so the receipt's stands in.
        (core.StartTransaction, "timestamp"): "",
        (core.StopTransaction, "timestamp"): "",
        (types.MeterValue, "timestamp"): "",
    },
    left_out_of_lists=frozenset({types.SampledValue, types.MeterValue}),
    # What vendors agreed upon is theirs, and lost if it is not kept.
    any_json=frozenset({(core.DataTransfer, "data"), (core.DataTransferResult, "data")}),
    characters_over=255,
)


def read_and_repair(message: type[Message], payload: bytes) -> Read:
    """Read, and repair the payload where that is possible; raises PayloadInvalid."""
    return reading.read(message, payload, REPAIRS)


def read_strictly(message: type[Message], payload: bytes) -> Message:
    """Read without repairs, formats and decimals checked too; raises PayloadInvalid."""
    try:
        request = msgspec.json.decode(payload, type=message)
    except DECODE_ERRORS as error:
        reading.read(message, payload, None)  # Knows the path and what would be right.
        raise PayloadInvalid("FormationViolation", str(error)) from None
    if reading.has_formats(message):
        reading.read(message, payload, None)
    return request
