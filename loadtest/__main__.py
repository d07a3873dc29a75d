"""The commands of `csms loadtest`, also as `python -m loadtest`."""

from gateway.service import interrupts

interrupts.end_silently()

import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from textwrap import fill
from typing import Annotated, Literal

import msgspec
import trio
from cyclopts import App, Parameter, validators

from loadtest.measuring.assembling import CannotMerge, merge
from loadtest.measuring.histograms import BadHistogram
from loadtest.measuring.verdict import EXIT_CODES, conclude
from loadtest.output import WIDTH, complain, make_console, report, require_directories, say, write_files
from loadtest.reports import comparing, dry_run, json_file, overlay, summary
from loadtest.reports.comparing import CannotCompare
from loadtest.reports.json_file import BadResults
from loadtest.reports.progress import show_progress
from loadtest.results import Results
from loadtest.run import cleaning
from loadtest.run import contrast as contrasting
from loadtest.run.admin_api import open_api
from loadtest.run.carrying_out import carry_out
from loadtest.run.cleaning import CannotClean, Cleaned
from loadtest.run.contrast import BadGroup, find_ratios, leave_out
from loadtest.run.coordinator import CannotRun, EndedAtOnce
from loadtest.run.credentials import BadFile, hide_secrets, read_secrets
from loadtest.run.options import BadOptions, MachineOptions, ScenarioOptions
from loadtest.scenario.model import Scenario
from loadtest.scenario.reading import BadScenario, describe_shipped, read_shipped
from loadtest.scenario.schedule import combine
from loadtest.scenario.schema import json_schema
from loadtest.scenario.timeline import Timeline

app = App(
    name="csms loadtest",
    help="Simulate many charge points, and measure how fast and how correctly a central system answers them.",
    version_flags=[],
)

_SCENARIO = ScenarioOptions()
_MACHINE = MachineOptions()

_Files = Annotated[list[Path], Parameter(consume_multiple=True, negative=())]
type Rounds = Annotated[int, Parameter(validator=validators.Number(gte=1, lte=100))]


@app.command
def run(
    scenario: str,
    options: ScenarioOptions = _SCENARIO,
    machine: MachineOptions = _MACHINE,
    *,
    output: Path | None = None,
    html_file: Annotated[Path | None, Parameter(name="--html")] = None,
    junit_file: Annotated[Path | None, Parameter(name="--junit")] = None,
    progress: Literal["auto", "jsonl"] = "auto",
    dry: Annotated[bool, Parameter(name="--dry-run")] = False,
) -> int:
    """Run a scenario, and report how fast and how correctly the central system answered.

    Ctrl-C ends the run with a report, and a second Ctrl-C ends it at once. The exit code is 0 if all
    thresholds were met, 99 if one was missed or no call was answered, 4 if the central system was wrong or
    its admin API did not show what is stored, 3 if the generator itself was the bottleneck, 2 if an option,
    the scenario or a file is wrong, and 130 if a signal ended the run. Where several hold, the code is the
    first of 130, 2, 3, 4 and 99.

    Parameters
    ----------
    scenario
        Name of a shipped scenario, such as smoke, or path of a TOML file.

    output
        File that gets the results as JSON, for `compare` and `merge`.

    html_file
        File that gets the report as one HTML page.

    junit_file
        File that gets the verdict as JUnit XML.

    progress
        `auto` is a live view on a terminal, and a line each 10 s otherwise. `jsonl` is one JSON object a
        second. Both go to standard error.

    dry
        Only show what the run would do and need. Nothing is sent.
    """
    read = options.read(scenario)
    if dry:
        _show_plan(read, machine)
        return 0
    require_directories(output, html_file, junit_file)
    results = _carry_out(read, options, machine, progress)
    return report(results, output, html_file, junit_file)


@app.command
def validate(scenario: str, options: ScenarioOptions = _SCENARIO, machine: MachineOptions = _MACHINE) -> int:
    """Check a scenario, and show what a run of it would do and need.

    The exit code is 0 if the scenario is good, and otherwise 2.

    Parameters
    ----------
    scenario
        Name of a shipped scenario, such as smoke, or path of a TOML file.
    """
    _show_plan(options.read(scenario), machine)
    return 0


