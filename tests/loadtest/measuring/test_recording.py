import msgspec
import pytest

from loadtest.measuring.histograms import Distribution
from loadtest.measuring.recording import Recorder, Snapshot, add_snapshots
from loadtest.results import Clock, Results, What
from tests.support.measured import BEGIN, make_recorder, make_results


def _latency(
    results: Results, name: str, stage: str, clock: Clock = "corrected", what: What = "call"
) -> Distribution:
    return Distribution.of_hdr(
        each.hdr
        for each in results.latencies
        if (each.what, each.name, each.stage, each.clock) == (what, name, stage, clock)
    )


def test_a_call_counts_from_its_intended_time_and_from_its_sending() -> None:
    recorder = make_recorder()
    recorder.answered("Heartbeat", BEGIN + 1.0, BEGIN + 1.5, BEGIN + 1.75)
    results = make_results(recorder)
    assert _latency(results, "Heartbeat", "ramp").at(50) == pytest.approx(0.75, rel=0.001)
    assert _latency(results, "Heartbeat", "ramp", "service").at(50) == pytest.approx(0.25, rel=0.001)
    assert results.counts["calls"] == 1


def test_a_call_belongs_to_the_stage_in_which_it_should_have_been_sent() -> None:
    recorder = make_recorder()
    recorder.enter("hold", BEGIN + 10)
    recorder.answered("Heartbeat", BEGIN + 9.9, BEGIN + 12, BEGIN + 12.1)
    recorder.answered("Heartbeat", BEGIN + 10, BEGIN + 12, BEGIN + 12.1)
    recorder.answered("Heartbeat", BEGIN - 0.1, BEGIN, BEGIN + 12.2)
    results = make_results(recorder)
    assert _latency(results, "Heartbeat", "ramp").total == results.stage_counts["ramp"]["calls"] == 2
    assert _latency(results, "Heartbeat", "hold").total == results.stage_counts["hold"]["calls"] == 1
    assert [(span.name, span.begin, span.end) for span in results.stages] == [
        ("ramp", 0, 10),
        ("hold", 10, 30),
    ]


def test_a_slice_has_the_calls_that_were_answered_in_it_and_the_connections_at_its_end() -> None:
    recorder = make_recorder()
    recorder.phase("upgrade", 0.01)
    recorder.connected = 7
    recorder.answered("Heartbeat", BEGIN + 0.5, BEGIN + 0.5, BEGIN + 0.999)
    recorder.answered("Heartbeat", BEGIN + 0.5, BEGIN + 0.5, BEGIN + 1.0)
    recorder.connected, recorder.booted = 9, 8
    recorder.error("refused 503")
    recorder.tick(BEGIN + 4.0)
    slices = make_results(recorder, at=BEGIN + 4.2).slices
    assert slices.length == 1
    assert slices.calls == [1, 1, 0, 0]
    assert slices.errors == [0, 1, 0, 0]
    assert slices.handshakes == [1, 0, 0, 0]
    assert slices.connected == [7, 9, 9, 9]
    assert slices.booted == [0, 8, 8, 8]
    assert [Distribution.of_hdr([each]).total for each in slices.hdr] == [1, 1, 0, 0]


def test_what_happened_after_the_last_whole_second_is_in_a_last_slice() -> None:
    recorder = make_recorder()
    recorder.answered("Heartbeat", BEGIN + 1, BEGIN + 1, BEGIN + 1.25)
    assert make_results(recorder, at=BEGIN + 1.5).slices.calls == [0, 1]


def test_sends_that_are_late_are_counted_and_those_of_free_charge_points_again() -> None:
    recorder = make_recorder()
    recorder.sent(BEGIN, BEGIN + 0.09, free=True)
    recorder.sent(BEGIN, BEGIN + 0.11, free=True)
    recorder.sent(BEGIN, BEGIN + 0.11, free=False)
    counts = make_results(recorder).counts
    assert (counts["sent"], counts["late"], counts["late_generator"]) == (3, 2, 1)


def test_failed_calls_are_counted_by_action_and_have_no_latency() -> None:
    recorder = make_recorder()
    recorder.failed("Heartbeat", "no answer")
    recorder.failed("Authorize", "InternalError")
    recorder.count("dropped", 3)
    results = make_results(recorder)
    assert results.errors == {"Heartbeat no answer": 1, "Authorize InternalError": 1}
    assert results.latencies == []
    assert results.counts == results.stage_counts["ramp"]
    assert results.counts == {
        "failed": 2,
        "failed Heartbeat": 1,
        "failed Authorize": 1,
        "unanswered": 1,
        "errors": 2,
        "dropped": 3,
    }


