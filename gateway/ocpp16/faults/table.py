"""THE table of charge points' faults: every name that may be counted, what it means, and where it shows.

The metric `csms_faults`, the admin API and the README say these names. mypy finds a name that is not in
`FaultName`; a test finds one without a meaning in `FAULTS`. gateway/README.md has what is known from the
field, and which of these names each is counted under.
"""

from typing import Final, Literal, NamedTuple

# fmt: off
type Repair = Literal[
    "extra_property", "null_for_absent", "unreadable_optional", "number_for_text", "json_for_text",
    "text_for_number", "fraction_for_integer", "fraction_rounded", "text_for_boolean", "object_for_list",
    "overlong_text", "other_name", "unknown_enum", "item_left_out", "required_absent",
]
"""What faults/reading.py mends in a payload."""

type FaultName = Repair | Literal[
    "no_subprotocol", "origin", "tls_version", "no_connection_upgrade", "raw_target", "absolute_target",
    "double_slash", "trailing_slash", "id_twice", "id_case", "flapping",
    "no_pong", "binary_frame",
    "empty_frame", "not_utf8", "not_json", "nested_too_deeply", "empty_value", "not_a_frame", "not_a_call",
    "message_type_unknown", "id_unreadable", "id_not_text", "id_too_long", "error_misformed",
    "action_unknown", "action_from_wrong_side", "repeated_call", "no_boot", "not_accepted",
    "call_unanswered", "late_answer", "unknown_answer", "answer_invalid", "error_code_unknown",
    "details_unreadable",
    "payload_missing", "payload_invalid",
    "time_no_zone", "time_format", "time_unreadable", "time_before_2015", "time_ahead", "clock_stuck",
    "repeated_start", "repeated_stop", "repeated_values", "orphan_stop", "unknown_transaction",
    "values_after_stop", "connector_zero", "available_while_charging", "meter_negative", "meter_backwards",
    "reservation_zero", "id_tag_odd", "id_tag_empty",
]
# fmt: on
type FaultKind = Literal["handshake", "connection", "frame", "exchange", "payload", "time", "charging"]


class Fault(NamedTuple):
    kind: FaultKind
    meaning: str


def _of(kind: FaultKind, **meanings: str) -> dict[str, Fault]:
    return {name: Fault(kind, meaning) for name, meaning in meanings.items()}


