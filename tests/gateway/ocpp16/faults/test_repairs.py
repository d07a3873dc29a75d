"""For each named repair: a faulty message, how csms reads it, and the payload that csms keeps."""

from typing import Any

import msgspec
import pytest

from gateway.ocpp16.actions import ACTIONS
from gateway.ocpp16.errors import PayloadInvalid
from gateway.ocpp16.faults.reading import suggest
from gateway.ocpp16.faults.repairs import read_and_repair, read_strictly
from gateway.ocpp16.faults.table import Repair
from gateway.ocpp16.messages import core, firmware, security
from gateway.ocpp16.messages.types import Message, MeterValue, SampledValue

TIME = "2026-01-31T12:00:00Z"
GOOD_SAMPLE = {"value": "1"}


def read(message: type[Message], **fields: object) -> tuple[Message, object, tuple[Repair, ...]]:
    found = read_and_repair(message, msgspec.json.encode(fields))
    return found.message, msgspec.json.decode(found.payload), found.repairs


def meter(*sampled: object, **fields: object) -> tuple[Message, object, tuple[Repair, ...]]:
    value = {"timestamp": TIME, "sampledValue": list(sampled)}
    return read(core.MeterValues, **{"connectorId": 1, "meterValue": [value], **fields})


def test_an_optional_field_with_the_value_null_is_read_as_absent() -> None:
    message, payload, repairs = read(
        core.StatusNotification, connectorId=1, errorCode="NoError", status="Available", info=None
    )
    assert message == core.StatusNotification(connector_id=1, error_code="NoError", status="Available")
    assert payload == {"connectorId": 1, "errorCode": "NoError", "status": "Available"}
    assert repairs == ("null_for_absent",)


@pytest.mark.parametrize(("sent", "spelt"), [("21.50", "21.50"), ("-3", "-3"), ("0.10", "0.10")])
def test_a_number_in_a_field_for_text_is_read_as_text_with_the_same_digits(sent: str, spelt: str) -> None:
    payload = b'{"connectorId":1,"meterValue":[{"timestamp":"%b","sampledValue":[{"value":%b}]}]}' % (
        TIME.encode(),
        sent.encode(),
    )
    found = read_and_repair(core.MeterValues, payload)
    assert isinstance(found.message, core.MeterValues)
    assert found.message.meter_value[0].sampled_value == (SampledValue(value=spelt),)
    assert core.raw_meter_value(found.payload).endswith(b'[{"value":"%b"}]}]' % spelt.encode())
    assert found.repairs == ("number_for_text",)


def test_bad_samples_are_left_out_of_the_decoded_message_but_remain_in_the_payload() -> None:
    bad = {"value": "50", "unit": "Hz"}
    message, payload, repairs = meter(GOOD_SAMPLE, bad, {"value": None}, {"value": "2", "unit": "W"})
    assert isinstance(message, core.MeterValues)
    assert message.meter_value[0].sampled_value == (
        SampledValue(value="1"),
        SampledValue(value="2", unit="W"),
    )
    assert repairs == ("item_left_out", "item_left_out")
    assert isinstance(payload, dict)
    assert payload["meterValue"][0]["sampledValue"][1] == bad


@pytest.mark.parametrize("field", ["context", "format", "measurand", "phase", "location", "unit"])
def test_a_sample_with_an_unknown_unit_or_measurand_is_left_out_and_does_not_get_the_default(
    field: str,
) -> None:
    message, _, repairs = meter({"value": "1", field: "Foo"})
    assert isinstance(message, core.MeterValues)
    assert message.meter_value == (MeterValue(timestamp=TIME, sampled_value=()),)
    assert repairs == ("item_left_out",)


def test_a_single_object_in_the_place_of_a_list_is_read_as_a_list_of_one_object() -> None:
    message, payload, repairs = read(
        core.MeterValues, connectorId=1, meterValue={"timestamp": TIME, "sampledValue": GOOD_SAMPLE}
    )
    assert isinstance(message, core.MeterValues)
    assert message.meter_value == (MeterValue(timestamp=TIME, sampled_value=(SampledValue(value="1"),)),)
    assert payload == {"connectorId": 1, "meterValue": [{"timestamp": TIME, "sampledValue": [GOOD_SAMPLE]}]}
    assert repairs == ("object_for_list", "object_for_list")


