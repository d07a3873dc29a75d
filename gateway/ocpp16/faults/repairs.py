"""The faults of real charge points that are repaired in a payload.

A payload that the fast decoder can read is not repaired. `reading` reads any other payload a second time,
with the policy of this module, and returns the name of each repair (table.Repair). A repair never guesses. A
repair either loses nothing, for example if the text "1" is read as the number 1, or it keeps the original in
the payload and uses a harmless value in the message.
"""

from functools import cache
from typing import Final

import msgspec
from msgspec import inspect

from gateway.ocpp16.errors import PayloadInvalid
from gateway.ocpp16.faults import reading
from gateway.ocpp16.faults.reading import Read
from gateway.ocpp16.faults.repair_policy import RepairPolicy
from gateway.ocpp16.frames import DECODE_ERRORS
from gateway.ocpp16.messages import core, firmware, security, types
from gateway.ocpp16.messages.types import Message

FACTS: Final[frozenset[type[Message]]] = frozenset(
    {core.StartTransaction, core.StopTransaction, core.MeterValues, security.SecurityEventNotification}
)
"""Messages that are never refused for their content, unless the charge point is strict."""

REPAIRS: Final = RepairPolicy(
    instead={
        (core.StatusNotification, "error_code"): "OtherError",
        (core.StopTransaction, "reason"): "Other",
    },
    also_called={
        # The whitepaper says UploadFailed in its text (N01.FR.10), but UploadFailure in its enumeration.
        (security.LogStatusNotification, "status"): {"UploadFailed": "UploadFailure"},
        (firmware.DiagnosticsStatusNotification, "status"): {"UploadFailure": "UploadFailed"},
        # Some charge points answer with the word that most other answers use.
        (core.UnlockConnectorResult, "status"): {"Accepted": "Unlocked", "Rejected": "UnlockFailed"},
    },
    rounded=frozenset({(core.StartTransaction, "meter_start"), (core.StopTransaction, "meter_stop")}),
    when_absent={
        (core.KeyValue, "readonly"): False,
        # A charge point repeats a refused BootNotification endlessly, and does not charge meanwhile (Q19).
        (core.BootNotification, "charge_point_vendor"): "",
        (core.BootNotification, "charge_point_model"): "",
        # The status matters more, and Faulted says that there is an error.
        (core.StatusNotification, "error_code"): "NoError",
    },
    facts=FACTS,
    # The text "" cannot be read as a time, so csms uses the time of receipt.
    stand_ins={
        (core.StartTransaction, "connector_id"): None,
        (core.StartTransaction, "id_tag"): "",
        (core.StartTransaction, "meter_start"): None,
        (core.StartTransaction, "timestamp"): "",
        (core.StopTransaction, "transaction_id"): None,
        (core.StopTransaction, "meter_stop"): None,
        (core.StopTransaction, "timestamp"): "",
        (core.MeterValues, "connector_id"): None,
        (core.MeterValues, "meter_value"): (),
        (types.MeterValue, "timestamp"): "",
        (security.SecurityEventNotification, "type"): "",
        (security.SecurityEventNotification, "timestamp"): "",
    },
    kept_whole=frozenset({(core.StopTransaction, "transaction_data"), (core.MeterValues, "meter_value")}),
    left_out_of_lists=frozenset({types.SampledValue, types.MeterValue, core.KeyValue}),
    never_dropped=frozenset(
        {
            # A sampled value without its unit would be read as Wh, so it is left out as a whole.
            *((types.SampledValue, name) for name in types.SampledValue.__struct_fields__),
            # An answer without them would say that the charge point has no keys, or no certificates.
            (core.GetConfigurationResult, "configuration_key"),
            (security.GetInstalledCertificateIdsResult, "certificate_hash_data"),
        }
    ),
    # The vendors define this data, which would be lost if csms refused the message.
    any_json=frozenset(
        {(core.DataTransfer, "data"), (core.DataTransferResult, "data"), (core.KeyValue, "value")}
    ),
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
        reading.read(message, payload, None)  # This raises PayloadInvalid with the path of the field.
        raise PayloadInvalid("FormationViolation", str(error)) from None
    if _has_formats(message):
        reading.read(message, payload, None)
    return request


@cache
def _has_formats(message: type[Message]) -> bool:
    """Return whether the message has fields with a format, which the fast decoder does not check."""
    return _is_formatted(inspect.type_info(message))


def _is_formatted(kind: inspect.Type) -> bool:
    match kind:
        case inspect.Metadata():
            return True
        case inspect.VarTupleType():
            return _is_formatted(kind.item_type)
        case inspect.StructType():
            return any(_is_formatted(field.type) for field in kind.fields)
        case _:
            return False
