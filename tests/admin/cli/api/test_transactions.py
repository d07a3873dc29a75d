import csv
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from state import transactions
from tests.admin.api import TENANT, Api
from tests.admin.cli.api.run import Run, is_empty
from tests.admin.fake_session import connected
from tests.support.transactions import ANSWER, a_start
from tests.support.up_process import one_line


@pytest.fixture
async def ids(api: Api) -> list[str]:
    """Begin three transactions on the first three days of 2026; the latest comes first."""
    begun: list[str] = []
    async with connected(api.store, TENANT, "CP.1") as session:
        for day in (1, 2, 3):
            at = datetime(2026, 1, day, 8, tzinfo=UTC)
            start = a_start(
                connector_id=day, timestamp=at.isoformat(), started_ms=round(at.timestamp() * 1000)
            )
            outcome = await transactions.start(api.store, session.lease, start, ANSWER)
            begun.insert(0, f"CP.1.{outcome.id}")
    return begun


async def test_transactions_are_listed_and_shown(run: Run, ids: list[str]) -> None:
    listed = (await run("transactions", "list", "--open", "--limit", "2")).stdout
    assert ids[0] in listed
    assert ids[1] in listed
    assert ids[2] not in listed
    assert (await run("transactions", "list", "--finished", "-o", "json")).stdout == ""
    shown = await run("transactions", "show", ids[0], "-o", "json")
    assert json.loads(shown.stdout)["id"] == ids[0]


async def test_an_export_has_each_transaction_of_the_days_once(
    run: Run, ids: list[str], tmp_path: Path
) -> None:
    since = ("--since", "2026-01-01", "--until", "2026-01-03T00:00:00+00:00")
    rows = list(csv.DictReader((await run("transactions", "export", *since)).stdout.splitlines()))
    exported = {row["id"]: row for row in rows}
    file = tmp_path / "export.json"
    done = await run("transactions", "export", *since, "-o", "json", "--file", str(file))
    assert (done.stdout, done.stderr) == ("", f"wrote {len(rows)} transactions to {file}\n")
    assert [json.loads(line)["id"] for line in file.read_text().splitlines()] == [row["id"] for row in rows]
    assert set(exported) == set(ids[1:])
    assert exported[ids[1]]["state"] == "open"
    assert exported[ids[1]]["energy_wh"] == ""


async def test_an_export_that_fails_leaves_no_file(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "export.csv"
    done = await run("transactions", "export", "--file", str(file), CSMS_TENANT="nobody")
    assert "There is no such tenant" in one_line(done)
    assert is_empty(tmp_path)


async def test_an_open_transaction_is_ended_once(run: Run, ids: list[str]) -> None:
    end = ("transactions", "end", ids[0], "--meter", "90000", "--at", "2026-01-03T09:00:00Z", "-o", "json")
    ended = json.loads((await run(*end)).stdout)
    assert ended["state"] == "ended"
    assert (ended["ended"]["meter"], ended["ended"]["at"]) == (90000, "2026-01-03T09:00:00.000Z")
    assert "ended" in one_line(await run(*end))


@pytest.mark.parametrize(
    ("time", "error"), [("yesterday", "is not a time"), ("2026-01-01T08:00:00", "has no time zone")]
)
async def test_a_time_that_is_not_clear_is_refused_with_an_example(run: Run, time: str, error: str) -> None:
    said = one_line(await run("transactions", "list", "--since", time))
    assert f"--since {time} {error}; write a day like 2026-11-01 (UTC)" in said