@pytest.mark.parametrize("value", ["7", " 7 ", "7.0", 7.0])
def test_an_integer_may_be_sent_as_text_or_with_a_zero_fraction(value: object) -> None:
    message, payload, repairs = read(core.UnlockConnector, connectorId=value)
    assert message == core.UnlockConnector(connector_id=7)
    assert payload == {"connectorId": 7}
    assert repairs == (("fraction_for_integer",) if value == 7.0 else ("text_for_number",))


@pytest.mark.parametrize("value", ["", "7a", "0x7", "1e3", 7.5, True, [7], None, "9" * 30])
def test_an_integer_field_refuses_a_value_that_is_not_an_integer(value: object) -> None:
    with pytest.raises(PayloadInvalid) as caught:
        read(core.UnlockConnector, connectorId=value)
    assert caught.value.code == "TypeConstraintViolation"
    assert caught.value.path == "connectorId"


@pytest.mark.parametrize("value", [-1, 0, 2**63 - 1])
def test_an_integer_of_64_bits_is_accepted(value: int) -> None:
    assert read(core.RemoteStopTransaction, transactionId=value)[2] == ()


def test_text_that_is_too_long_is_kept_in_full() -> None:
    tag = "A" * 21
    message, payload, repairs = read(core.Authorize, idTag=tag)
    assert message == core.Authorize(id_tag=tag)
    assert payload == {"idTag": tag}
    assert repairs == ("overlong_text",)
    with pytest.raises(PayloadInvalid, match="has 276 characters; at most 20 are allowed"):
        read(core.Authorize, idTag="A" * 276)


def test_an_unknown_error_code_is_read_as_other_error() -> None:
    message, payload, repairs = read(
        core.StatusNotification, connectorId=1, errorCode="Error", status="Faulted"
    )
    assert message == core.StatusNotification(connector_id=1, error_code="OtherError", status="Faulted")
    assert payload == {"connectorId": 1, "errorCode": "Error", "status": "Faulted"}
    assert repairs == ("unknown_enum",)


def test_a_status_name_that_belongs_to_another_message_type_is_replaced_by_the_right_name() -> None:
    message, payload, repairs = read(security.LogStatusNotification, status="UploadFailed", requestId=7)
    assert message == security.LogStatusNotification(status="UploadFailure", request_id=7)
    assert payload == {"status": "UploadFailure", "requestId": 7}
    assert repairs == ("other_name",)
    plain, _, repairs = read(firmware.DiagnosticsStatusNotification, status="UploadFailure")
    assert plain == firmware.DiagnosticsStatusNotification(status="UploadFailed")
    assert repairs == ("other_name",)


@pytest.mark.parametrize(("told", "taken"), [(1234.6, 1235), (-0.4, 0), (0.5, 0), (1.5, 2)])
def test_a_meter_stop_value_with_a_fraction_is_rounded(told: float, taken: int) -> None:
    message, _, repairs = read(
        core.StopTransaction, transactionId=5, meterStop=told, timestamp="2026-01-31T12:00:00Z"
    )
    assert message == core.StopTransaction(
        transaction_id=5, meter_stop=taken, timestamp="2026-01-31T12:00:00Z"
    )
    assert repairs == ("fraction_rounded",)
    message, _, repairs = read(core.MeterValues, connectorId=told, meterValue=[])
    assert message == core.MeterValues(connector_id=None, meter_value=())
    assert repairs == ("fact_unreadable",)


