"""Facts are read whatever they say: a table of what stands in, and generated facts with any content."""

from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import asdict

from gateway.ocpp16.actions import ACTIONS
from gateway.ocpp16.errors import PayloadInvalid
from gateway.ocpp16.faults.reading import Read
from gateway.ocpp16.faults.repairs import read_and_repair, read_strictly

TIME = "2026-01-31T12:00:00Z"
SAMPLE = {"timestamp": TIME, "sampledValue": [{"value": "1"}]}
FACTS: dict[str, dict[str, Any]] = {
    "StartTransaction": {
        "connectorId": 1,
        "idTag": "TAG",
        "meterStart": 5,
        "timestamp": TIME,
        "reservationId": 3,
    },
    "StopTransaction": {
        "transactionId": 7,
        "meterStop": 9,
        "timestamp": TIME,
        "idTag": "TAG",
        "reason": "Local",
        "transactionData": [SAMPLE],
    },
    "MeterValues": {"connectorId": 1, "transactionId": 7, "meterValue": [SAMPLE]},
    "SecurityEventNotification": {"type": "ResetOrReboot", "timestamp": TIME, "techInfo": "x"},
}
UNREADABLE: list[Any] = [None, "", "abc", [], {}, [1], {"a": 1}, True, "NaN", "1 2", "0x1F", "12 Wh"]


def read(action: str, **changes: Any) -> Read:
    payload = {name: value for name, value in (FACTS[action] | changes).items() if value is not ...}
    return read_and_repair(ACTIONS[action].request, msgspec.json.encode(payload))


@pytest.mark.parametrize(
    ("sent", "read_as"),
    [
        ("26008", 26008),
        (" 26008 ", 26008),
        ("+26008", 26008),
        ("26008.0", 26008),
        ("26008.6", 26009),
        ("26008,6", 26009),
        ("26008,65", 26009),
        ("26008,6543", 26009),
        ("26.008", 26),
        ("2.6008e4", 26008),
        ("26E3", 26000),
        (26008.333, 26008),
        (2.6e4, 26000),
        ("-5", -5),
        (-5, -5),
        (2**63 - 1, 2**63 - 1),
        # These may mean several things, or no number of 64 bits.
        ("26,008", None),
        ("26 008", None),
        ("26\u00a0008", None),
        ("26.008,5", None),
        ("26,008.5", None),
        ("1,26,008", None),
        (2**63, None),
        (-(2**63) - 1, None),
        (10**400, None),
        (1e300, None),
        ("1e30", None),
        ("9" * 40, None),
        (".", None),
        ("1e", None),
        ("e5", None),
        ("5-", None),
        *((value, None) for value in UNREADABLE),
    ],
)
def test_a_meter_reading_is_read_or_unknown_and_never_0(sent: Any, read_as: int | None) -> None:
    for action, field, attribute in (
        ("StartTransaction", "meterStart", "meter_start"),
        ("StopTransaction", "meterStop", "meter_stop"),
    ):
        found = read(action, **{field: sent})
        assert getattr(found.message, attribute) == read_as
        if read_as is None:
            assert found.as_sent is not None
            assert msgspec.json.decode(found.as_sent.payload)[field] == sent
        if sent not in (read_as, 10**400) or isinstance(sent, float):
            assert found.as_sent is not None
            shown = msgspec.json.decode(found.as_sent.fields)
            assert shown[field] == sent


@pytest.mark.parametrize("sent", [..., *UNREADABLE, 1.5, -1.5, 2**63, 10**30, "1.5", "1,5", "1e2"])
@pytest.mark.parametrize(
    ("action", "field", "attribute"),
    [
        ("StartTransaction", "connectorId", "connector_id"),
        ("MeterValues", "connectorId", "connector_id"),
        ("StopTransaction", "transactionId", "transaction_id"),
        ("MeterValues", "transactionId", "transaction_id"),
        ("StartTransaction", "reservationId", "reservation_id"),
    ],
)
def test_an_unreadable_number_of_a_fact_is_unknown(
    action: str, field: str, attribute: str, sent: Any
) -> None:
    found = read(action, **{field: sent})
    assert getattr(found.message, attribute) is None
    if sent is not None and sent is not ...:
        assert found.as_sent is not None
        assert field in msgspec.json.decode(found.as_sent.fields)


@pytest.mark.parametrize("sent", [..., None, [], {}, ["TAG"], {"id": 1}, True, False, "T" * 300])
def test_an_unreadable_id_tag_is_empty(sent: Any) -> None:
    found = read("StartTransaction", idTag=sent)
    assert asdict(found.message)["id_tag"] == ""
    stop = read("StopTransaction", idTag=sent)
    assert asdict(stop.message)["id_tag"] is None


@pytest.mark.parametrize("sent", [..., None, [], {}, True])
@pytest.mark.parametrize("action", ["StartTransaction", "StopTransaction", "SecurityEventNotification"])
def test_an_unreadable_time_of_a_fact_is_empty(action: str, sent: Any) -> None:
    assert asdict(read(action, timestamp=sent).message)["timestamp"] == ""


