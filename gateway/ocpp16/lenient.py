"""Named repairs of real charge points' faults (the quirks list), applied only where strict reading failed.

A good payload never gets here. A bad one is read again by reading.Reader, which knows the policy
of this file; each repair is counted by its name. Nothing is guessed: a repair either loses nothing
(the text "1" for the number 1), or keeps the original in the payload and takes the harmless reading
in the typed view.
"""

from typing import Final

import msgspec

from gateway.ocpp16 import core, reading, types
from gateway.ocpp16.errors import PayloadInvalid
from gateway.ocpp16.reading import Leniency, Read
from gateway.ocpp16.types import Message

REPAIRS: Final[dict[str, str]] = {
    "extra_property": "A property that the schema does not know is ignored.",
    "null_for_absent": "null for an optional field reads as absent (Q31).",
    "unreadable_optional": "An optional field that cannot be read counts as absent.",
    "number_for_text": "A number where text is due is taken as it is spelt (Q33).",
    "text_for_number": 'Text that spells a number, "1", is that number.',
    "fraction_for_integer": "1.0 for an integer is 1.",
    "text_for_boolean": '"true" or "false" in any case for a boolean.',
    "object_for_list": "A single object where a list is due is a list of one (Q38).",
    "overlong_text": "Text over its limit is kept whole, up to 255 over; a cut id tag might match.",
    "unknown_enum": "A value outside its enumeration reads as the one that says `other` (Q37).",
    "item_left_out": "A sample or meter value that cannot be read is left out; the rest stands (Q35, Q36).",
    "required_absent": "A required field with a harmless value when absent or null (Q40) takes that value.",
}
"""Every name that may appear among a protocol's faults because of a payload, with what it means."""

LENIENCY: Final = Leniency(
    instead={
        (core.StatusNotification, "error_code"): "OtherError",
        (core.StopTransaction, "reason"): "Other",
    },
    when_absent={
        (core.KeyValue, "readonly"): False,
        # A fact without its time is still a fact: "" is no time, so the receipt's stands in.
        (core.StartTransaction, "timestamp"): "",
        (core.StopTransaction, "timestamp"): "",
        (types.MeterValue, "timestamp"): "",
    },
    left_out_of_lists=frozenset({types.SampledValue, types.MeterValue}),
    characters_over=255,
)


def read_leniently(message: type[Message], payload: bytes) -> Read:
    """Read, and repair the payload where that is possible; raises PayloadInvalid."""
    return reading.read(message, payload, LENIENCY)


def read_strictly(message: type[Message], payload: bytes) -> Message:
    """Read without repairs, formats and decimals checked too; raises PayloadInvalid."""
    try:
        request = msgspec.json.decode(payload, type=message)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        reading.read(message, payload, None)  # Knows the path and what would be right.
        raise PayloadInvalid("FormationViolation", str(error)) from None
    if reading.has_formats(message):
        reading.read(message, payload, None)
    return request