@pytest.mark.parametrize("sent", ["available", "AVAILABLE", " Available", "Available\t", "aVAILABLE "])
def test_a_word_of_an_enumeration_is_read_in_any_case_and_with_blanks(sent: str) -> None:
    message, payload, repairs = read(core.StatusNotification, connectorId=1, errorCode="noerror", status=sent)
    assert message == core.StatusNotification(connector_id=1, error_code="NoError", status="Available")
    assert payload == {"connectorId": 1, "errorCode": "NoError", "status": "Available"}
    assert repairs == ("enum_case", "enum_case")
    answer, _, repairs = read(core.UnlockConnectorResult, status="UNLOCKED ")
    assert (answer, repairs) == (core.UnlockConnectorResult(status="Unlocked"), ("enum_case",))


@pytest.mark.parametrize(
    ("message", "field", "sent", "word"),
    [
        (core.StatusNotification, "status", "suspendedEV", "SuspendedEV"),
        (core.StatusNotification, "status", "suspendedevse", "SuspendedEVSE"),
        (core.StatusNotification, "errorCode", " NOERROR", "NoError"),
        (core.StopTransaction, "reason", "evdisconnected", "EVDisconnected"),
        (core.StopTransaction, "reason", "DeAuthorized ", "DeAuthorized"),
        (core.StopTransaction, "reason", "power loss", "PowerLoss"),
        (core.StopTransaction, "reason", "EV_Disconnected", "EVDisconnected"),
        (core.StopTransaction, "reason", "brown-out", "Other"),
        (core.StatusNotification, "status", "Suspended EV", "SuspendedEV"),
        (core.StatusNotification, "status", "SUSPENDED_EVSE", "SuspendedEVSE"),
        (core.StatusNotification, "errorCode", "ground-failure", "GroundFailure"),
        (firmware.FirmwareStatusNotification, "status", "INSTALLED", "Installed"),
        (firmware.DiagnosticsStatusNotification, "status", "uploading", "Uploading"),
        (security.LogStatusNotification, "status", "uploaded", "Uploaded"),
        (core.ResetResult, "status", "ACCEPTED", "Accepted"),
        (core.ChangeConfigurationResult, "status", "rebootrequired", "RebootRequired"),
        (core.UnlockConnectorResult, "status", "unlocked", "Unlocked"),
        (core.UnlockConnectorResult, "status", "Accepted", "Unlocked"),
        (core.UnlockConnectorResult, "status", "Rejected", "UnlockFailed"),
    ],
)
def test_a_status_in_another_spelling_is_read_in_calls_and_in_answers(
    message: type[Message], field: str, sent: str, word: str
) -> None:
    fields: dict[str, object] = {field: sent}
    if message is core.StatusNotification:
        fields = {"connectorId": 1, "errorCode": "NoError", "status": "Available"} | fields
    if message is core.StopTransaction:
        fields |= {"transactionId": 1, "meterStop": 1, "timestamp": TIME}
    found, _, repairs = read(message, **fields)
    attribute = {"errorCode": "error_code"}.get(field, field)
    assert msgspec.structs.asdict(found)[attribute] == word
    assert set(repairs) <= {"enum_case", "other_name", "unknown_enum"}
    assert repairs


def test_a_stop_transaction_with_several_faults_is_read() -> None:
    message, _, repairs = read(
        core.StopTransaction,
        transactionId=5,
        meterStop="100",
        timestamp="whenever",
        reason="Bored",
        transactionData="none",
        vendorThing={"a": 1},
    )
    assert message == core.StopTransaction(
        transaction_id=5, meter_stop=100, timestamp="whenever", reason="Other"
    )
    assert sorted(repairs) == ["extra_property", "text_for_number", "unknown_enum", "unreadable_optional"]


@pytest.mark.parametrize("time", [{}, {"timestamp": None}])
def test_start_and_stop_transactions_without_a_timestamp_are_read(time: dict[str, None]) -> None:
    start = {"connectorId": 1, "idTag": "x", "meterStart": 0}
    message, payload, repairs = read(core.StartTransaction, **start, **time)
    assert message == core.StartTransaction(connector_id=1, id_tag="x", meter_start=0, timestamp="")
    assert payload == start | time
    assert repairs == ("required_absent",)
    message, _, repairs = read(core.StopTransaction, transactionId=1, meterStop=0, **time)
    assert message == core.StopTransaction(transaction_id=1, meter_stop=0, timestamp="")
    message, _, repairs = read(core.MeterValues, connectorId=1, meterValue=[{"sampledValue": [], **time}])
    assert message == core.MeterValues(
        connector_id=1, meter_value=(MeterValue(timestamp="", sampled_value=()),)
    )


