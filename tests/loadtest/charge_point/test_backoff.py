import time
from email.utils import formatdate
from typing import Literal, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.charge_point.backoff import RETRY_AFTER_MAX_S, Backoff, read_retry_after
from loadtest.scenario.dice import Dice
from loadtest.scenario.model import Reconnect

NOW_MS = 1_900_000_000_000

type Model = Literal["fixed", "exponential", "jitter", "at_once", "never"]
models = st.sampled_from(get_args(Model.__value__))
seconds = st.floats(0, 1_000)


def made(model: Model, first_s: float = 1.0, longest_s: float = 30.0, seed: int = 1) -> Backoff:
    return Backoff(Reconnect(model=model, first_s=first_s, longest_s=longest_s), Dice(seed, 0, "reconnect"))


def waits(backoff: Backoff, number: int) -> list[float]:
    found = [backoff.next_s() for _ in range(number)]
    return [wait for wait in found if wait is not None]


def test_a_fixed_wait_is_always_the_same() -> None:
    assert waits(made("fixed", 10), 5) == [10] * 5


def test_a_charge_point_that_comes_back_at_once_does_not_wait() -> None:
    assert waits(made("at_once", 10), 3) == [0] * 3


def test_a_charge_point_that_never_comes_back_gives_up() -> None:
    assert made("never").next_s() is None
    assert made("never").next_s(5.0) is None


def test_exponential_waits_double_up_to_the_longest_and_have_a_random_part() -> None:
    backoff = made("exponential", 2, 20)
    found = waits(backoff, 6)
    bases = [2, 4, 8, 16, 20, 20]
    assert [base <= wait < base + 2 for base, wait in zip(bases, found, strict=True)] == [True] * 6
    assert len({wait - base for base, wait in zip(bases, found, strict=True)}) == 6
    backoff.reset()
    assert 2 <= waits(backoff, 1)[0] < 4


def test_jitter_spreads_the_waits_over_the_whole_span() -> None:
    found = waits(made("jitter", 10, 30), 400)
    assert min(found) >= 10
    assert max(found) < 30
    assert min(found) < 11
    assert max(found) > 29


@given(models, seconds, seconds, seconds, st.integers(0, 2**63 - 1))
def test_no_charge_point_returns_earlier_than_retry_after_asks(
    model: Model, first_s: float, longest_s: float, retry_after_s: float, seed: int
) -> None:
    backoff = made(model, first_s, longest_s, seed)
    for _ in range(5):
        wait = backoff.next_s(retry_after_s)
        assert wait is None or retry_after_s <= wait <= max(first_s, retry_after_s, longest_s) + max(
            first_s, longest_s
        )


@given(models, seconds, seconds, st.integers(0, 2**63 - 1))
def test_the_waits_after_a_reset_are_those_of_the_beginning(
    model: Model, first_s: float, longest_s: float, seed: int
) -> None:
    one, other = (made(model, first_s, longest_s, seed) for _ in range(2))
    expected = [one.next_s() for _ in range(3)]
    assert [other.next_s() for _ in range(3)] == expected
    one.reset()
    fresh = Backoff(one._reconnect, other._dice)
    assert [fresh.next_s() for _ in range(3)] == [one.next_s() for _ in range(3)]


def test_charge_points_that_were_refused_together_do_not_return_together() -> None:
    for model in ("jitter", "exponential"):
        found = {made(model, 1, 30, seed).next_s(60.0) for seed in range(50)}
        assert len(found) == 50


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("7", 7.0),
        (" 120 ", 120.0),
        ("0", 0.0),
        ("-5", 0.0),
        ("1e9", 0.0),
        ("soon", 0.0),
        ("", 0.0),
        ("٣", 0.0),
        ("9" * 400, RETRY_AFTER_MAX_S),
        (formatdate(NOW_MS / 1000 + 30, usegmt=True), 30.0),
        (formatdate(NOW_MS / 1000 - 30, usegmt=True), 0.0),
        (formatdate(NOW_MS / 1000 + 30), 30.0),
        (formatdate(NOW_MS / 1000 + 90_000, usegmt=True), RETRY_AFTER_MAX_S),
        ("Fri, 31 Dec 99999 23:59:59 GMT", 0.0),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_date_and_is_bounded(value: str, expected: float) -> None:
    assert read_retry_after([("Date", "x"), ("retry-AFTER", value)], NOW_MS) == expected


def test_a_date_without_a_zone_is_in_utc_wherever_the_load_test_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    date = formatdate(NOW_MS / 1000 + 30)
    assert date.endswith(" -0000")
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    time.tzset()
    try:
        assert read_retry_after([("Retry-After", date)], NOW_MS) == 30.0
    finally:
        monkeypatch.undo()
        time.tzset()


def test_an_answer_without_retry_after_asks_for_no_wait() -> None:
    assert read_retry_after([("Content-Length", "7")], NOW_MS) == 0.0
