"""`csms archive write` is killed at random moments: nothing is lost, and nothing counts twice."""

import os
import random
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import msgspec
import pytest
import trio

from admin.archive.files import read_places
from admin.archive.verify import Total, verify
from state.store import Store
from tests.admin.api import PEPPER
from tests.support.archives import entries, list_files
from tests.support.finished import DAY_MS, STOPPED_MS, finish

SEED = 7
KILLS = 12
# The settings of the child make each file as small as possible, so that there are many steps to be killed in.
CHILD = """
from admin.archive import archive, archiver, task
archive.FILE_TEXT = archiver._TEXT_AT_ONCE = 1
task.DUTY_MS = 1
from admin.cli import archive
print("begin", flush=True)
archive.write()
"""


async def _write(environment: dict[str, str], kill_after_s: float | None) -> int:
    """Run the command, and kill it some time after it began. Returns its exit code."""
    child = await trio.lowlevel.open_process(
        [sys.executable, "-c", CHILD], env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert child.stdout is not None
    async with child.stdout:
        await child.stdout.receive_some()
        if kill_after_s is not None:
            with trio.move_on_after(kill_after_s):
                await child.wait()
            if child.returncode is None:
                child.kill()
        with trio.fail_after(60):
            return await child.wait()


@pytest.mark.slow
async def test_a_writer_that_is_killed_again_and_again_archives_each_transaction_once(
    store: Store, redis_url: str, tmp_path: Path
) -> None:
    expected = {
        f"CP.{name}.{await finish(store, f'CP.{name}', b'[1]', received_ms=STOPPED_MS + day * DAY_MS)}"
        for name in range(20)
        for day in range(10)
    }
    directory, dice = tmp_path / "archive", random.Random(SEED)
    environment = os.environ | {
        "CSMS__STORE__URL": redis_url,
        "CSMS__SECURITY__PEPPER": PEPPER.decode(),
        "CSMS__ARCHIVE__DIRECTORY": str(directory),
    }
    codes = [await _write(environment, dice.uniform(0.05, 1.0)) for _ in range(KILLS)]
    assert codes.count(-signal.SIGKILL) > 3, codes
    assert await _write(environment, None) == 0
    listed = [entry.file for entry in entries(directory)]
    found = Counter(
        msgspec.json.decode(line)["id"] for file in listed for _, line in read_places(directory / file)
    )
    assert found == Counter(expected)
    assert list_files(directory) == set(listed)
    assert list(verify(directory, Total())) == []
    assert await store.execute("KEYS", "*:transaction:*") == []