@app.command
def show(scenario: str | None = None) -> int:
    """Print a shipped scenario, to be copied and changed. Without a name, list all of them.

    `csms loadtest show smoke > my-test.toml` makes a copy, and `csms loadtest run ./my-test.toml` runs it.

    Parameters
    ----------
    scenario
        Name of a shipped scenario, such as smoke.
    """
    if scenario is None:
        for name, words in describe_shipped():
            sys.stdout.write(fill(f"{name:<16} {words}", WIDTH, subsequent_indent=" " * 17) + "\n")
    else:
        sys.stdout.write(read_shipped(scenario))
    return 0


@app.command(name="merge")
def merge_parts(
    files: Annotated[list[Path], Parameter(negative=())],
    *,
    output: Path,
    html_file: Annotated[Path | None, Parameter(name="--html")] = None,
    junit_file: Annotated[Path | None, Parameter(name="--junit")] = None,
) -> int:
    """Join the results of all parts of a run (--part), and judge the whole.

    The exit codes are those of `run`.

    Parameters
    ----------
    files
        The results that `run --output` saved, one file of each part.

    output
        File that gets the results of the whole run.

    html_file
        File that gets the report of the whole run as one HTML page.

    junit_file
        File that gets the verdict as JUnit XML.
    """
    require_directories(output, html_file, junit_file)
    results = merge([json_file.read(file) for file in files], combine, whole=True)
    conclude(results)
    return report(results, output, html_file, junit_file)


@app.command
def compare(
    *runs: Path,
    before: _Files | None = None,
    after: _Files | None = None,
    fail_if: Annotated[list[str] | None, Parameter(negative=())] = None,
    html_file: Annotated[Path | None, Parameter(name="--html")] = None,
) -> int:
    """Compare the saved results of two runs, or of two groups of runs.

    `compare A.json B.json` compares two runs. One run proves little, because the speed of a machine changes
    with time. `compare --before A1.json A2.json A3.json --after B1.json B2.json B3.json` compares the
    medians of both groups. The exit code is 99 if one of the conditions holds, 2 if a file or a condition
    cannot be used, and otherwise 0.

    Parameters
    ----------
    runs
        The results of two runs, as `run --output` saved them.

    before
        The results of all runs of the first side, in place of `runs`.

    after
        The results of all runs of the second side.

    fail_if
        Condition such as 'p99>+10%' or 'p99 of Authorize in hold > 500ms'. The option can be given several
        times.

    html_file
        File that gets the comparison as one HTML page, with both sides in the same plots.
    """
    one, other = (runs[:1], runs[1:]) if len(runs) == 2 else (tuple(before or ()), tuple(after or ()))
    if not one or not other or (runs and (before or after or len(runs) != 2)):
        raise BadOptions("compare needs two files, or --before and --after with at least one file each")
    require_directories(html_file)
    comparison = comparing.compare(one, other, fail_if or [])
    unwritten = list(write_files((html_file, partial(overlay.write, comparison))))
    comparing.show(comparison, make_console())
    return complain(unwritten) or comparison.exit_code


@app.command
def clean(scenario: str, options: ScenarioOptions = _SCENARIO) -> int:
    """Delete the charge points that a scenario made, through the admin API of csms.

    These are the charge points whose id is the prefix of the scenario and a number of six digits, or those
    in the credentials file. Their transactions and meter values are deleted with them, and open
    transactions are ended before. Id tags and tokens stay, and so do copies in an archive of csms. The
    exit code is 0 if nothing remains, 2 if an option or the scenario is wrong, and otherwise 1.

    Parameters
    ----------
    scenario
        Name of a shipped scenario, such as smoke, or path of a TOML file.
    """
    read = options.read(scenario)
    target = read.target
    if target.url is None or target.admin_url is None or target.api_key_file is None:
        raise BadOptions(
            "clean needs --url, --admin-url and --api-key-file, which say where the charge points are"
        )
    cleaned = trio.run(
        _clean, read, options.credentials_file is not None or target.credentials_file is not None
    )
    console = make_console()
    console.print(
        f"Deleted {cleaned.charge_points:,} charge points with all their transactions, of which "
        f"{cleaned.transactions_ended:,} were still open.",
        highlight=False,
    )
    for failure in cleaned.failures:
        console.print(failure, markup=False, highlight=False)
    if cleaned.remaining:
        console.print(f"{cleaned.remaining:,} charge points remain.", highlight=False)
    return 1 if cleaned.remaining or cleaned.failures else 0