def test_commands_have_outcomes_and_only_unexpected_ones_are_errors() -> None:
    recorder = make_recorder()
    recorder.enter("hold", BEGIN + 10)
    recorder.command("Reset", BEGIN + 9, BEGIN + 11, "200 Accepted")
    recorder.command("Reset", BEGIN + 11, BEGIN + 12, "504 timeout", expected=False)
    results = make_results(recorder)
    assert results.commands == {"Reset 200 Accepted": 1, "Reset 504 timeout": 1}
    assert results.errors == {"Reset 504 timeout": 1}
    assert results.stage_counts["ramp"] == {"commands": 1}
    assert results.stage_counts["hold"] == {
        "commands": 1,
        "unexpected": 1,
        "unexpected Reset": 1,
        "errors": 1,
    }
    assert _latency(results, "Reset", "ramp", what="command").at(50) == pytest.approx(2, rel=0.001)


def test_messages_from_the_offline_queue_are_not_among_the_calls() -> None:
    recorder = make_recorder()
    recorder.delivered("StopTransaction", BEGIN - 60, BEGIN + 2)
    results = make_results(recorder)
    assert results.counts == {"delivered": 1}
    assert _latency(results, "StopTransaction", "ramp").total == 0
    assert _latency(results, "StopTransaction", "ramp", what="delivery").at(50) == pytest.approx(
        62, rel=0.001
    )


def test_a_central_system_that_makes_up_error_codes_cannot_fill_the_memory() -> None:
    recorder = make_recorder()
    for number in range(1_000):
        recorder.failed("Heartbeat", f"{number}" + "x" * 10_000)
    assert len(recorder.errors) <= 201
    assert recorder.errors.total() == 1_000
    assert recorder.errors["other errors"] == 800
    assert max(map(len, recorder.errors)) <= 120


def _snapshot(recorder: Recorder, *wanted: tuple[What, str | None, str | None, Clock]) -> Snapshot:
    """Send a snapshot to another process."""
    return msgspec.msgpack.decode(msgspec.msgpack.encode(recorder.snapshot(wanted)), type=Snapshot)


def test_a_snapshot_has_the_histograms_that_were_asked_for() -> None:
    recorder = make_recorder()
    for action in ("Heartbeat", "Authorize"):
        recorder.answered(action, BEGIN, BEGIN, BEGIN + 0.5)
    recorder.phase("tls", 0.1)
    recorder.enter("hold", BEGIN + 10)
    recorder.answered("Heartbeat", BEGIN + 10, BEGIN + 10, BEGIN + 10.5)
    assert _snapshot(recorder).histograms == []
    asked = _snapshot(recorder, ("call", "Heartbeat", "hold", "service"), ("phase", None, None, "corrected"))
    assert [(each.what, each.name, each.stage, each.clock) for each in asked.histograms] == [
        ("phase", "tls", "ramp", "corrected"),
        ("call", "Heartbeat", "hold", "service"),
    ]


def test_snapshots_of_processes_add_up_and_each_has_only_the_latest_calls() -> None:
    recorders = [make_recorder(), make_recorder()]
    for number, recorder in enumerate(recorders):
        recorder.connected = 5 + number
        recorder.booted = number
        recorder.answered("Heartbeat", BEGIN, BEGIN, BEGIN + 0.5)
        recorder.snapshot()
        recorder.answered("Heartbeat", BEGIN, BEGIN, BEGIN + 0.25)
    recorders[1].enter("hold", BEGIN + 10)
    recorders[1].count("dropped")
    snapshots = [_snapshot(recorder, ("call", None, None, "corrected")) for recorder in recorders]
    snapshots[0].violations = 2
    both = add_snapshots(snapshots)
    assert (both.connected, both.booted, both.violations) == (11, 1, 2)
    assert both.counts == {"ramp": {"calls": 4}, "hold": {"dropped": 1}}
    assert Distribution.of_hdr([both.recent]).total == 2
    assert [sum(each.buckets.values()) for each in both.histograms] == [4]