FAULTS: Final[dict[str, Fault]] = {
    **_of(
        "handshake",
        no_subprotocol="The upgrade request did not offer the subprotocol ocpp1.6; refused with 400.",
        origin="The upgrade request had an Origin header without leave (`origin_allowed`); refused with 403.",
        tls_version="The TLS client offers nothing newer than TLS 1.1; refused by an alert.",
        no_connection_upgrade="The upgrade request had no Connection: Upgrade.",
        raw_target="The request's target had bytes that should be percent-encoded.",
        absolute_target="The request's target was a whole URL instead of a path.",
        double_slash="The path had more than one slash in a row.",
        trailing_slash="The path had a slash behind the charge point id.",
        id_twice="The path named the charge point id twice.",
        id_case="The id differs in case from the one that an operator registered, which it was taken for.",
        flapping="Connections took this charge point from each other over and over; the newest was refused.",
    ),
    **_of(
        "connection",
        no_pong="It never answered a PING; its own frames and the acknowledgements of its TCP count as life.",
        binary_frame="A message came in a binary frame, and was read as text.",
    ),
    **_of(
        "frame",
        empty_frame="An empty text frame is ignored.",
        not_utf8="A frame was not UTF-8.",
        not_json="A frame was not JSON.",
        nested_too_deeply="A frame was nested too deeply to be read.",
        empty_value='A value was left out ("transactionId":,) and read as null.',
        not_a_frame="A frame was JSON, but no array; it is ignored.",
        not_a_call="A CALL lacked its action or had a wrong one.",
        message_type_unknown="A frame is neither CALL, CALLRESULT nor CALLERROR; it is ignored.",
        id_unreadable="A frame's message id cannot be read; it is ignored.",
        id_not_text="A message id was a number; it comes back as the same number.",
        id_too_long="A message id was longer than 36 characters.",
        error_misformed="A CALLERROR was not whole; it was taken as one.",
    ),
    **_of(
        "exchange",
        action_unknown="A CALL named an action that OCPP 1.6 does not know.",
        action_from_wrong_side="A CALL named an action that only the central system sends.",
        repeated_call="A CALL came again, byte for byte; it got the same answer, a boot a fresh one.",
        no_boot="It spoke without any BootNotification so far; it is served, but not if it is strict.",
        not_accepted="It spoke before a BootNotification was answered Accepted; refused by SecurityError.",
        call_unanswered="A call of ours got no answer in time; that command alone ended.",
        late_answer="An answer came after its call had timed out; it settles its command even so.",
        unknown_answer="An answer came that nobody waited for; it is ignored.",
        answer_invalid="An answer to a call of ours cannot be read; the command ended with that error.",
        error_code_unknown="A CALLERROR's code is none of OCPP; the operator sees it as it is.",
        details_unreadable="A CALLERROR's details were no JSON.",
    ),
    **_of(
        "payload",
        extra_property="A property that the schema does not know is ignored.",
        null_for_absent="null for an optional field reads as absent.",
        unreadable_optional="An optional field that cannot be read counts as absent.",
        number_for_text="A number where text is due is taken as it is spelt.",
        json_for_text="An object, list or boolean as the data of a DataTransfer is taken as it is written.",
        text_for_number='Text that spells a number, "1", is that number.',
        fraction_for_integer="1.0 for an integer is 1.",
        fraction_rounded="The fraction of a Wh at a start or a stop is rounded.",
        text_for_boolean='"true" or "false" in any case for a boolean.',
        object_for_list="A single object where a list is due is a list of one.",
        overlong_text="Text over its limit is kept whole, up to 255 over; a cut id tag might match another.",
        other_name="The name that another message has for the same status is read as this message's own.",
        unknown_enum="A value outside its enumeration reads as the one that says `other`.",
        item_left_out="A sample or meter value that cannot be read is left out; "
        "the rest stands, all is kept.",
        required_absent="A required field with a harmless value, when absent or null, takes that value.",
        payload_missing="A frame had no payload at all; it reads as {}.",
        payload_invalid="A payload could not be read, nor repaired; it was answered with a CALLERROR.",
    ),
    **_of(
        "time",
        time_no_zone="A time without a zone is read as UTC.",
        time_format="A time was written unlike ISO 8601, but can be read.",
        time_unreadable="A time cannot be read, or was left out; the time of receipt stands in.",
        time_before_2015="A time lies before 2015: the clock was not set.",
        time_ahead="A time lies more than five minutes ahead: local time called UTC, or a clock gone wrong.",
        clock_stuck="A start looked like one that had stopped, but its clock is not set: a new transaction.",
    ),
    **_of(
        "charging",
        repeated_start="A StartTransaction came again; it got the transaction that it had.",
        repeated_stop="A StopTransaction came again; nothing was changed.",
        repeated_values="Meter values came again; they are kept once.",
        orphan_stop="A StopTransaction of no transaction that we know; kept apart, never guessed onto one.",
        unknown_transaction="Meter values of no transaction that we know; kept apart, by connector.",
        values_after_stop="Meter values of a transaction after its stop; they are kept with it.",
        connector_zero="Connector 0, the station as a whole, was said to do what only a connector can.",
        available_while_charging="A connector became Available while its transaction was, and stays, open.",
        meter_negative="A meter value of a start or stop was below zero; it is kept as sent.",
        meter_backwards="A transaction's meterStop was below its meterStart; both are kept as sent.",
        reservation_zero="reservationId 0 says that there was no reservation.",
        id_tag_odd="An unknown id tag had spaces or a semicolon; it is compared whole, never cleaned up.",
        id_tag_empty="A StopTransaction's id tag was empty; it counts as absent.",
    ),
}
