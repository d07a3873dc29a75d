"""The checks after a run: whether the central system has what it acknowledged, and sent what it says."""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import datetime
from pathlib import Path

import trio

from loadtest.correctness.commands import Commanded, find_unreceived
from loadtest.correctness.judging import judge
from loadtest.correctness.notes import read_notes
from loadtest.correctness.violations import Violations
from loadtest.results import HistoryReport, Results
from loadtest.run.admin_api import open_api
from loadtest.run.credentials import Secrets
from loadtest.run.naming import Names
from loadtest.scenario.model import Scenario
from loadtest.scenario.population import group_of

_NO_JOURNALS = (
    "the journals of the run are gone; let nothing remove files of the temporary directory (TMPDIR)"
)


async def check_store(
    results: Results, scenario: Scenario, secrets: Secrets, directory: Path, commanded: Sequence[Commanded]
) -> None:
    """Add what the checks find to the results. The processes wrote their journals into `directory`."""
    found = Violations()
    journals, notes = await trio.to_thread.run_sync(_find_files, directory)
    noted = await trio.to_thread.run_sync(read_notes, notes)
    if results.ended == "completed":
        find_unreceived(commanded, noted, scenario, found)
    left_out = _why_left_out(results, scenario)
    if left_out is not None:
        results.history = HistoryReport(left_out=left_out)
    elif _has_api(secrets) and not journals:
        found.add("history_unread", f"the history could not be checked: {_NO_JOURNALS}")
        results.history = HistoryReport(left_out=_NO_JOURNALS)
    else:
        since = datetime.fromisoformat(results.started_at)
        async with AsyncExitStack() as stack:
            api = await stack.enter_async_context(open_api(secrets)) if _has_api(secrets) else None
            results.history = await judge(
                api,
                journals,
                noted,
                names=_find_judged(results, scenario, secrets),
                since=since,
                found=found,
            )
    results.violations += found.shown
    results.violation_counts += found.counts


def _find_files(directory: Path) -> tuple[list[Path], list[Path]]:
    """Return the journals and the notes of the processes."""
    return sorted(directory.glob("journal-*")), sorted(directory.glob("notes-*"))


def _why_left_out(results: Results, scenario: Scenario) -> str | None:
    if not scenario.checks.history:
        return "the scenario has checks.history = false"
    if results.ended == "interrupted":
        return "the run was interrupted; let it end by itself"
    if not results.started_at:
        return "the run did not begin"
    return None


def _has_api(secrets: Secrets) -> bool:
    return secrets.admin_url is not None and secrets.api_key is not None


def _find_judged(results: Results, scenario: Scenario, secrets: Secrets) -> set[str]:
    """Return the charge points that show no faults. The central system may repair what the others send."""
    names = Names(scenario, secrets)
    return {
        names.id_of(index) for index in range(*results.charge_points) if not group_of(scenario, index).faults
    }
