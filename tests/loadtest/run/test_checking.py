import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
import trio

from loadtest.correctness import stored
from loadtest.correctness.stored import Patience
from loadtest.results import Results
from loadtest.scenario.model import Checks, Target
from tests.loadtest.run.runs import carry, orders, scenario
from tests.support.mutant_server import MutantServer
from tests.support.waiting import GENEROUS_S


@pytest.fixture
def key(tmp_path: Path) -> str:
    (file := tmp_path / "key").write_text("wrong")
    return str(file)


async def run(server: MutantServer, directory: Path, admin_url: str, key: str, *, history: bool) -> Results:
    target = Target(url=server.url, admin_url=admin_url, api_key_file=key)
    of = scenario(server.url, target=target, seconds=0.5, checks=Checks(history=history))
    with trio.fail_after(GENEROUS_S):
        return await carry(orders(of, directory / "run", processes=1))


def why_not(results: Results) -> str:
    assert results.history is not None
    return results.history.left_out or ""


async def test_a_run_does_not_pass_if_its_admin_api_refuses_to_show_what_is_stored(
    server: MutantServer, tmp_path: Path, key: str
) -> None:
    results = await run(server, tmp_path, server.admin, key, history=True)
    assert (results.exit_code, results.violation_counts) == (4, {"history_unread": 1})
    assert results.violations[0].words == f"the history could not be checked: {why_not(results)}"
    assert why_not(results).startswith("the admin API answered 401 to GET /transactions")


async def test_a_run_whose_journals_were_removed_blames_nobody(
    server: MutantServer, tmp_path: Path, key: str
) -> None:
    def remove(_progress: object) -> None:
        for journal in (tmp_path / "run").glob("journal-*"):
            journal.unlink()

    target = Target(url=server.url, admin_url=server.admin, api_key_file=key)
    given = orders(scenario(server.url, target=target, seconds=2.5), tmp_path / "run", processes=1)
    results = await carry(given, remove)
    assert (results.exit_code, results.violation_counts) == (4, {"history_unread": 1})
    assert why_not(results).startswith("the journals of the run are gone; let nothing remove files")


async def test_a_run_does_not_pass_if_its_admin_api_stays_away(
    server: MutantServer, tmp_path: Path, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored, "Patience", partial(Patience, 0.3))
    async with silent_api() as (url, _):
        pass
    results = await run(server, tmp_path, url, key, history=True)
    assert (results.exit_code, results.violation_counts) == (4, {"history_unread": 1})
    assert why_not(results).startswith("the admin API answered no request for 0.3 s")


async def test_a_run_without_the_check_of_the_history_does_not_ask_the_admin_api(
    server: MutantServer, tmp_path: Path, key: str
) -> None:
    async with silent_api() as (url, asked):
        results = await run(server, tmp_path, url, key, history=False)
    assert (results.exit_code, asked.is_set()) == (0, False)
    assert why_not(results) == "the scenario has checks.history = false"


async def test_a_signal_during_the_checks_after_a_run_leaves_them_out_and_keeps_what_was_measured(
    server: MutantServer, tmp_path: Path, key: str
) -> None:
    async with silent_api() as (url, asked), trio.open_nursery() as nursery:
        nursery.start_soon(interrupt_when, asked)
        results = await run(server, tmp_path, url, key, history=True)
    assert (results.exit_code, results.ended) == (130, "interrupted")
    assert why_not(results) == "the checks were interrupted"
    assert results.counts["calls"] > 0
    assert results.seconds >= 0.5


@asynccontextmanager
async def silent_api() -> AsyncIterator[tuple[str, trio.Event]]:
    """Listen for requests that are never answered. The event is set at the first one."""
    asked = trio.Event()

    async def hear(stream: trio.SocketStream) -> None:
        await stream.receive_some(1)
        asked.set()
        await trio.sleep_forever()

    async with trio.open_nursery() as nursery:
        [listener] = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, hear, [listener])
        yield f"http://127.0.0.1:{listener.socket.getsockname()[1]}", asked
        nursery.cancel_scope.cancel()


async def interrupt_when(asked: trio.Event) -> None:
    await asked.wait()
    os.kill(os.getpid(), signal.SIGINT)
