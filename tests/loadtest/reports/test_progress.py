import json
from io import StringIO

import pytest
from rich.console import Console

from loadtest.measuring.recording import Recorder, Snapshot
from loadtest.reports.progress import Form, Lines, Objects, Summary, Terminal, show_progress
from loadtest.run.messages import Progress
from tests.support.loadtest_results import histogram


def progress(
    at: float, calls: int, seconds: list[float], *, process: str = "1", stage: str = "hold"
) -> Progress:
    return Progress(
        process=process,
        at=at,
        charge_points=1000,
        lag_s=0.002,
        cpu_share=0.41,
        snapshot=Snapshot(
            stage=stage,
            connected=990,
            booted=980,
            counts={
                "ramp": {"calls": 10, "errors": 1},
                "hold": {"calls": calls - 10, "late": 2, "dropped": 3},
            },
            recent=histogram(seconds, digits=2),
        ),
    )


def test_a_plain_line_is_written_each_ten_seconds() -> None:
    stream = StringIO()
    with Lines(stream, 60) as shown:
        for second in range(1, 31):
            shown.update([progress(second + 0.01, 100 * second, [0.010])])
    assert [line.split(" of ")[0] for line in stream.getvalue().splitlines()] == ["0:10", "0:20", "0:30"]


def test_a_line_has_the_whole_fleet_and_the_latencies_since_the_line_before() -> None:
    stream = StringIO()
    with Lines(stream, 60) as shown:
        for second in range(1, 11):
            ones = [
                progress(second, 50 * second, [0.010], process="1"),
                progress(second, 50 * second, [2.0 if second == 3 else 0.010], process="2"),
            ]
            shown.update(ones)
    assert stream.getvalue() == (
        "0:10 of 1:00  hold: 1,980/2,000 connected, 1,960 accepted, 100 calls/s, p50 10.0 ms, p99 2.01 s, "
        "2 errors, 4 late, 6 dropped\n"
    )


def test_each_second_is_one_json_object_for_programs() -> None:
    stream = StringIO()
    with show_progress("jsonl", stream, 60) as shown:
        shown.update([progress(1, 100, [0.010])])
        shown.update([progress(2, 150, [])])
    one, other = map(json.loads, stream.getvalue().splitlines())
    assert (one["stage"], one["connected"], one["calls"], one["calls_per_s"]) == ("hold", 990, 100, 100)
    assert (other["calls"], other["calls_per_s"], other["p99_s"]) == (150, 50, None)


def test_a_terminal_shows_the_stage_the_fleet_and_the_latencies() -> None:
    stream = StringIO()
    console = Console(file=stream, force_terminal=True, width=100, color_system=None)
    with Terminal(console, 60) as shown:
        shown.update([progress(30, 3000, [0.010])])
        text = stream.getvalue()
    for words in (
        "hold",
        "0:30 of 1:00",
        "990 of 1,000 connected",
        "p99 10.0 ms",
        "3 dropped",
        "41 % of a core",
    ):
        assert words in text


@pytest.mark.parametrize("form", ["auto", "jsonl"])
def test_nothing_is_shown_before_the_first_process_reports(form: Form) -> None:
    stream = StringIO()
    with show_progress(form, stream, 60) as shown:
        shown.update([])
    assert not stream.getvalue()


def test_the_form_fits_the_stream() -> None:
    assert isinstance(show_progress("auto", StringIO(), 60), Lines)
    assert isinstance(show_progress("jsonl", StringIO(), 60), Objects)


def test_the_progress_of_a_real_recorder_is_read() -> None:
    recorder = Recorder(0.0)
    recorder.enter("hold", 0.0)
    recorder.connected = 5
    for n in range(100):
        recorder.answered("Heartbeat", n / 100, n / 100, n / 100 + 0.02)
    summary = Summary()
    ones = [Progress(process="1", at=1.0, charge_points=5, snapshot=recorder.snapshot())]
    summary.collect(ones)
    now = summary.now(ones)
    assert (now.connected, now.calls, now.calls_per_s) == (5, 100, 100)
    assert now.p50_s is not None
    assert abs(now.p50_s - 0.02) < 0.001
