"""The pace of a batch, as a property of all ways in which a process may be late."""

from hypothesis import given
from hypothesis import strategies as st

from admin.batches.pace import CATCH_UP_S, Pace

RATES = st.floats(0.1, 100)
LATE = st.lists(st.floats(0, 5) | st.just(0.0), min_size=2, max_size=200)


def send_all(per_second: float, delays: list[float]) -> list[float]:
    """Return the times at which a process sends if it is late by each delay."""
    pace, now, sent = Pace(per_second), 1_000.0, list[float]()
    for delay in delays:
        now = max(pace.reserve(now), now) + delay
        sent.append(now)
    return sent


@given(RATES, LATE)
def test_no_span_of_time_has_more_commands_than_the_pace_allows(
    per_second: float, delays: list[float]
) -> None:
    pace, now, allowed = Pace(per_second), 1_000.0, list[float]()
    for delay in delays:
        at = max(pace.reserve(now), now)
        allowed.append(at)
        now = at + delay
    for first, begin in enumerate(allowed):
        for last, end in enumerate(allowed[first:], first):
            most = (end - begin + CATCH_UP_S) * per_second + 1
            assert last - first + 1 <= most + 1e-6


@given(RATES, st.integers(2, 200))
def test_a_process_that_is_never_late_sends_at_exactly_the_pace(per_second: float, number: int) -> None:
    sent = send_all(per_second, [0.0] * number)
    assert abs(sent[-1] - sent[0] - (number - 1) / per_second) < 1e-6


@given(st.floats(0.1, 100), st.integers(2, 200))
def test_a_process_that_is_late_by_less_than_the_gap_and_the_slack_still_keeps_the_pace(
    per_second: float, number: int
) -> None:
    late = min(1 / per_second, CATCH_UP_S) * 0.9
    sent = send_all(per_second, [late] * number)
    assert sent[-1] - sent[0] <= (number - 1) / per_second + late + 1e-6


def test_a_long_pause_is_not_followed_by_a_burst() -> None:
    pace = Pace(10)
    assert pace.reserve(0.0) == 0.0
    after = [pace.reserve(100.0) for _ in range(4)]
    assert [round(at - 100.0, 6) for at in after] == [-0.1, 0.0, 0.1, 0.2]
