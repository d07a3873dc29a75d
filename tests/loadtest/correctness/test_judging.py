from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

from loadtest.correctness.judging import NO_ADMIN_API, judge
from loadtest.correctness.notes import Noted, Notes, read_notes
from loadtest.correctness.stored import Patience
from loadtest.correctness.violations import Violations
from loadtest.history import Acknowledged, Journal, Sent, Start, Stop
from loadtest.results import HistoryReport
from tests.support.csms_up import Running
from tests.support.mutant_client import Station, station, time_of
from tests.support.mutant_server import MutantServer, mutant_server
from tests.support.waiting import GENEROUS_S

SINCE = datetime(2026, 1, 1, tzinfo=UTC)
NOTHING = Noted({}, set(), frozenset())


class Run(NamedTuple):
    server: MutantServer
    journal: Path
    notes: Path

    async def judge(self, *names: str) -> tuple[HistoryReport, Violations]:
        found = Violations()
        async with self.server.async_api() as api:
            report = await judge(
                api, [self.journal], read_notes([self.notes]), names=names, since=SINCE, found=found
            )
        return report, found


@contextmanager
def run(path: Path, *switches: str) -> Iterator[Run]:
    """Let two charge points play three transactions each with a server, and journal all acknowledgements."""
    with mutant_server(*switches) as server:
        with Journal(path / "journal") as journal, Notes(path / "notes") as notes:
            for name in ("LT1", "LT2"):
                with station(server.url, name) as one:
                    for day in (1, 2, 3):
                        play(one, day, journal, notes)
        yield Run(server, path / "journal", path / "notes")


def play(one: Station, day: int, journal: Journal, notes: Notes) -> None:
    start = Start(connector_id=1, id_tag="TAG", meter_start=day, timestamp=time_of(day, 0))
    journal.write(Sent(charge_point=one.id, transaction=day, content=start, at_ms=0))
    id_ = one.start(start.timestamp, meter=day)
    stop = Stop(transaction_id=id_, meter_stop=500, timestamp=time_of(day, 60))
    acknowledge(one, day, journal, start, id_)
    for minute in (1, 2):
        one.values(id_, time_of(day, minute))
        notes.value(one.id, id_, time_of(day, minute))
    journal.write(Sent(charge_point=one.id, transaction=day, content=stop, at_ms=0))
    one.stop(id_, stop.timestamp)
    acknowledge(one, day, journal, stop, id_)


def acknowledge(one: Station, day: int, journal: Journal, content: Start | Stop, id_: int) -> None:
    journal.write(
        Acknowledged(
            charge_point=one.id,
            transaction=day,
            content=content,
            id=id_,
            status="Accepted",
            transmissions=1,
            sent_ms=0,
            at_ms=0,
        )
    )


async def test_a_run_with_a_right_server_has_no_finding(tmp_path: Path) -> None:
    with run(tmp_path) as played:
        report, found = await played.judge("LT1", "LT2")
        assert report == HistoryReport(starts=6, stops=6, stored=6, values=12)
        assert (found.shown, found.counts) == ([], {})
        assert (await played.judge("LT2"))[0] == HistoryReport(starts=3, stops=3, stored=3, values=6)


async def test_a_run_with_csms_has_no_finding(running: Running, tmp_path: Path) -> None:
    found = Violations()
    with (
        Journal(tmp_path / "journal") as journal,
        Notes(tmp_path / "notes") as notes,
        station(running.url("{id}", scheme="ws"), "judged-1") as one,
    ):
        for day in (1, 2):
            play(one, day, journal, notes)
    async with httpx.AsyncClient(
        base_url=f"{running.admin}/v1/tenants/{running.tenant}",
        headers={"Authorization": f"Bearer {running.api_key}"},
        timeout=GENEROUS_S,
    ) as api:
        noted = read_notes([tmp_path / "notes"])
        report = await judge(api, [tmp_path / "journal"], noted, names={"judged-1"}, since=SINCE, found=found)
    assert report == HistoryReport(starts=2, stops=2, stored=2, values=4)
    assert found.shown == []


@pytest.mark.parametrize(
    ("switch", "findings"),
    [
        ("--lose-stop", {"missing_stop"}),
        pytest.param("--lose-start", {"missing_start", "missing_stop"}, marks=pytest.mark.slow),
        pytest.param("--repeat-id", {"id_twice", "start_differs", "stop_differs"}, marks=pytest.mark.slow),
    ],
    ids=["stop", "start", "id"],
)
async def test_a_server_that_loses_or_repeats_a_fact_has_findings_of_that_kind(
    tmp_path: Path, switch: str, findings: set[str]
) -> None:
    with run(tmp_path, switch) as played:
        report, found = await played.judge("LT1", "LT2")
    assert {one.kind for one in report.findings} == findings
    assert report.finding_count == len(report.findings)
    assert found.counts == {}


@pytest.mark.parametrize(
    ("switch", "kind", "words"),
    [
        (
            "--store-value-twice",
            "value_twice",
            "LT1.1002 has the meter values of 2026-01-02T00:01:00.000+00:00 2 times",
        ),
        (
            "--lose-value",
            "value_lost",
            "the acknowledged meter values of LT1.1002 of 2026-01-02T00:01:00.000+00:00 are not stored",
        ),
    ],
    ids=["twice", "lost"],
)
async def test_a_server_that_stores_a_value_twice_or_loses_one_violates(
    tmp_path: Path, switch: str, kind: str, words: str
) -> None:
    with run(tmp_path, switch) as played:
        report, found = await played.judge("LT1", "LT2")
    assert [(one.kind, one.words) for one in found.shown] == [(kind, words)]
    assert report.findings == ()


async def test_without_an_admin_api_the_history_is_left_out_and_the_report_says_so() -> None:
    found = Violations()
    report = await judge(None, [], NOTHING, names=(), since=SINCE, found=found)
    assert report == HistoryReport(left_out=NO_ADMIN_API)
    assert found.counts == {}


async def test_with_an_admin_api_that_is_away_the_history_is_left_out_and_that_is_a_violation() -> None:
    with mutant_server() as server:
        api = server.async_api()
    found = Violations()
    async with api:
        report = await judge(api, [], NOTHING, names=(), since=SINCE, found=found, patience=Patience(0.2))
    assert report.left_out is not None
    assert report.left_out.startswith("the admin API answered no request for 0.2 s (the last time: Connect")
    assert [(one.kind, one.words) for one in found.shown] == [
        ("history_unread", f"the history could not be checked: {report.left_out}")
    ]


async def test_what_could_not_be_looked_at_is_named() -> None:
    full = Noted({}, set(), frozenset({"values", "commands"}))
    with mutant_server() as server:
        async with server.async_api() as api:
            report = await judge(api, [], full, names=(), since=SINCE, found=Violations())
    assert report.partly == (
        "later meter values were not noted; later commands were not noted, so no command was judged"
    )