@pytest.mark.parametrize("sent", [..., None, "", "x", 5, True, {}, [None], [[]], [5], ["x"], [{}]])
def test_unreadable_meter_values_are_left_out_and_kept_in_the_payload(sent: Any) -> None:
    found = read("MeterValues", meterValue=sent)
    assert asdict(found.message)["meter_value"] == ()
    kept = msgspec.json.decode(found.payload)
    assert kept.get("meterValue", ...) == ([{}] if sent == {} else sent)


@pytest.mark.parametrize("sent", [None, [], "x", 5, True])
@pytest.mark.parametrize("action", FACTS)
def test_a_fact_whose_payload_is_not_an_object_is_read_with_all_fields_unknown(
    action: str, sent: Any
) -> None:
    found = read_and_repair(ACTIONS[action].request, msgspec.json.encode(sent))
    assert found.as_sent is not None
    assert msgspec.json.decode(found.as_sent.fields) == {"payload": sent}


def test_a_fact_without_an_unreadable_required_field_is_recognised_by_its_facts_alone() -> None:
    found = read("StartTransaction", meterStart="5", reservationId="3", idTag=77)
    assert found.as_sent is not None
    assert found.as_sent.payload == b""


@pytest.mark.parametrize(
    ("field", "one", "other"),
    [
        ("transactionId", None, "x"),
        ("meterStop", "a", "b"),
        ("meterStop", 100.4, 100.3),
        ("meterStop", "100,4", "100,3"),
        ("timestamp", [1], [2]),
        ("idTag", {"id": 1}, {"id": 2}),
        ("idTag", ["A"], ["B"]),
        ("reason", "Vendor1", "Vendor2"),
        ("reason", 1, 2),
        ("reason", True, []),
    ],
)
def test_two_stops_that_were_sent_with_different_values_differ_after_they_are_read_alike(
    field: str, one: Any, other: Any
) -> None:
    first, second = read("StopTransaction", **{field: one}), read("StopTransaction", **{field: other})
    assert msgspec.structs.replace(first.message) == second.message
    assert first.as_sent is not None
    assert second.as_sent is not None
    assert first.as_sent.payload
    assert first.as_sent.payload != second.as_sent.payload


@pytest.mark.parametrize(
    ("action", "field", "sent"),
    [
        ("StartTransaction", "meterStart", "meterstart"),
        ("StartTransaction", "idTag", "IdTag"),
        ("StartTransaction", "connectorId", "connector"),
        ("StartTransaction", "timestamp", "timeStamp"),
        ("StopTransaction", "meterStop", "meter_stop"),
        ("StopTransaction", "transactionId", "TransactionId"),
        ("MeterValues", "meterValue", "values"),
        ("MeterValues", "connectorId", "evseId"),
        ("SecurityEventNotification", "type", "eventType"),
        ("SecurityEventNotification", "timestamp", "time"),
    ],
)
def test_a_member_with_an_unknown_name_is_shown_if_a_required_field_is_absent(
    action: str, field: str, sent: str
) -> None:
    value = FACTS[action][field]
    found = read(action, **{field: ..., sent: value})
    assert found.as_sent is not None
    assert msgspec.json.decode(found.as_sent.fields) == {sent: value}
    complete = read(action, **{sent: value})
    assert complete.as_sent is None


def test_a_long_value_is_shown_cut() -> None:
    found = read("StartTransaction", meterStart="x" * 5_000)
    assert found.as_sent is not None
    assert len(found.as_sent.fields) < 1_100


@pytest.mark.parametrize("policy", ["lenient", "strict"])
@pytest.mark.parametrize(
    "number",
    [
        *(
            "1e400",
            "-1e400",
            "1e999999",
            "1e1000000",
            "1e999999999999",
            "1e99999999999999999999",
            "1e-999999999999",
        ),
        *("1e-99999999999999999999", "9" * 4_300, "9" * 4_301, "-" + "9" * 50_000, "1." + "0" * 50_000),
        *("0." + "9" * 5_000, "9" * 5_000 + ".5", "9" * 5_000 + "e5", "-0", "-0.0"),
    ],
    ids=lambda text: text[:24],
)
@pytest.mark.parametrize("action", FACTS)
def test_a_number_of_any_size_in_any_field_of_a_fact_is_read_or_refused_without_another_error(
    action: str, number: str, policy: str
) -> None:
    for name in FACTS[action]:
        marked = msgspec.json.encode(FACTS[action] | {name: "THE NUMBER"})
        payload = marked.replace(b'"THE NUMBER"', number.encode())
        if policy == "lenient":
            read_and_repair(ACTIONS[action].request, payload)
        else:
            with suppress(PayloadInvalid):
                read_strictly(ACTIONS[action].request, payload)


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=20)
    | st.just(...),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
).filter(lambda value: "Ellipsis" not in repr(value) or value is ...)


@given(st.sampled_from(sorted(FACTS)), st.data())
def test_a_fact_with_any_values_in_two_fields_is_read_and_strict_reading_refuses_what_was_repaired(
    action: str, data: st.DataObject
) -> None:
    names = data.draw(st.lists(st.sampled_from(sorted(FACTS[action])), min_size=1, max_size=2))
    changes = {name: data.draw(VALUES) for name in names}
    found = read(action, **changes)
    payload = {name: one for name, one in (FACTS[action] | changes).items() if one is not ...}
    if found.repairs:
        with pytest.raises(PayloadInvalid):
            read_strictly(ACTIONS[action].request, msgspec.json.encode(payload))