@app.command
def contrast(
    scenario: str,
    options: ScenarioOptions = _SCENARIO,
    machine: MachineOptions = _MACHINE,
    *,
    group: str,
    rounds: Rounds = 1,
    progress: Literal["auto", "jsonl"] = "auto",
) -> int:
    """Run a scenario without and with one of its groups in turns, and show the ratios of the latencies.

    Every second round swaps the order, because the speed of a machine changes with time. The ratios are not
    judged, because a good ratio depends on what else the machine does. The thresholds are not judged either.
    All other exit codes are those of `run`.

    Parameters
    ----------
    scenario
        Name of a shipped scenario, or path of a TOML file.

    group
        Name of the group that is left out of every second run.

    rounds
        Number of times that the scenario is run without the group, and again with it.

    progress
        `auto` is a live view on a terminal, and a line each 10 s otherwise. `jsonl` is one JSON object a
        second. Both go to standard error.
    """
    whole = options.read(scenario)
    sides: tuple[tuple[Scenario, list[Results]], ...] = ((leave_out(whole, group), []), (whole, []))
    for number in range(rounds):
        for side, runs in sides if number % 2 == 0 else sides[::-1]:
            results = _carry_out(side, options, machine, progress)
            if results.exit_code not in {0, EXIT_CODES["threshold"]}:
                summary.show(results, make_console())
                return results.exit_code
            runs.append(results)
    contrasting.show(find_ratios(sides[0][1], sides[1][1]), group, make_console())
    return 0


@app.command
def schema() -> int:
    """Print the JSON Schema of a scenario."""
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(json_schema()), indent=2).decode() + "\n")
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command, and return its exit code."""
    try:
        code = app(arguments, result_action="return_value")
    except (
        BadOptions,
        BadScenario,
        BadFile,
        BadGroup,
        CannotCompare,
        CannotRun,
        BadResults,
        BadHistogram,
        CannotMerge,
    ) as error:
        for line in str(error).splitlines():
            say(line)
        return EXIT_CODES["configuration"]
    except CannotClean as error:
        say(str(error))
        return 1
    except EndedAtOnce:
        say("ended at once by a second signal, without a report")
        return EXIT_CODES["interrupted"]
    return int(code or 0)  # --help returns None.


def _show_plan(scenario: Scenario, machine: MachineOptions) -> None:
    sys.stdout.write(dry_run.in_words(machine.make_plan(scenario), hide_secrets(scenario)) + "\n")


def _carry_out(
    scenario: Scenario, options: ScenarioOptions, machine: MachineOptions, progress: Literal["auto", "jsonl"]
) -> Results:
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="csms-loadtest-")))
        orders = machine.make_orders(scenario, options.scale, directory)
        shown = stack.enter_context(show_progress(progress, sys.stderr, Timeline(scenario).seconds))
        return trio.run(partial(carry_out, orders, shown.update, _say_why))


def _say_why(why: str) -> None:
    say(f"the run ended early: {why}")


async def _clean(scenario: Scenario, has_ids: bool) -> Cleaned:  # noqa: FBT001  trio.run passes no names
    secrets = read_secrets(scenario.target, scenario.fleet.charge_points)
    ids = [row.id for row in secrets.rows] if has_ids else []
    async with open_api(secrets) as api:
        return await cleaning.clean(api, scenario.fleet.prefix, ids, on_progress=lambda _cleaned: None)


if __name__ == "__main__":
    sys.exit(main())
