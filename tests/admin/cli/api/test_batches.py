import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import trio

from admin.batches.task import Batches
from state import charge_points
from state.charge_points import Settings
from state.commands import Go
from tests.admin.api import TENANT, Api
from tests.admin.cli.api.run import Run
from tests.admin.fake_session import FakeSession, connected
from tests.support.up_process import one_line

START = ("batches", "start", "Reset", '{"type": "Soft"}')


async def rejects(session: FakeSession, command: str, _: Go) -> None:
    await session.answer(command, b'{"status":"Rejected"}')


@pytest.fixture
async def registered(api: Api) -> Api:
    for id_ in ("A-1", "A-2", "B-1"):
        await charge_points.put(api.store, TENANT, id_, Settings())
    return api


@pytest.fixture
async def working(registered: Api) -> AsyncIterator[Api]:
    """Work on batches, as an admin process does."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(Batches(registered.services).run)
        yield registered
        nursery.cancel_scope.cancel()


async def list_all(api: Api) -> list[dict[str, Any]]:
    return await api.read_all(f"/v1/tenants/{TENANT}/batches")


async def test_a_dry_run_prints_the_charge_points_and_begins_nothing(registered: Api, run: Run) -> None:
    done = await run(*START, "--prefix", "A", "--offline", "--dry-run")
    assert (done.returncode, done.stdout) == (0, "A-1\nA-2\n")
    assert done.stderr == "the batch would reach 2 charge points\n"
    done = await run(*START, "--charge-point", "B-1", "--dry-run", "-o", "json")
    assert json.loads(done.stdout) == {"total": 1, "charge_points": ["B-1"]}
    assert await list_all(registered) == []


async def test_a_batch_is_begun_shown_listed_and_cancelled(registered: Api, run: Run, tmp_path: Path) -> None:
    ids = tmp_path / "ids"
    ids.write_text("A-1\n\n B-1 \n")
    options = ("--per-second", "0.5", "--timeout", "7", "--idempotency-key", "k", "-o", "json")
    begun = json.loads((await run(*START, "--charge-points-file", str(ids), *options)).stdout)
    again = json.loads((await run(*START, "--charge-points-file", str(ids), *options)).stdout)
    assert again == begun
    assert [batch["id"] for batch in await list_all(registered)] == [begun["id"]]
    assert begun["filter"] == {"charge_points": ["A-1", "B-1"]}
    assert (begun["per_second"], begun["timeout"], begun["payload"]) == (0.5, 7, {"type": "Soft"})
    shown = await run("batches", "show", begun["id"], "-o", "json")
    assert json.loads(shown.stdout) == begun
    listed = await run("batches", "list", "--running")
    assert begun["id"] in listed.stdout
    assert begun["id"] not in (await run("batches", "list", "--ended")).stdout
    cancelled = await run("batches", "cancel", begun["id"], "-o", "json")
    assert json.loads(cancelled.stdout)["phase"] == "cancelling"


async def test_a_batch_that_everyone_accepts_can_be_followed_to_its_end(working: Api, run: Run) -> None:
    async with connected(working.store, TENANT, "A-1"):
        done = await run(*START, "--charge-point", "A-1", "--follow")
    assert done.returncode == 0, done.stderr
    assert " running: " in done.stdout
    assert "finished" in done.stdout
    [batch] = await list_all(working)
    again = await run("batches", "show", batch["id"], "--follow")
    assert again.returncode == 0
    late = await run("batches", "cancel", batch["id"])
    assert late.returncode == 4
    assert "has ended already" in one_line(late)


async def test_a_followed_batch_with_other_outcomes_has_an_exit_code_of_its_own(
    working: Api, run: Run
) -> None:
    async with connected(working.store, TENANT, "A-1", rejects), connected(working.store, TENANT, "A-2"):
        done = await run(*START, "--all-charge-points", "--follow", "-o", "json")
    assert done.returncode == 4
    last = json.loads(done.stdout.splitlines()[-1])
    assert (last["phase"], last["counts"]["rejected_statuses"]) == ("finished", {"Rejected": 1})
    assert done.stderr == (
        "csms batches start: 2 of 3 charge points did not do what they were asked; see csms batches items "
        f"{last['id']}\n"
    )
    items = await run("batches", "items", last["id"], "--outcome", "rejected", "-o", "json")
    assert [json.loads(line)["charge_point"] for line in items.stdout.splitlines()] == ["A-1"]
    table = await run("batches", "items", last["id"])
    assert [line.split()[:2] for line in table.stdout.splitlines() if "-" in line and "B-1" in line] == [
        ["B-1", "offline"]
    ]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ((), "--all-charge-points"),
        (("--all-charge-points", "--prefix", "A"), "excludes"),
        (("--prefix", "A", "--idempotency-key", "a b"), "--idempotency-key"),
        (("--charge-point", "C-1"), "'C-1'"),
        (("--charge-points-file", "/nowhere/ids"), "/nowhere/ids"),
    ],
)
async def test_a_batch_that_cannot_begin_has_one_line_that_says_why(
    registered: Api, run: Run, options: tuple[str, ...], words: str
) -> None:
    done = await run(*START, *options)
    assert done.returncode == 1
    assert words in one_line(done)
    assert await list_all(registered) == []


async def test_an_unknown_batch_is_named_as_such(run: Run) -> None:
    done = await run("batches", "show", "none")
    assert done.returncode == 1
    assert "There is no such batch" in one_line(done)
