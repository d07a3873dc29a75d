"""Times of the API: one spelling for each instant, without a loss of precision."""

import pytest

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
