"""THE table of charge points' faults: each name that csms may count, where the fault occurs, and its meaning.

The metric `csms_faults`, the admin API and the documents use these names. mypy finds a name that is not in
`FaultName`, and a test finds a name that has no meaning in `FAULTS`. docs/known-faults.md lists known faults
of charge points in the field, with the names under which csms counts them.
"""

from typing import Final, Literal, NamedTuple

# fmt: off
type Repair = Literal[
    "extra_property", "null_for_absent", "unreadable_optional", "number_for_text", "json_for_text",
    "text_for_number", "fraction_for_integer", "fraction_rounded", "text_for_boolean", "object_for_list",
    "overlong_text", "other_name", "unknown_enum", "enum_case", "item_left_out", "required_absent",
    "fact_unreadable", "unreadable_required",
]
"""The faults that faults/reading.py repairs in a payload."""

type FrameRepair = Literal[
    "byte_order_mark", "nul_outside_text", "control_character", "escape_unknown", "trailing_comma",
    "empty_value", "not_a_number", "literal_spelling", "plus_sign", "leading_zero", "bare_point",
    "frames_joined", "comma_too_many", "mark_after_frame", "blank_unknown",
]
"""The faults that faults/json_repairs.py repairs in the JSON of a frame."""

type FaultName = Repair | FrameRepair | Literal[
    "no_subprotocol", "origin", "tls_version", "no_connection_upgrade", "raw_target", "absolute_target",
    "double_slash", "trailing_slash", "id_twice", "id_case", "flapping",
    "authorization_ignored", "certificate_ignored",
    "no_pong", "binary_frame", "message_too_big", "message_not_utf8", "message_in_too_many_frames",
    "too_many_control_frames", "message_unfinished",
    "empty_frame", "not_utf8", "not_json", "nested_too_deeply", "not_a_frame", "not_a_call",
    "fact_kept_as_text", "message_type_unknown", "id_unreadable", "id_not_text", "id_too_long",
    "error_misformed",
    "action_unknown", "action_from_wrong_side", "repeated_call", "no_boot", "not_accepted",
    "call_unanswered", "late_answer", "unknown_answer", "answer_invalid", "error_code_unknown",
    "details_unreadable",
    "payload_missing", "payload_invalid", "csr_version",
    "time_no_zone", "time_format", "time_unreadable", "time_before_2015", "time_ahead", "clock_stuck",
    "repeated_start", "repeated_stop", "repeated_values", "orphan_stop", "unknown_transaction",
    "values_after_stop", "too_many_values", "connector_zero", "available_while_charging", "meter_negative",
    "meter_backwards", "meter_jump", "stop_before_start", "stop_contradicts",
    "reservation_zero", "id_tag_odd", "id_tag_empty",
]
# fmt: on
type FaultKind = Literal["handshake", "connection", "frame", "exchange", "payload", "time", "charging"]


class Fault(NamedTuple):
    """`meaning` says what the charge point did wrong, and then what csms did about it."""

    kind: FaultKind
    meaning: str


def _of(kind: FaultKind, **meanings: str) -> dict[str, Fault]:
    return {name: Fault(kind, meaning) for name, meaning in meanings.items()}


