"""The results of a run on a terminal. The last line is the verdict in one sentence."""

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from loadtest.reports.certificate_table import in_seconds, lines
from loadtest.reports.checked import checks, describe_history
from loadtest.reports.figures import ALL, Figures, Row
from loadtest.reports.headline import STYLES, bound_of, headline, name_of, value_of
from loadtest.reports.meanings import describe_run
from loadtest.reports.words import duration, moment, number, percent, plural
from loadtest.results import Results

_MOST_ERRORS = 15
_MOST_WORDS = 3
_SENDS = {
    "late": "left more than 0.1 s late",
    "dropped": "never left, because too many others waited",
    "unanswered": "got no answer in time",
    "offline": "fell into a time offline, and never left",
}


def show(results: Results, console: Console) -> None:
    """Print all tables that have rows. Texts of the central system are printed without markup."""
    figures = Figures(results)
    _show_latencies(console, results, figures)
    _show_rows(console, "Phases of getting connected", "phase", figures.phases())
    _show_rows(console, "Commands, from the call of the API to its answer", "action", figures.rows("command"))
    _show_rows(
        console, "Messages that waited offline, until acknowledged", "action", figures.rows("delivery")
    )
    _show_storms(console, results)
    _show_failed_actions(console, results)
    _show_errors(console, results)
    _show_generator(console, results)
    _show_correctness(console, results)
    _show_thresholds(console, results)
    if results.scenario.table == "certificate":
        _show_certificate(console, results)
    console.print(Text(describe_run(results)), soft_wrap=not console.is_terminal)
    verdict = headline(results)
    console.print(
        Text.assemble((verdict.word, STYLES[verdict.good]), ": ", verdict.sentence),
        soft_wrap=not console.is_terminal,
    )


def _show_latencies(console: Console, results: Results, figures: Figures) -> None:
    service = {row.name: row for row in figures.rows("call", "service")}
    table = _table(
        "Latency of calls: corrected from the due time, service from the send",
        ("action", "calls", "mean", "p50", "p90", "p99", "p99.9", "max", "service p50", "service p99"),
    )
    for row in figures.rows("call"):
        other = service.get(row.name)
        table.add_row(
            *_cells(row.name, number(row.count), row.mean, row.p50, row.p90, row.p99, row.p999, row.max),
            *_cells(*(() if other is None else (other.p50, other.p99))),
            style="bold" if row.name == ALL else "",
        )
    if table.row_count:
        console.print(table)
    counts = results.counts
    for name, meaning in _SENDS.items():
        if counts[name]:
            console.print(Text(f"{plural(counts[name], 'call')} {meaning}."))


def _show_rows(console: Console, title: str, first: str, rows: Sequence[Row]) -> None:
    table = _table(title, (first, "number", "mean", "p50", "p90", "p99", "p99.9", "max"))
    for row in rows:
        table.add_row(
            *_cells(row.name, number(row.count), row.mean, row.p50, row.p90, row.p99, row.p999, row.max)
        )
    if table.row_count:
        console.print(table)


def _show_storms(console: Console, results: Results) -> None:
    table = _table("Storms", ("stage", "at", "how", "lost", "all accepted after", "most handshakes/s"))
    for storm in results.storms:
        back = "not before the end" if storm.recovered_s is None else duration(storm.recovered_s)
        table.add_row(
            *_cells(storm.stage, moment(storm.at), storm.how, number(storm.cut), back),
            number(storm.handshakes_per_second),
            style="red" if storm.recovered_s is None else "",
        )
    if table.row_count:
        console.print(table)


def _show_failed_actions(console: Console, results: Results) -> None:
    """Say which actions did not do their work, because the run then measured something else."""
    for action in results.actions:
        if action.exit_code != 0:
            how = "ran out of time" if action.exit_code is None else f"ended with {action.exit_code}"
            words = f"Action {action.name} at {moment(action.at)} {how}; its output is in the results."
            console.print(Text(words, style="yellow"), soft_wrap=not console.is_terminal)


def _show_errors(console: Console, results: Results) -> None:
    if not results.errors:
        return
    console.print(Text("Errors", style="bold"))
    for words, count in results.errors.most_common(_MOST_ERRORS):
        console.print(Text(f"  {count:>9,} x {words}"), soft_wrap=not console.is_terminal)
    if (more := len(results.errors) - _MOST_ERRORS) > 0:
        console.print(Text(f"  and {plural(more, 'other kind')}"))


def _show_generator(console: Console, results: Results) -> None:
    worst = results.generator
    if worst:
        cpu = max(one.cpu_share for one in worst)
        lag = max(one.lag_p99_s for one in worst)
        longest = max(one.lag_max_s for one in worst)
        console.print(
            Text(
                f"Generator: at most {percent(round(cpu, 3))} of a core, late by {duration(lag)} (p99) and "
                f"{duration(longest)} (max)."
            )
        )
    for reason in results.invalid:
        console.print(Text(f"INVALID: {reason}", style="yellow"), soft_wrap=not console.is_terminal)


def _show_correctness(console: Console, results: Results) -> None:
    console.print(Text(f"Correctness: {describe_history(results)}"), soft_wrap=not console.is_terminal)
    for check in checks(results):
        if check.failed:
            console.print(Text(f"✗ {check.title}: {plural(check.count, 'violation')}", style="red"))
            for words in check.words[:_MOST_WORDS]:
                console.print(Text(f"    {words}"), soft_wrap=not console.is_terminal)


def _show_thresholds(console: Console, results: Results) -> None:
    table = _table("Thresholds", ("", "threshold", "measured", "allowed"), words=2)
    for judged in results.judged:
        measured = judged.words if judged.value is None else value_of(judged)
        table.add_row(
            *_cells("✓" if judged.passed else "✗", name_of(judged.threshold), measured, bound_of(judged)),
            style="" if judged.passed else "red",
        )
    if table.row_count:
        console.print(table)


def _show_certificate(console: Console, results: Results) -> None:
    title = "Performance as a certificate states it: seconds from the send of a call until its answer"
    table = _table(title, ("", "load", "calls", "min", "max", "avg"), words=2)
    for line in lines(results):
        table.add_row(
            *_cells(line.what, line.load, number(line.number), *map(in_seconds, line.seconds)),
            style="dim" if line.number is None else "",
        )
    console.print(table)


def _table(title: str, columns: Iterable[str], words: int = 1) -> Table:
    """Make a table whose first columns are words, and the others numbers."""
    table = Table(title=title, title_justify="left", title_style="bold")
    for place, name in enumerate(columns):
        table.add_column(name, justify="left" if place < words else "right")
    return table


def _cells(*values: str | float | None) -> list[Text]:
    return [Text(value if isinstance(value, str) else duration(value)) for value in values]
