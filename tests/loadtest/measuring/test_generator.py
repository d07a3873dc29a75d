import errno
import gc
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
import trio

from loadtest.measuring.generator import TIMER_S, Health, find_invalid, is_exhausted
from loadtest.measuring.recording import Recorder
from loadtest.results import GeneratorReport
from loadtest.scenario.model import Generator

LIMITS = Generator()
HEALTHY = GeneratorReport(
    process="0",
    stage="hold",
    cpu_share=0.85,
    lag_p99_s=0.1,
    lag_max_s=0.5,
    memory_bytes=1 << 20,
    files=950,
    files_limit=1_000,
    connections=900,
)


def _watch_a_process_that_is_stopped_for(seconds: float) -> list[GeneratorReport]:
    with subprocess.Popen(
        [sys.executable, "-m", "tests.support.watched_process"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[3],
    ) as process:
        assert process.stdin
        assert process.stdout
        assert process.stdout.readline() == b"watching\n"
        process.send_signal(signal.SIGSTOP)
        time.sleep(seconds)
        process.send_signal(signal.SIGCONT)
        # Its event loop must run once more before it ends.
        time.sleep(0.1)
        output, _ = process.communicate(timeout=60)
    return msgspec.json.decode(output, type=list[GeneratorReport])


def test_a_generator_that_was_stopped_for_one_second_makes_the_run_invalid() -> None:
    reports = _watch_a_process_that_is_stopped_for(1.0)
    [report] = reports
    assert (report.process, report.stage) == ("7", "hold")
    assert report.lag_max_s > 0.9
    # The stop counts as the twenty timers that should have come, not as one.
    assert report.lag_p99_s > 0.5
    reasons = find_invalid(LIMITS, reports, {})
    assert any("process 7 stood still for" in reason for reason in reasons)


async def _watch(
    work: Callable[[], object], lateness: Callable[[], float] = lambda: 0.0
) -> list[GeneratorReport]:
    """Let a healthy stage be followed by one in which `work` is done in the event loop."""
    recorder = Recorder(trio.current_time())
    recorder.enter("calm", recorder.begin)
    recorder.connected = 3
    health = Health("0", recorder, lateness)
    health.enter("calm", trio.current_time())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(health.run)
        await trio.sleep(0.15)
        health.enter("busy", trio.current_time())
        recorder.connected = 5
        work()
        await trio.sleep(0.15)
        nursery.cancel_scope.cancel()
    return await health.finish(trio.current_time())


async def test_each_stage_has_a_report_of_its_own() -> None:
    calm, busy = await _watch(lambda: time.sleep(0.4))
    assert (calm.stage, busy.stage) == ("calm", "busy")
    assert busy.lag_max_s > 0.3
    assert busy.lag_max_s > calm.lag_max_s
    assert (calm.connections, busy.connections) == (3, 5)
    assert calm.memory_bytes > 1 << 20
    assert 0 < calm.files < calm.files_limit


async def test_work_in_the_event_loop_shows_as_cpu_and_sleep_does_not() -> None:
    def burn() -> None:
        until = time.process_time() + 0.2
        while time.process_time() < until:
            pass

    burning, sleeping = (await _watch(burn))[1], (await _watch(lambda: time.sleep(0.2)))[1]
    assert burning.cpu_share > sleeping.cpu_share


async def test_the_lag_is_that_of_the_charge_points_timers_if_those_are_later() -> None:
    _, report = await _watch(lambda: None, lambda: 30.0)
    assert report.lag_p99_s == pytest.approx(30, rel=0.001)
    assert report.lag_max_s == 30


async def test_a_long_garbage_collection_is_reported() -> None:
    _, report = await _watch(gc.collect)
    assert report.gc_pause_max_s > 0
    assert not any("Health" in repr(callback) for callback in gc.callbacks)


async def test_one_long_stop_among_a_thousand_timers_counts_as_all_timers_that_should_have_come() -> None:
    health = Health("0", Recorder(0.0), lambda: 0.0)
    health.enter("hold", 0.0)
    due = 50.0
    for _ in range(1_000):
        due = health._note_timers(due, due, 0.0)
    assert health._note_timers(due, due + 1.0, 0.0) == pytest.approx(due + 1.0 + TIMER_S, abs=TIMER_S)
    [report] = await health.finish(due + 1.0)
    assert report.lag_max_s == pytest.approx(1.0)
    assert report.lag_p99_s == pytest.approx(0.5, abs=2 * TIMER_S)


async def test_a_stop_at_the_end_of_the_last_stage_is_in_its_report_and_one_after_it_is_in_none() -> None:
    recorder = Recorder(trio.current_time())
    recorder.enter("hold", recorder.begin)
    health = Health("0", recorder, lambda: 0.0)
    health.enter("hold", recorder.begin)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(health.run)
        await trio.sleep(0.15)
        time.sleep(0.3)  # noqa: ASYNC251  the stop
        [report] = await health.finish(trio.current_time())
        assert report.lag_max_s > 0.2
        time.sleep(0.6)  # noqa: ASYNC251
        await trio.sleep(0.15)
        assert health.take_lag() > 0.5
        nursery.cancel_scope.cancel()
    assert await health.finish(trio.current_time()) == [report]
    assert report.lag_max_s < 0.5


def _report_of(lags_s: list[float]) -> GeneratorReport:
    """Return the report of a stage whose timers were so late, one after the other."""
    health = Health("1", Recorder(0.0), lambda: 0.0)
    health.enter("ramp", 0.0)
    for number, lag_s in enumerate(lags_s):
        health._note_timers(TIMER_S * number, TIMER_S * number, lag_s)
    health.enter("hold", TIMER_S * len(lags_s))
    return health._reports[0]


async def test_the_timers_that_a_pause_held_back_count_with_their_own_delays() -> None:
    health = Health("1", Recorder(0.0), lambda: 0.0)
    health.enter("hold", 0.0)
    health._note_timers(1.0, 1.16, 0.17)
    [report] = await health.finish(2.0)
    assert report.lag_max_s == pytest.approx(0.17)
    assert report.lag_p99_s == pytest.approx(0.17, rel=0.01)
    health.enter("more", 2.0)
    for n in range(196):
        health._note_timers(2.0 + n, 2.0 + n, 0.0)
    health._note_timers(200.0, 200.16, 0.17)
    report = (await health.finish(201.0))[-1]
    assert report.lag_p99_s == pytest.approx(0.07, rel=0.01)


def test_a_single_pause_in_a_short_stage_does_not_make_the_run_invalid() -> None:
    report = _report_of([0.001] * 97 + [0.17, 0.12, 0.07])
    assert report.lag_p99_s > 0.1
    assert find_invalid(LIMITS, [report], {}) == []


def test_timers_that_are_late_again_and_again_in_a_short_stage_make_the_run_invalid() -> None:
    report = _report_of([0.001] * 90 + [0.17] * 10)
    [reason] = find_invalid(LIMITS, [report], {})
    assert reason.startswith("the timers of process 1 were 0.17")


def test_one_in_a_hundred_late_timers_of_a_long_stage_make_the_run_invalid() -> None:
    assert find_invalid(LIMITS, [_report_of([0.001] * 9_900 + [0.17] * 99)], {}) == []
    assert len(find_invalid(LIMITS, [_report_of([0.001] * 9_899 + [0.17] * 101)], {})) == 1


async def test_the_greatest_lag_is_taken_once() -> None:
    recorder = Recorder(trio.current_time())
    recorder.enter("hold", recorder.begin)
    health = Health("0", recorder, lambda: 30.0)
    health.enter("hold", recorder.begin)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(health.run)
        await trio.sleep(0.15)
        nursery.cancel_scope.cancel()
    assert health.take_lag() == 30.0
    assert health.take_lag() == 0.0


def test_a_generator_at_its_limits_is_valid() -> None:
    assert find_invalid(LIMITS, [HEALTHY], {"hold": {"late_generator": 10, "sent": 1_000}}) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"cpu_share": 0.9}, "process 1 used 90% of a core in stage hold; at most 85% are allowed"),
        ({"lag_p99_s": 0.12}, "the timers of process 1 were 0.120 s late (p99) in stage hold; at most 0.1 s"),
        ({"lag_max_s": 0.7}, "process 1 stood still for 0.700 s in stage hold"),
        ({"files": 951}, "process 1 had 951 of at most 1,000 files open in stage hold"),
    ],
)
def test_a_process_beyond_a_limit_makes_the_run_invalid(change: dict[str, float], words: str) -> None:
    worse = msgspec.structs.replace(HEALTHY, process="1", **change)
    [reason] = find_invalid(LIMITS, [HEALTHY, worse, msgspec.structs.replace(HEALTHY, stage="soak")], {})
    assert reason.startswith(words)


