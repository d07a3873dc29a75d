"""Times of the API: one spelling for each instant, without a loss of precision."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admin.http import times


@pytest.mark.parametrize(
    ("sent", "written"),
    [
        ("2026-01-01T12:00:00Z", "2026-01-01T12:00:00.000Z"),
        ("2026-01-01T12:00:00.0Z", "2026-01-01T12:00:00.000Z"),
        ("2026-01-01T13:00:00.000+01:00", "2026-01-01T12:00:00.000Z"),
        ("2026-01-01 12:00:00", "2026-01-01T12:00:00.000Z"),
        ("2026-01-01T12:00:00.5Z", "2026-01-01T12:00:00.500Z"),
        ("2026-01-01T12:00:00.1234567Z", "2026-01-01T12:00:00.1234567Z"),
        ("2026-01-01T12:00:00.123000Z", "2026-01-01T12:00:00.123Z"),
        ("2026-01-01T12:00:00.123450+00:00", "2026-01-01T12:00:00.12345Z"),
        ("0001-01-01T00:00:00+14:00", "0001-01-01T00:00:00.000Z"),
        ("2026-02-30T12:00:00Z", None),
        ("yesterday", None),
    ],
)
def test_a_time_in_any_accepted_format_is_written_in_the_standard_format(
    sent: str, written: str | None
) -> None:
    assert times.normalise(sent) == written
    assert times.sent_or(sent, 1) == (written or "1970-01-01T00:00:00.001Z")


def test_a_time_is_written_in_the_same_format_whether_it_is_stored_as_milliseconds_or_as_text() -> None:
    assert times.text(1_767_268_800_000) == times.normalise("2026-01-01T13:00:00+01:00")


@given(st.integers(-(10**15), 10**15) | st.integers(-62_135_596_900_000, -62_135_596_700_000))
def test_milliseconds_are_written_as_the_nearest_moment_of_the_years_1_to_9999(ms: int) -> None:
    nearest = min(max(ms, -62_135_596_800_000), 253_402_300_799_999)
    moment = datetime(1970, 1, 1) + timedelta(milliseconds=nearest)  # noqa: DTZ001  Written with a Z below.
    assert times.text(ms) == moment.isoformat(timespec="milliseconds") + "Z"


@given(
    st.integers(-62_135_596_800_000, 253_402_300_799_999),
    st.sampled_from([1, 10, 100, 1_000, 60_000]),
    st.sampled_from(["{:.23}Z", "{:.19}Z", "{:.19}.0Z", "{:.19}z", "{:.23}+00:00", "{:.19}+01:00", "{:.4}"]),
    st.sampled_from([0, 1, -1_000]),
)
def test_a_time_that_was_sent_is_written_as_it_is_read_whatever_time_is_stored_beside_it(
    ms: int, unit: int, form: str, off_ms: int
) -> None:
    ms -= ms % unit
    sent = form.format(times.text(ms))
    assert times.sent_or(sent, ms + off_ms) == (times.normalise(sent) or times.text(ms + off_ms))