FAULTS: Final[dict[str, Fault]] = {
    **_of(
        "handshake",
        no_subprotocol="The upgrade request did not offer the subprotocol ocpp1.6. csms refused it with 400.",
        origin="The upgrade request had an Origin header, as browsers send it. "
        "csms served it, or answered 403 if the charge point is strict.",
        tls_version="The TLS client offered no version newer than TLS 1.1. csms refused it with a TLS alert.",
        no_connection_upgrade="The upgrade request lacked the header Connection: Upgrade. "
        "csms added it, or answered 400 if the charge point is strict.",
        raw_target="The request target had bytes that must be percent-encoded. "
        "csms encoded them, or answered 400 if the charge point is strict.",
        absolute_target="The request target was a whole URL instead of a path. "
        "csms used the path in it, or answered 400 if the charge point is strict.",
        double_slash="The path had two or more slashes in a row. "
        "csms read them as one, or answered 400 if the charge point is strict.",
        trailing_slash="The path had a slash after the charge point id. "
        "csms ignored the slash, or answered 400 if the charge point is strict.",
        id_twice="The path named the charge point id twice. "
        "csms ignored the second one, or answered 400 if the charge point is strict.",
        id_case="The charge point id differed only in upper and lower case from an id that an operator "
        "registered. csms used the registered id, or answered 400 if the charge point is strict.",
        authorization_ignored="The upgrade request had an Authorization header that csms did not need, "
        "because no password is set for the charge point, or because its client certificate was enough. "
        "csms served it.",
        certificate_ignored="The charge point showed a client certificate that is not its own, and proved "
        "itself in another way. csms served it with the lower security profile.",
        flapping="Several connections of one charge point replaced each other more than five times in a "
        "minute. csms kept the open connection and refused the new one with 429.",
    ),
    **_of(
        "connection",
        no_pong="The charge point never answered a PING. csms kept the connection while TCP acknowledged "
        "what csms sent, for at most `limits.mute_s` after the last frame.",
        binary_frame="The charge point sent a message in a binary frame. csms read it as text.",
        message_too_big="A message was longer than `limits.message_bytes`. csms closed the connection with "
        "1009.",
        message_not_utf8="A message was not UTF-8. csms closed the connection with 1007.",
        message_in_too_many_frames="A message came in more than 1,024 frames. csms closed the connection "
        "with 1008.",
        too_many_control_frames="PING and PONG frames came too fast. csms closed the connection with 1008.",
        message_unfinished="The rest of a message did not come in time. csms closed the connection with "
        "1008.",
    ),
    **_of(
        "frame",
        empty_frame="The charge point sent an empty text frame. csms ignored it.",
        not_utf8="A frame was not UTF-8. "
        "csms refused it with FormationViolation, or ignored it if its message id could not be read.",
        not_json="A frame was not valid JSON. "
        "csms refused it with FormationViolation, or ignored it if its message id could not be read.",
        nested_too_deeply="A frame was nested too deeply to be read. "
        "csms refused it with FormationViolation, or ignored it if its message id could not be read.",
        byte_order_mark="A frame began or ended with a byte order mark. csms ignored the mark.",
        nul_outside_text="A frame had NUL characters outside its texts. csms ignored them.",
        control_character="A text in a frame had raw control characters, which JSON must escape. "
        "csms read them as characters of the text.",
        escape_unknown="A text in a frame had an escape that JSON does not define. csms read \\' as the "
        "apostrophe, \\x41 as the character with that code, and any other backslash as itself.",
        trailing_comma="A list or an object in a frame ended with a comma. csms ignored the comma.",
        comma_too_many="An object or a list of objects in a frame had a comma with nothing before it. "
        "csms ignored the comma.",
        mark_after_frame="A bracket, a comma or a semicolon followed a frame. csms ignored it.",
        blank_unknown="A frame had a control character outside its texts, or a blank that JSON does not "
        "define. csms ignored it.",
        empty_value='A frame lacked a value ("transactionId":,). csms read the value as null.',
        not_a_number="A frame had NaN or Infinity as a value. csms read the value as null.",
        literal_spelling="A frame had true, false or null in another spelling, such as True or None. "
        "csms read it as that value.",
        plus_sign="A number in a frame had a plus sign. csms ignored the sign.",
        leading_zero="A number in a frame had leading zeros. csms ignored them.",
        bare_point="A number in a frame had no digit before or after its decimal point. "
        "csms read a zero there.",
        frames_joined="A text frame held several OCPP-J messages, one after the other. "
        "csms read each as a message of its own.",
        fact_kept_as_text="A StartTransaction, StopTransaction, MeterValues or SecurityEventNotification "
        "could not be read as a call. csms kept its text among the unreadable facts of the charge point.",
        not_a_frame="A frame was valid JSON, but was not an array, or was an empty array. csms ignored it.",
        not_a_call="A CALL had no action, or its action was not text. csms answered FormationViolation.",
        message_type_unknown="A frame's message type was not 2 (CALL), 3 (CALLRESULT) or 4 (CALLERROR). "
        "csms ignored the frame.",
        id_unreadable="A frame had no message id that could be read. "
        "csms cannot answer a frame without an id and ignored it.",
        id_not_text="A message id was a number instead of text. csms answered with the same number, "
        "or with FormationViolation if the charge point is strict.",
        id_too_long="A message id was longer than 36 characters. csms echoed it if it had at most 255 "
        "characters and the charge point is not strict. Otherwise csms answered FormationViolation.",
        error_misformed="A CALLERROR had a part of the wrong type. "
        "csms used the message id, used the code if the code was text, and dropped the rest.",
    ),
    **_of(
        "exchange",
        action_unknown="A CALL named an action that OCPP 1.6 does not define. csms answered NotImplemented.",
        action_from_wrong_side="A CALL named an action that only the central system may send. "
        "csms answered NotSupported.",
        repeated_call="The charge point sent a CALL again, byte for byte. "
        "csms sent the same answer again, but handled a BootNotification like a new one.",
        no_boot="The charge point sent a message, but csms has never seen a BootNotification from it. "
        "csms served the message.",
        not_accepted="The charge point sent a message before a BootNotification was answered Accepted. "
        "csms answered SecurityError.",
        call_unanswered="The charge point did not answer a call from csms in time. "
        "csms ended the command with the status timeout, and kept the connection.",
        late_answer="The charge point answered a call from csms after the deadline of the call. "
        "csms still stored the answer with the command.",
        unknown_answer="The charge point sent an answer, but csms remembers no call with its message id. "
        "csms ignored the answer.",
        answer_invalid="The charge point's answer to a call from csms could not be read. "
        "csms ended the command with an error that says why.",
        error_code_unknown="A CALLERROR had a code that OCPP 1.6 does not define. "
        "csms shows operators the code as it came, up to 50 characters.",
        details_unreadable="The details of a CALLERROR were not valid JSON. csms replaced them with {}.",
    ),
    **_of(
        "payload",
        fact_unreadable="A required field of a StartTransaction, StopTransaction, MeterValues or "
        "SecurityEventNotification could not be read. csms stored the message with an unknown value for the "
        "field, and kept the field as it was sent.",
        enum_case="A word of an enumeration, or an action, had another case or blanks around it. "
        "csms read it as that word.",
        extra_property="A payload had a property that the schema does not define. csms ignored the property.",
        null_for_absent="An optional field was null instead of absent. csms read it as absent.",
        unreadable_optional="An optional field could not be read. csms read it as absent.",
        number_for_text="A field that must be text was a number. "
        "csms read the number as text, with the same digits.",
        json_for_text="The data of a DataTransfer was an object, a list or a boolean instead of text. "
        "csms kept its JSON as the text.",
        text_for_number='An integer was sent as text, such as "1". csms read it as the integer.',
        fraction_for_integer="An integer was sent with a decimal point, such as 1.0. "
        "csms read it as the integer.",
        fraction_rounded="A meterStart or meterStop had a fraction of a Wh. csms rounded it to whole Wh.",
        text_for_boolean='A boolean was sent as text, such as "true". csms read it as the boolean.',
        object_for_list="A field that must be a list was a single object. "
        "csms read it as a list of that object.",
        overlong_text="A text was longer than its limit, by at most 255 characters. "
        "csms kept all of it, because a shortened id tag might match another one.",
        csr_version="A certificate request had another version than that of PKCS#10. "
        "csms read it, because its signature holds.",
        other_name="A LogStatusNotification had the status UploadFailed instead of UploadFailure, a "
        "DiagnosticsStatusNotification had UploadFailure instead of UploadFailed, or an UnlockConnector was "
        "answered Accepted or Rejected instead of Unlocked or UnlockFailed. "
        "csms read the status with the right spelling.",
        unknown_enum="The errorCode of a StatusNotification or the reason of a StopTransaction was not in "
        "the enumeration. csms read the errorCode as OtherError, or the reason as Other.",
        item_left_out="A meter value or a sampled value could not be read. "
        "csms used the other values and kept the whole message as it was sent.",
        unreadable_required="The vendor or model of a BootNotification, the error code of a status or the "
        "member readonly of a key could not be read. csms used empty text, OtherError or false instead.",
        required_absent="A required field was absent or null. csms used a harmless value instead: "
        "false for readonly, NoError for an error code, empty text for a vendor, a model, a timestamp, an "
        "id tag or a type, and an unknown value for a meter reading, a connector or a transaction.",
        payload_missing="A frame had no payload. "
        "csms read it as {}, or refused it with FormationViolation if the charge point is strict.",
        payload_invalid="The payload of a CALL could not be read, and csms had no repair for it. "
        "csms answered with a CALLERROR that says why.",
    ),
    **_of(
        "time",
        time_no_zone="A time had no time zone. csms read it as UTC.",
        time_format="A time was not written as RFC 3339 requires, but its meaning was clear. csms read it.",
        time_unreadable="A time could not be read, or was left out. "
        "csms used the time at which the message arrived.",
        time_before_2015="A time was before 2015, so the charge point's clock was not set. "
        "csms kept the time as sent.",
        time_ahead="A time was more than five minutes in the future, because the clock was wrong or local "
        "time was sent as UTC. csms kept the time as sent.",
        clock_stuck="A StartTransaction was identical to the StartTransaction of a stopped transaction, but "
        "the charge point's clock was not set. csms stored it as a new transaction, not as a repeat.",
    ),
    **_of(
        "charging",
        repeated_start="The charge point sent a StartTransaction again. "
        "csms answered with the transaction that it had stored before.",
        repeated_stop="The charge point sent a StopTransaction again. "
        "csms answered as before and changed nothing.",
        repeated_values="The charge point sent meter values again. csms stored them only once.",
        orphan_stop="A StopTransaction named a transaction that csms does not know. "
        "csms stored the stop as an orphan, without a transaction.",
        unknown_transaction="Meter values named a transaction that csms does not know. "
        "csms stored the values separately, under their connector.",
        values_after_stop="Meter values of a transaction came after its stop. "
        "csms kept them with the transaction.",
        too_many_values="A transaction had 100,000 messages with meter values, or 32 MiB of long ones. "
        "csms dropped and counted the message.",
        connector_zero="A message named connector 0, which is the whole charge point, for something that "
        "only a real connector can do. csms kept the message as sent.",
        available_while_charging="A connector reported Available during its transaction. "
        "csms kept the transaction open.",
        meter_negative="A meterStart or meterStop was below zero. csms kept it as sent.",
        meter_backwards="The meterStop of a transaction was below its meterStart. csms kept both as sent.",
        meter_jump="A transaction whose meterStart was 0 used more than 500 kW on average, so the meter was "
        "probably not read at the start. csms kept both readings as sent.",
        stop_before_start="A transaction stopped before it started, by the times that the charge point sent. "
        "csms kept both times as sent.",
        stop_contradicts="A StopTransaction differed from the stored stop of its transaction. "
        "csms kept both, the later one among the orphaned stops.",
        reservation_zero="A StartTransaction named the reservation 0. "
        "csms handled the start like one without a reservation.",
        id_tag_odd="An unknown id tag contained a space or a semicolon. "
        "csms compared the whole text with the known id tags and answered Invalid.",
        id_tag_empty="The idTag of a StopTransaction was empty. csms read it as absent.",
    ),
}