def test_a_generator_that_sends_late_makes_the_run_invalid() -> None:
    [reason] = find_invalid(LIMITS, [HEALTHY], {"hold": {"late_generator": 11, "sent": 1_000}})
    assert reason.startswith("11 of 1,000 calls in stage hold were sent late by the generator itself")


def test_a_machine_without_free_ports_makes_the_run_invalid() -> None:
    [reason] = find_invalid(LIMITS, [HEALTHY], {"ramp": {"exhausted": 12}})
    assert reason.startswith("12 connections of stage ramp found no free port, file or memory here")


@pytest.mark.parametrize(
    ("error", "exhausted"),
    [
        (OSError(errno.EADDRNOTAVAIL, "no port"), True),
        (OSError(errno.EMFILE, "no file"), True),
        (ConnectionRefusedError(errno.ECONNREFUSED, "nobody listens"), False),
        (trio.TooSlowError(), False),
    ],
)
def test_only_what_this_machine_lacks_is_its_own_fault(error: Exception, *, exhausted: bool) -> None:
    assert is_exhausted(error) is exhausted


def test_a_few_late_sends_among_few_do_not_make_the_run_invalid() -> None:
    assert find_invalid(LIMITS, [HEALTHY], {"hold": {"late_generator": 4, "sent": 10}}) == []
