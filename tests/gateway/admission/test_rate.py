import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.admission.rate import BURST_S, LATEST_S, PATIENCE_S, SOONEST_S, Place, Rate


def admit(rate: Rate, now: float) -> Place:
    place = rate.admit(now)
    assert isinstance(place, Place)
    return place


def refuse(rate: Rate, now: float) -> int:
    wait_s = rate.admit(now)
    assert isinstance(wait_s, int)
    return wait_s


def test_after_a_burst_of_one_second_one_request_after_the_other_waits_for_its_turn() -> None:
    rate = Rate(10, 1_000)
    waits = [admit(rate, 0.0).wait_s for _ in range(60)]
    assert waits[:10] == [0.0] * 10
    assert waits[10:] == pytest.approx([turn / 10 for turn in range(1, 51)])
    refuse(rate, 0.0)
    assert admit(rate, 0.1).wait_s == pytest.approx(PATIENCE_S)
    refuse(rate, 0.1)
    assert admit(rate, 60.0).wait_s == 0.0


def test_refused_requests_are_spread_over_as_many_seconds_as_the_rate_needs() -> None:
    rate = Rate(10, 1_000)
    waits = [rate.refuse(0.0) for _ in range(200)]
    assert waits == sorted(waits)
    assert {waits.count(second) for second in range(SOONEST_S + 1, SOONEST_S + 20)} == {10}
    for _ in range(100_000):
        rate.refuse(0.0)
    assert rate.refuse(0.0) == LATEST_S


def test_the_spread_starts_over_after_the_refused_requests_had_time_to_return() -> None:
    rate = Rate(10, 1_000)
    for _ in range(110):
        rate.refuse(0.0)
    assert rate.refuse(60.0) == SOONEST_S


def test_a_request_whose_turn_has_come_takes_a_place_only_if_one_is_free() -> None:
    rate = Rate(1, 1)
    first, second, third = (admit(rate, 0.0) for _ in range(3))
    assert (second.wait_s, third.wait_s) == (1.0, 2.0)
    assert not rate.start(second)
    first.leave()
    assert rate.start(second)
    assert not rate.start(third)
    third.leave()
    assert rate.serving == 1


def test_requests_that_are_not_answered_yet_take_the_places_of_others() -> None:
    rate = Rate(0, 2)
    first, _second = admit(rate, 0.0), admit(rate, 0.0)
    assert refuse(rate, 3600.0) == SOONEST_S
    first.leave()
    first.leave()
    admit(rate, 3600.0)
    refuse(rate, 3600.0)
    assert rate.serving == 2


def test_requests_that_are_refused_for_another_reason_leave_the_rate_to_others() -> None:
    rate = Rate(2, 1_000)
    for _ in range(50):
        admit(rate, 0.0).leave(refused=True)
    for _ in range(2):
        assert admit(rate, 0.0).wait_s == 0.0
    assert admit(rate, 0.0).wait_s > 0.0


def test_requests_that_leave_before_their_turn_do_not_keep_patient_ones_out() -> None:
    """20 requests a second leave after half a second, and 5 wait. The rate is 10 a second."""
    rate, turns, served, refused = Rate(10, 1_000), list[tuple[float, bool]](), 0, 0
    for tick in range(1_200):
        now = tick / 20
        for due in [due for due in turns if due[0] <= now]:
            turns.remove(due)
            if due[1]:
                served += 1
            else:
                rate.give_back()
        for patient in (False, True) if tick % 4 == 0 else (False,):
            place = rate.admit(now)
            if isinstance(place, Place):
                turns.append((now + place.wait_s, patient or place.wait_s < 0.5))
            else:
                refused += patient
    assert served >= 0.9 * 300
    assert refused <= 0.1 * 300


@pytest.mark.parametrize("at_once", [1, 3])
@given(
    per_second=st.integers(0, 20),
    steps=st.lists(st.tuples(st.floats(0, 2), st.sampled_from(["stay", "leave", "refused"])), max_size=60),
)
def test_no_window_of_time_serves_more_than_the_rate_allows(
    at_once: int, per_second: int, steps: list[tuple[float, str]]
) -> None:
    rate, now, counted = Rate(per_second, at_once), 0.0, list[float]()
    for passed, then in steps:
        now += passed
        place = rate.admit(now)
        assert rate.serving <= at_once
        if isinstance(place, int):
            assert SOONEST_S <= place <= LATEST_S
            continue
        assert 0 <= place.wait_s <= PATIENCE_S
        if place.wait_s:
            counted.append(now + place.wait_s)
            continue
        if then != "stay":
            place.leave(refused=then == "refused")
        if then != "refused":
            counted.append(now)
    counted.sort()
    for first, began in enumerate(counted):
        for last, ended in enumerate(counted[first:], first):
            assert not per_second or last - first + 1 <= per_second * (ended - began + BURST_S) + 1e-6