def test_a_boot_notification_without_a_vendor_or_a_model_is_read() -> None:
    message, payload, repairs = read(core.BootNotification, chargePointVendor=None, firmwareVersion="1")
    assert message == core.BootNotification(
        charge_point_vendor="", charge_point_model="", firmware_version="1"
    )
    assert payload == {"chargePointVendor": "", "chargePointModel": "", "firmwareVersion": "1"}
    assert repairs == ("required_absent", "required_absent")


@pytest.mark.parametrize("sent", [{}, [], True, {"name": "x"}, "x" * 300])
def test_a_boot_notification_with_an_unreadable_vendor_is_read(sent: object) -> None:
    message, payload, repairs = read(core.BootNotification, chargePointVendor=sent, chargePointModel="m")
    assert message == core.BootNotification(charge_point_vendor="", charge_point_model="m")
    assert payload == {"chargePointVendor": "", "chargePointModel": "m"}
    assert repairs == ("unreadable_required",)


@pytest.mark.parametrize(
    ("sent", "read_as", "repair"),
    [
        ({}, "NoError", "required_absent"),
        ({"errorCode": None}, "NoError", "required_absent"),
        ({"errorCode": ""}, "OtherError", "unknown_enum"),
        ({"errorCode": 0}, "OtherError", "unreadable_required"),
        ({"errorCode": ["GroundFailure"]}, "OtherError", "unreadable_required"),
        ({"errorCode": False}, "OtherError", "unreadable_required"),
    ],
)
def test_a_status_without_a_readable_error_code_is_read(
    sent: dict[str, object], read_as: str, repair: Repair
) -> None:
    message, _, repairs = read(core.StatusNotification, connectorId=1, status="Faulted", **sent)
    assert isinstance(message, core.StatusNotification)
    assert (message.status, message.error_code, repairs) == ("Faulted", read_as, (repair,))


@pytest.mark.parametrize(
    ("sent", "value", "repairs"),
    [
        ({"key": "A", "readonly": True, "value": ["x", 1]}, '["x",1]', ("json_for_text",)),
        ({"key": "A", "readonly": True, "value": False}, "false", ("json_for_text",)),
        ({"key": "A", "readonly": True, "value": 5}, "5", ("number_for_text",)),
        ({"key": "A", "readonly": True, "value": "v" * 3_000}, None, ("unreadable_optional",)),
        ({"key": "A", "readonly": " TRUE", "value": "x"}, "x", ("text_for_boolean",)),
        ({"key": None, "readonly": True}, ..., ("item_left_out",)),
        ({"readonly": True}, ..., ("item_left_out",)),
        (None, ..., ("item_left_out",)),
        ("A", ..., ("item_left_out",)),
    ],
)
def test_one_odd_key_does_not_make_the_other_keys_unreadable(
    sent: object, value: Any, repairs: tuple[Repair, ...]
) -> None:
    good = {"key": "B", "readonly": False}
    message, _, found = read(core.GetConfigurationResult, configurationKey=[sent, good])
    assert isinstance(message, core.GetConfigurationResult)
    assert message.configuration_key is not None
    odd = [] if value is ... else [core.KeyValue(key="A", readonly=True, value=value)]
    assert list(message.configuration_key) == [*odd, core.KeyValue(key="B", readonly=False)]
    assert found == repairs


@pytest.mark.parametrize("sent", ["none", 5, True])
@pytest.mark.parametrize(
    ("answer", "field"),
    [
        (core.GetConfigurationResult, "configurationKey"),
        (security.GetInstalledCertificateIdsResult, "certificateHashData"),
    ],
)
def test_an_answer_whose_list_is_unreadable_is_not_read_as_an_empty_answer(
    answer: type[Message], field: str, sent: object
) -> None:
    status = {} if answer is core.GetConfigurationResult else {"status": "Accepted"}
    with pytest.raises(PayloadInvalid):
        read(answer, **{field: sent}, **status)


