"""One private Valkey for each test run, and one `csms up` for the files that share it.

Each test with the fixture `store` gets an empty store.
"""

import os
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from trio._core._run import GLOBAL_RUN_CONTEXT

from state.errand import Errand
from state.store import Store, StoreConfig, open_store
from tests.support.csms_up import Running, csms_up
from tests.support.event_members import find_unlisted
from tests.support.owned_keys import find_unowned
from tests.support.pace import Pace
from tests.support.shared import Shared, list_fixtures
from tests.support.valkey_server import ValkeyServer

# Hundreds of processes start during a run. Without compiled files, each would compile all modules again. Some
# images switch these files off.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# Hypothesis sets no deadline for an example, because a test must not fail on a busy machine.
settings.register_profile("csms", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("csms")

_LONG = (
    *("tests/docs/", "tests/system/", "tests/conformance/", "tests/admin/cli/", "tests/loadtest/test_"),
    *("tests/admin/test_schemathesis.py", "tests/state/embedded/", "tests/state/test_paging.py"),
    *("tests/state/commands/test_commands_model.py", "tests/state/transactions/test_transactions_model.py"),
)
"""Long tests, most of which wait for processes or for a disk. They are beginnings of paths."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the long tests, so that no process is left with one of their files at the end.

    Files that share a server come one after the other, because it ends with the last of them.
    """
    servers = ("shared_up", "shared_system")
    users = {name: {item.path for item in items if name in list_fixtures(item)} for name in servers}

    def place(item: pytest.Item) -> int:
        up, system = (item.path in users[name] for name in servers)
        if up or system:
            return 1 if up and system else 0 if up else 2
        return 3 if item.nodeid.startswith(_LONG) else 4

    items.sort(key=place)


@pytest.fixture(autouse=True)
def errands_have_no_task(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let an errand fail at the place where it waits for something of Trio, instead of the task around it."""
    run = Errand.run

    def run_without_task(errand: Errand[Any]) -> bool:
        task = getattr(GLOBAL_RUN_CONTEXT, "task", None)
        if task is None:  # The errand runs within another one.
            return run(errand)
        del GLOBAL_RUN_CONTEXT.task
        try:
            return run(errand)
        finally:
            GLOBAL_RUN_CONTEXT.task = task

    monkeypatch.setattr(Errand, "run", run_without_task)


@pytest.fixture(scope="session")
def pace(pytestconfig: pytest.Config) -> Pace:
    return Pace(judged="not slow" not in pytestconfig.getoption("markexpr"))


@pytest.fixture(scope="session")
def valkey() -> Iterator[ValkeyServer]:
    with _server() as server:
        yield server


@pytest.fixture
def private_valkey() -> Iterator[ValkeyServer]:
    """A Valkey for one test alone, which the test may pause or kill."""
    with _server() as server:
        yield server


@contextmanager
def _server() -> Iterator[ValkeyServer]:
    # pytest's tmp_path is not used here, because the path of a unix socket must be short.
    with tempfile.TemporaryDirectory(prefix="csms-test-") as directory:
        server = ValkeyServer(Path(directory))
        server.start()
        try:
            yield server
        finally:
            server.stop()


@pytest.fixture(scope="session")
def shared_up(request: pytest.FixtureRequest) -> Shared[Running]:
    return Shared(request, _up)


@contextmanager
def _up() -> Iterator[Running]:
    directory = Path(tempfile.mkdtemp(prefix="csms-up-"))
    try:
        with csms_up(directory / "data", "--drain-seconds", "1") as found:
            yield found
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="module")
def running(shared_up: Shared[Running]) -> Running:
    """A running `csms up` that is shared by all tests that do not harm it."""
    return shared_up.get()


@pytest.fixture
def redis_url(valkey: ValkeyServer) -> str:
    """An empty server's URL."""
    valkey.flush()
    return valkey.url


@pytest.fixture
async def store(redis_url: str) -> AsyncIterator[Store]:
    """An empty store. After the test, each event in the store must have the members that docs/events.md
    lists, and each key must have a row in the table of state/retention.
    """
    async with open_store(StoreConfig(url=redis_url)) as opened:
        yield opened
        assert await find_unlisted(opened) == [], "MEMBERS in admin/routes/event_kinds.py lists other members"
        assert await find_unowned(opened) == set(), "state/retention has no row for these kinds of keys"
