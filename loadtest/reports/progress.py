"""How a run is doing, while it goes on.

On a terminal it is a few lines that change once a second. Elsewhere it is a plain line each 10 s, or, for
programs, one JSON object a second. A stream that nobody reads any more does not end the run.
"""

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from typing import Literal, Protocol, Self, TextIO

import msgspec
from msgspec import Struct
from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from loadtest.measuring.histograms import Distribution
from loadtest.measuring.recording import add_snapshots
from loadtest.reports.words import duration, moment, number, percent
from loadtest.run.messages import Progress

EVERY_S = 10.0
_EPSILON_S = 0.5
"""A line that is due in less than this is written now, because the next progress comes a second later."""

type Form = Literal["auto", "jsonl"]


class Now(Struct, frozen=True, kw_only=True):
    """The whole fleet at one moment.

    Counts are since the begin of the run. `calls_per_s`, `p50_s`, `p99_s` and `max_s` are since the last
    Now, and corrected. They are None if no call was answered since then.
    """

    at_s: float
    stage: str
    charge_points: int
    connected: int
    booted: int
    calls: int
    errors: int
    late: int
    dropped: int
    calls_per_s: float
    p50_s: float | None
    p99_s: float | None
    max_s: float | None
    lag_s: float
    cpu_share: float


class Shown(Protocol):
    """A way to show the progress."""

    def update(self, processes: Sequence[Progress]) -> None:
        """Show the latest Progress of each process that sent one. Called once a second."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *_error: object) -> None: ...


def show_progress(form: Form, stream: TextIO, seconds: float) -> Shown:
    """Choose how to show the progress of a run that takes so many seconds."""
    if form == "jsonl":
        return Objects(stream)
    console = Console(file=stream)
    return Terminal(console, seconds) if console.is_terminal else Lines(stream, seconds)


class Summary:
    """Adds up the progress of all processes, and keeps what the next difference needs."""

    def __init__(self) -> None:
        self._at = 0.0
        self._calls = 0
        self._recent: list[str] = []

    def collect(self, processes: Sequence[Progress]) -> None:
        """Keep latencies, which each Progress has only once."""
        self._recent += [one.snapshot.recent for one in processes]

    def now(self, processes: Sequence[Progress]) -> Now:
        """Return how things are. There is at least one process."""
        together = add_snapshots(one.snapshot for one in processes)
        counts: Counter[str] = Counter()
        for each in together.counts.values():
            counts.update(each)
        at = max(one.at for one in processes)
        recent, self._recent = Distribution.of_hdr(self._recent), []
        since = max(at - self._at, 1e-3)
        calls, self._at, self._calls = counts["calls"] - self._calls, at, counts["calls"]
        return Now(
            at_s=round(at, 3),
            stage=together.stage,
            charge_points=sum(one.charge_points for one in processes),
            connected=together.connected,
            booted=together.booted,
            calls=counts["calls"],
            errors=counts["errors"],
            late=counts["late"],
            dropped=counts["dropped"],
            calls_per_s=round(max(0, calls) / since, 1),
            p50_s=recent.at(50) if recent.total else None,
            p99_s=recent.at(99) if recent.total else None,
            max_s=recent.greatest if recent.total else None,
            lag_s=max(one.lag_s for one in processes),
            cpu_share=round(max(one.cpu_share for one in processes), 3),
        )


class Objects:
    """One JSON object a line."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._summary = Summary()

    def update(self, processes: Sequence[Progress]) -> None:
        if not processes:
            return
        self._summary.collect(processes)
        with suppress(OSError):
            self._stream.write(msgspec.json.encode(self._summary.now(processes)).decode() + "\n")
            self._stream.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        pass


class Lines:
    """One line each 10 s, for logs."""

    def __init__(self, stream: TextIO, seconds: float) -> None:
        self._stream = stream
        self._seconds = seconds
        self._summary = Summary()
        self._next = EVERY_S

    def update(self, processes: Sequence[Progress]) -> None:
        if not processes:
            return
        self._summary.collect(processes)
        at = max(one.at for one in processes)
        if at < self._next - _EPSILON_S:
            return
        while self._next <= at + _EPSILON_S:
            self._next += EVERY_S
        now = self._summary.now(processes)
        with suppress(OSError):
            self._stream.write(
                f"{moment(now.at_s)} of {moment(self._seconds)}  {now.stage}: "
                f"{number(now.connected)}/{number(now.charge_points)} connected, "
                f"{number(now.booted)} accepted, {number(now.calls_per_s)} calls/s, "
                f"p50 {duration(now.p50_s)}, p99 {duration(now.p99_s)}, {number(now.errors)} errors, "
                f"{number(now.late)} late, {number(now.dropped)} dropped\n"
            )
            self._stream.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        pass


class Terminal:
    """A few lines that change in their place."""

    def __init__(self, console: Console, seconds: float) -> None:
        self._seconds = seconds
        self._summary = Summary()
        self._live = Live(console=console, auto_refresh=False, transient=True)

    def update(self, processes: Sequence[Progress]) -> None:
        if not processes:
            return
        self._summary.collect(processes)
        with suppress(OSError):
            self._live.update(self._draw(self._summary.now(processes)), refresh=True)

    def __enter__(self) -> Self:
        self._live.__enter__()
        return self

    def __exit__(self, *_error: object) -> None:
        with suppress(OSError):
            self._live.__exit__(None, None, None)

    def _draw(self, now: Now) -> Table:
        table = Table.grid(padding=(0, 2))
        table.add_row(
            Text(now.stage, style="bold"),
            ProgressBar(total=max(self._seconds, now.at_s), completed=now.at_s, width=32),
            Text(f"{moment(now.at_s)} of {moment(self._seconds)}"),
        )
        fleet = (
            f"{number(now.connected)} of {number(now.charge_points)} connected, {number(now.booted)} accepted"
        )
        for name, words, bad in (
            ("charge points", fleet, False),
            ("calls", f"{number(now.calls)}, {number(now.calls_per_s)} a second", False),
            (
                "latency",
                f"p50 {duration(now.p50_s)}, p99 {duration(now.p99_s)}, max {duration(now.max_s)}",
                False,
            ),
            ("errors", number(now.errors), now.errors > 0),
            ("sends", f"{number(now.late)} late, {number(now.dropped)} dropped", now.dropped > 0),
            ("generator", f"{percent(now.cpu_share)} of a core, late by up to {duration(now.lag_s)}", False),
        ):
            table.add_row(Text(name, style="dim"), Text(words, style="red" if bad else ""), Text(""))
        return table
