"""The faults of real charge points that are repaired in a payload.

A payload that the fast decoder reads never gets here. `reading` reads any other payload again with the policy
of this file, and names each repair (table.Repair). A repair never guesses. It either loses nothing, like the
text "1" for the number 1, or it keeps the original in the payload and uses a harmless value in the message.
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
        # The whitepaper says UploadFailed in its text (N01.FR.10), but UploadFailure in its enumeration.
        (security.LogStatusNotification, "status"): {"UploadFailed": "UploadFailure"},
        (firmware.DiagnosticsStatusNotification, "status"): {"UploadFailure": "UploadFailed"},
    },
    # A start or stop is a fact and is never refused, not even if its meter counts fractions of a Wh.
    rounded=frozenset({(core.StartTransaction, "meter_start"), (core.StopTransaction, "meter_stop")}),
    when_absent={
        (core.KeyValue, "readonly"): False,
        # A charge point repeats a refused BootNotification endlessly (Q19) and does not charge until then.
        (core.BootNotification, "charge_point_vendor"): "",
        (core.BootNotification, "charge_point_model"): "",
        # A fact without its time is still a fact. "" is not a time, so the time of receipt is used.
        (core.StartTransaction, "timestamp"): "",
        (core.StopTransaction, "timestamp"): "",
        (types.MeterValue, "timestamp"): "",
    },
    left_out_of_lists=frozenset({types.SampledValue, types.MeterValue}),
    # The vendors define the data, which would be lost if we did not keep it.
    any_json=frozenset({(core.DataTransfer, "data"), (core.DataTransferResult, "data")}),
    characters_over=255,
)


def read_and_repair(message: type[Message], payload: bytes) -> Read:
    """Read the payload and repair it where that is possible. Raises PayloadInvalid."""
    return reading.read(message, payload, REPAIRS)


def read_strictly(message: type[Message], payload: bytes) -> Message:
    """Read the payload without repairs, and check formats and decimals too. Raises PayloadInvalid."""
    try:
        request = msgspec.json.decode(payload, type=message)
    except DECODE_ERRORS as error:
        reading.read(message, payload, None)  # Raises with the path and what would be right.
        raise PayloadInvalid("FormationViolation", str(error)) from None
    if reading.has_formats(message):
        reading.read(message, payload, None)
    return request