def test_configuration_keys_without_the_field_readonly_are_read_as_writable() -> None:
    message, _, repairs = read(
        core.GetConfigurationResult, configurationKey=[{"key": "A"}, {"key": "B", "readonly": "True"}]
    )
    assert message == core.GetConfigurationResult(
        configuration_key=(core.KeyValue(key="A", readonly=False), core.KeyValue(key="B", readonly=True))
    )
    assert repairs == ("required_absent", "text_for_boolean")


@pytest.mark.parametrize(
    ("data", "text"),
    [({"a": [1.50, "\N{EURO SIGN}"]}, '{"a":[1.5,"\N{EURO SIGN}"]}'), ([], "[]"), (False, "false")],
)
def test_a_json_value_as_the_data_of_a_data_transfer_is_read_as_text(data: object, text: str) -> None:
    message, payload, repairs = read(core.DataTransfer, vendorId="v", data=data)
    assert message == core.DataTransfer(vendor_id="v", data=text)
    assert payload == {"vendorId": "v", "data": text}
    assert repairs == ("json_for_text",)
    message, _, repairs = read(core.DataTransfer, vendorId="v", messageId={"a": 1})
    assert (message, repairs) == (core.DataTransfer(vendor_id="v"), ("unreadable_optional",))


def test_an_error_suggests_only_an_allowed_word_that_is_similar_to_the_wrong_word() -> None:
    assert suggest("MeterValue", ACTIONS) == "did you mean MeterValues? "
    assert suggest("TransactionEvent", ACTIONS) == ""
    with pytest.raises(PayloadInvalid) as caught:
        read(core.StatusNotification, connectorId=1, errorCode="NoError", status="Gone")
    assert caught.value.text.startswith('status: "Gone" is not allowed; use one of Available, ')


def test_the_error_for_a_bad_field_names_the_field_and_says_what_would_be_right() -> None:
    with pytest.raises(PayloadInvalid) as caught:
        read(core.StatusNotification, connectorId=1, errorCode="NoError", status="Availible")
    assert caught.value.text.startswith(
        'status: "Availible" is not allowed; did you mean Available? Use one of '
    )
    with pytest.raises(PayloadInvalid) as caught:
        read_strictly(
            core.MeterValues,
            b'{"connectorId":1,"meterValue":[{"timestamp":"2026-01-31T12:00:00Z","sampledValue":[{"value":1}]}]}',
        )
    assert caught.value.text == "meterValue[0].sampledValue[0].value: must be text, not an integer"


def test_transaction_data_that_is_absent_is_read_as_none_and_an_empty_list_as_an_empty_list() -> None:
    assert core.raw_transaction_data(b'{"transactionId":1}') is None
    assert core.raw_transaction_data(b'{"transactionData":[ ],"x":1}') == b"[ ]"


@pytest.mark.parametrize(
    ("sent", "read_as", "repair"),
    [
        ("Accepted", "Unlocked", "other_name"),
        ("Rejected", "UnlockFailed", "other_name"),
        (" accepted ", "Unlocked", "other_name"),
        ("REJECTED", "UnlockFailed", "other_name"),
        ("unlocked", "Unlocked", "enum_case"),
        ("UNLOCKFAILED ", "UnlockFailed", "enum_case"),
        ("Notsupported", "NotSupported", "enum_case"),
    ],
)
def test_the_answer_to_an_unlock_connector_is_read_in_other_words_and_spellings(
    sent: str, read_as: str, repair: Repair
) -> None:
    message, payload, repairs = read(core.UnlockConnectorResult, status=sent)
    assert message == core.UnlockConnectorResult(status=read_as)  # type: ignore[arg-type]  # one of the words
    assert payload == {"status": read_as}
    assert repairs == (repair,)
    with pytest.raises(PayloadInvalid):
        read_strictly(core.UnlockConnectorResult, msgspec.json.encode({"status": sent}))
