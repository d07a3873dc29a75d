import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.reports.words import date, duration, long_time, moment, number, percent, plural, size


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, "-"),
        (0.0, "0 µs"),
        (0.00085, "850 µs"),
        (0.0009996, "1.00 ms"),
        (0.0123, "12.3 ms"),
        (0.4125, "412 ms"),
        (0.99999, "1.00 s"),
        (1.4, "1.40 s"),
        (75.0, "75.0 s"),
        (1234.5, "1234 s"),
    ],
)
def test_a_latency_has_three_digits(seconds: float | None, words: str) -> None:
    assert duration(seconds) == words


@given(st.floats(min_value=1e-5, max_value=1e5))
def test_a_latency_is_at_most_five_percent_from_its_words(seconds: float) -> None:
    figure, unit = duration(seconds).split()
    assert float(figure) * {"s": 1, "ms": 1e-3, "µs": 1e-6}[unit] == pytest.approx(seconds, rel=0.051)


def test_times_counts_and_sizes_are_written_as_people_read_them() -> None:
    assert [moment(each) for each in (5, 750, 3723)] == ["0:05", "12:30", "1:02:03"]
    assert [long_time(each) for each in (45, 0.5, 600, 7500)] == ["45 s", "0.5 s", "10 min", "2 h 5 min"]
    assert [number(each) for each in (None, 0, 1.5, 12_345, 12_345.6)] == [
        "-",
        "0",
        "1.5",
        "12,345",
        "12,346",
    ]
    assert [date(each) for each in ("2026-12-01T13:00:05.5+01:00", "soon")] == [
        "2026-12-01 12:00:05 UTC",
        "soon",
    ]
    assert [percent(each) for each in (None, 0, 1, 0.5, 0.00002)] == ["-", "0 %", "100 %", "50 %", "0.002 %"]
    assert [size(each) for each in (2048, 3 << 19, 3 << 29)] == ["2 KiB", "1.50 MiB", "1.50 GiB"]
    assert [plural(1, "start"), plural(1200, "start")] == ["1 start", "1,200 starts"]
