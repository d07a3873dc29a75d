from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.ocpp16.faults import timestamps
from gateway.ocpp16.faults.table import FaultName

NOON = int(datetime(2026, 1, 31, 12, tzinfo=UTC).timestamp() * 1000)


@pytest.mark.parametrize(
    ("text", "ms", "faults"),
    [
        ("2026-01-31T12:00:00Z", NOON, ()),
        ("2026-01-31T12:00:00.000Z", NOON, ()),
        ("2026-01-31T14:00:00+02:00", NOON, ()),
        ("2026-01-31T12:00:00.1240977Z", NOON + 124, ()),  # Q29
        ("2026-01-31T12:00:00.5Z", NOON + 500, ()),
        # RFC 3339 allows any number of digits.
        ("2026-01-31T14:00:00.987654321098765432+02:00", NOON + 987, ()),
        (f"2026-01-31T12:00:00.{'9' * 60}Z", None, ("time_unreadable",)),
        ("2026-01-31T11:59:60Z", NOON, ()),
        ("2026-01-31T12:00:00", NOON, ("time_no_zone",)),  # Q25
        ("2026-01-31T14:00:00+02", NOON, ("time_format",)),  # Q26
        ("2026-01-31T14:00:00+0200", NOON, ("time_format",)),
        ("2026-01-31T12:00Z", NOON, ("time_format",)),
        ("2026-01-31t12:00:00z", NOON, ("time_format",)),
        ("2026-01-31 12:00:00", NOON, ("time_no_zone", "time_format")),
        ("2026-01-31T12:00:00,250Z", NOON + 250, ("time_format",)),
        ("1970-01-01T00:00:00Z", 0, ()),  # Q28
        ("1969-12-31T23:59:59.900Z", -100, ()),
        ("2026-01-30T24:00:00Z", NOON - 43_200_000, ("time_format",)),
        ("2026-01-30T24:00Z", NOON - 43_200_000, ("time_format",)),
        ("2026-01-30T24:00:00.000+02:00", NOON - 50_400_000, ("time_format",)),
        ("2026-01-30T24:00:00", NOON - 43_200_000, ("time_no_zone", "time_format")),
        ("2025-12-31 24:00", NOON - 30.5 * 86_400_000, ("time_no_zone", "time_format")),
        ("2026-01-31T12:00:00UTC", NOON, ("time_format",)),
        ("2026-01-31T12:00:00 GMT", NOON, ("time_format",)),
        ("2026-01-31T12:00:00+00:00Z", NOON, ("time_format",)),
        ("2026-01-31T12:00:00.Z", NOON, ("time_format",)),
        ("2026-01-31T12:00:00.", NOON, ("time_no_zone", "time_format")),
        ("20260131T120000Z", NOON, ("time_format",)),
        ("20260131T140000.5+0200", NOON + 500, ("time_format",)),
        (" 2026-01-31T12:00:00Z\r\n", NOON, ("time_format",)),
        ("2026-01-31T12:00:00Z\x00\x00", NOON, ("time_format",)),
        ("2026-1-31T12:0:0Z", NOON, ("time_format",)),
        ("2026-1-31 12:0:0", NOON, ("time_no_zone", "time_format")),
        ("", None, ("time_unreadable",)),
        ("2026-01-30T24:00:01Z", None, ("time_unreadable",)),
        ("2026-01-30T24:01:00Z", None, ("time_unreadable",)),
        ("2026-02-30T24:00:00Z", None, ("time_unreadable",)),
        ("9999-12-31T24:00:00Z", None, ("time_unreadable",)),
        ("2026-01-31T12:00:00ZZ", None, ("time_unreadable",)),
        ("2026-01-31T12:00:00CET", None, ("time_unreadable",)),
        ("2026-01-31T12:00:00+05:30Z", None, ("time_unreadable",)),
        ("20260131", None, ("time_unreadable",)),
        ("2026013112", None, ("time_unreadable",)),
        ("0", None, ("time_unreadable",)),
        (str(NOON // 1000), None, ("time_unreadable",)),  # Another charge point writes YYYYMMDDHH.
        (str(NOON), None, ("time_unreadable",)),
        ("1e9", None, ("time_unreadable",)),
        ("2026-02-30T12:00:00Z", None, ("time_unreadable",)),
        ("2026-01-31T25:00:00Z", None, ("time_unreadable",)),
        ("0001-01-01T00:00:00+14:00", -62135647200000 + 0, ()),
        ("31.01.2026 12:00", None, ("time_unreadable",)),
        ("2026-01-31T12:00:00+99:99", None, ("time_unreadable",)),
        ("9999-12-31T23:59:60Z", None, ("time_unreadable",)),
        ("\u0662026-01-31T12:00:00Z", None, ("time_unreadable",)),
    ],
)
def test_the_parser_of_timestamps_returns_the_time_and_the_faults_of_a_text(
    text: str, ms: int | None, faults: tuple[FaultName, ...]
) -> None:
    assert timestamps.parse(text) == (ms, faults)


@pytest.mark.parametrize(
    "text",
    ["2026-01-31T12:00:00", "2026-01-31T12:00:00+02", "", "2026-01-31T12:00Z", "x", "2026-01-30T24:00:00Z"],
)
def test_strict_mode_accepts_no_time_that_is_not_in_the_form_of_rfc_3339(text: str) -> None:
    assert not timestamps.is_strict(text)


@given(st.integers(min_value=-62_135_596_800_000, max_value=253_402_300_799_999))
def test_a_time_is_the_same_after_it_is_formatted_and_parsed(ms: int) -> None:
    text = timestamps.format_ms(ms)
    assert timestamps.parse(text) == (ms, ())
    assert timestamps.is_strict(text)


@given(st.text() | st.from_regex(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d)?([.,]\d+)?(Z|z|[+-]\d\d:?\d\d)?"))
def test_the_parser_of_times_never_raises_an_error(text: str) -> None:
    ms, faults = timestamps.parse(text)
    assert ms is not None or faults == ("time_unreadable",)
    assert not timestamps.is_strict(text) or not faults


def test_a_time_is_plausible_if_it_is_after_2014_and_at_most_one_day_in_the_future() -> None:
    assert timestamps.is_plausible(NOON, NOON)
    assert timestamps.is_plausible(NOON + 86_400_000, NOON)
    assert not timestamps.is_plausible(NOON + 86_400_001, NOON)
    assert timestamps.is_plausible(1_420_070_400_000, NOON)
    assert not timestamps.is_plausible(1_420_070_399_999, NOON)
    assert not timestamps.is_plausible(0, NOON)


@pytest.mark.parametrize(
    ("ms", "fault"),
    [
        (0, "time_before_2015"),
        (1_420_070_399_999, "time_before_2015"),
        (1_420_070_400_000, None),
        (NOON + 300_000, None),
        (NOON + 300_001, "time_ahead"),
    ],
)
def test_a_time_before_2015_or_more_than_5_minutes_in_the_future_has_a_fault(
    ms: int, fault: FaultName | None
) -> None:
    assert timestamps.find_fault(ms, NOON) == fault


@given(st.datetimes(min_value=datetime(2015, 1, 1), max_value=datetime(2100, 1, 1)))  # noqa: DTZ001  written as UTC
def test_a_time_since_2015_in_utc_with_zero_or_three_decimal_places_counts_as_written_in_the_usual_form(
    at: datetime,
) -> None:
    for text in (at.isoformat(timespec="seconds") + "Z", at.isoformat(timespec="milliseconds") + "Z"):
        assert timestamps.is_usual(text)
        assert timestamps.parse(text).faults == ()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-01-31T12:00:00",
        "2026-01-31T12:00:00+02",
        "2026-01-31T12:00:00+02:00",
        "2026-01-31 12:00:00Z",
        "1970-01-01T00:00:00Z",
        "2014-12-31T23:59:59.999Z",
    ],
)
def test_a_time_that_is_not_written_in_the_usual_form_is_recognised_as_such(text: str) -> None:
    assert not timestamps.is_usual(text)
