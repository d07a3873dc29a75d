"""The clock of the server, learnt from replies: steps are seen at once, and deadlines stay right."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from state import clock
from state.clock import STEP_MS, ServerClock

HOUR_MS = 3_600_000
steps = st.one_of(
    st.integers(5_000, 24 * HOUR_MS), st.integers(-24 * HOUR_MS, -5_000)
)  # ms by which somebody sets the clock


class World:
    """A server whose clock is set, and a process that asks for the time once a second."""

    def __init__(self) -> None:
        self.now_ms = 1_000_000.0
        self.offset_ms = 1.7e12
        self.clock = ServerClock()

    @property
    def server_ms(self) -> float:
        return self.now_ms + self.offset_ms

    def ask(self, there_ms: float = 1, back_ms: float = 1) -> None:
        asked = self.now_ms
        self.now_ms += there_ms
        server_ms = int(self.server_ms)
        self.now_ms += back_ms
        self.clock.learn(server_ms, asked / 1000, self.now_ms / 1000)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    world = World()
    monkeypatch.setattr(clock, "monotonic", lambda: world.now_ms / 1000)
    return world


def with_world(test: Callable[[World], None]) -> None:
    """Run a test with a world of its own, because hypothesis runs a test many times with one fixture."""
    world = World()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clock, "monotonic", lambda: world.now_ms / 1000)
        test(world)


def test_one_reply_shows_that_the_clock_of_the_server_was_set(world: World) -> None:
    world.ask()
    world.offset_ms += HOUR_MS
    world.ask()
    assert world.clock.now_ms() == pytest.approx(world.server_ms, abs=5)
    assert world.clock.seconds_since_step() < 1


def test_a_fast_reply_corrects_what_a_slow_reply_has_shown(world: World) -> None:
    world.ask(there_ms=900, back_ms=10)
    assert abs(world.clock.now_ms() - world.server_ms) > 100
    world.ask()
    assert world.clock.now_ms() == pytest.approx(world.server_ms, abs=3)
    assert world.clock.seconds_since_step() == float("inf")


def test_a_slow_reply_changes_nothing_if_it_agrees_with_what_is_known(world: World) -> None:
    world.ask()
    known = world.clock.offset_ms
    world.ask(there_ms=9_000, back_ms=20)
    world.ask(there_ms=20, back_ms=9_000)
    assert world.clock.offset_ms == known
    assert world.clock.seconds_since_step() == float("inf")


@given(st.lists(st.tuples(st.floats(0, 3_000), st.floats(0, 3_000), st.floats(-1, 1)), max_size=50))
def test_slow_replies_and_drift_are_never_taken_for_a_clock_that_was_set(
    replies: list[tuple[float, float, float]],
) -> None:
    def run(world: World) -> None:
        world.ask()
        for there_ms, back_ms, drift_ms in replies:
            world.offset_ms += drift_ms
            world.ask(there_ms, back_ms)
            assert abs(world.clock.now_ms() - world.server_ms) <= 1 + back_ms + there_ms + len(replies)
        assert world.clock.seconds_since_step() == float("inf")

    with_world(run)


@given(st.lists(st.tuples(steps, st.floats(1, 20_000)), min_size=1, max_size=5), st.floats(0, 30_000))
def test_the_time_left_until_a_deadline_is_right_whenever_the_clock_was_set(
    changes: list[tuple[int, float]], first_ms: float
) -> None:
    """The deadline is 60 s after its beginning. Each step comes between two replies."""

    def run(world: World) -> None:
        world.ask()
        world.now_ms += first_ms
        world.ask()
        set_ms, begun_ms = world.server_ms, world.now_ms
        deadline_ms = set_ms + 60_000
        readings = [set_ms]
        for change_ms, pause_ms in changes:
            world.now_ms += pause_ms
            world.ask()
            world.offset_ms += change_ms
            world.now_ms += 20
            world.ask()
            readings.append(world.server_ms)
            left_ms = world.clock.left_ms(world.server_ms, set_ms, deadline_ms)
            # A server whose clock showed the same time again cannot be told from one that was set just now.
            if all(abs(reading - set_ms) > 120_000 for reading in readings[1:]):
                assert left_ms == pytest.approx(60_000 - (world.now_ms - begun_ms), abs=STEP_MS)
            assert left_ms <= 60_000

    with_world(run)


@given(steps, st.floats(0, 900))
def test_a_deadline_that_was_set_just_after_the_step_and_before_a_reply_showed_it_is_right(
    change_ms: int, later_ms: float
) -> None:
    def run(world: World) -> None:
        world.ask()
        world.offset_ms += change_ms
        world.now_ms += 50
        set_ms = world.server_ms
        world.now_ms += later_ms
        world.ask()
        left_ms = world.clock.left_ms(world.server_ms, set_ms, set_ms + 10_000)
        assert left_ms == pytest.approx(10_000 - later_ms, abs=10)

    with_world(run)
