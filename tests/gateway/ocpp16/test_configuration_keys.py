"""The table of configuration keys (section 9), and the texts about values that break its rules."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.ocpp16.configuration_keys import KEYS, check_value, find, length_key

SECRET = st.binary(min_size=16, max_size=20).map(bytes.hex)


def test_the_table_of_configuration_keys_has_exactly_the_keys_of_the_specification() -> None:
    assert len(KEYS) == 52
    heartbeat = find(" heartbeatinterval")
    assert heartbeat is not None
    assert heartbeat == ("HeartbeatInterval", "integer", "RW")
    assert find("AuthorizationKey") == ("AuthorizationKey", "text", "W")
    assert find("SupportedFeatureProfiles") == ("SupportedFeatureProfiles", "list", "R")
    name = "StopTransactionOnEVSideDisconnect"
    assert find(name) == (name, "boolean", "R or RW")
    assert find("Vendor.Key") is None


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("HeartbeatInterval", "60"),
        ("heartbeatINTERVAL", " 0 "),
        ("LocalPreAuthorize", "TRUE"),
        ("LocalPreAuthorize", "false "),
        ("MeterValuesSampledData", "Energy.Active.Import.Register, Voltage"),
        ("MeterValuesSampledData", ""),
        ("CpoName", ""),
        ("Vendor.Key", "any text"),
    ],
)
def test_a_configuration_value_of_the_right_kind_is_accepted(key: str, value: str) -> None:
    assert check_value(key, value) is None


@pytest.mark.parametrize(
    ("key", "value", "rule"),
    [
        ("HeartbeatInterval", "", "whole number"),
        ("HeartbeatInterval", "-1", "not negative"),
        ("HeartbeatInterval", "60.0", "whole number"),
        ("WebSocketPingInterval", "٣", "whole number"),
        ("LocalPreAuthorize", "1", "true or false"),
        ("localpreauthorize", "", "true or false"),
        ("MeterValuesSampledData", "Voltage,,SoC", "comma"),
        ("MeterValuesSampledData", "Voltage,", "comma"),
        ("AuthorizationKey", "", "32 to 40 digits"),
        ("authorizationkey", "0" * 33, "32 to 40 digits"),
        ("AuthorizationKey", "0" * 42, "32 to 40 digits"),
        ("AuthorizationKey", "a plain password here it is ....", "32 to 40 digits"),
    ],
)
def test_the_error_for_a_configuration_value_of_the_wrong_kind_does_not_quote_the_value(
    key: str, value: str, rule: str
) -> None:
    said = check_value(key, value)
    assert said is not None
    assert rule in said
    assert len(value) < 2 or value not in said


@given(SECRET, st.sampled_from([str.upper, str.lower]))
def test_an_authorization_key_of_16_to_20_bytes_is_accepted(secret: str, case: type[str]) -> None:
    assert check_value("AuthorizationKey", str(case(secret))) is None


@given(st.text(max_size=50), st.text(max_size=500))
def test_checking_any_configuration_key_with_any_value_raises_no_error(key: str, value: str) -> None:
    said = check_value(key, value)
    assert said is None or said.startswith("must ")


def test_each_writable_key_whose_value_is_a_list_has_a_second_key_that_limits_the_length() -> None:
    assert length_key("metervaluessampleddata") == "MeterValuesSampledDataMaxLength"
    assert length_key("HeartbeatInterval") is None
    bounded = {key.name for key in KEYS.values() if key.kind == "list" and key.access == "RW"}
    assert all(length_key(name) for name in bounded)
