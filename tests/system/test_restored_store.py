"""The store is restored from a backup while charge points are connected.

`python -m tests.backup` plays the same with more charge points, and for longer.
"""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.backup.playing import play
from tests.system.central import Central, central_system


@pytest.fixture
def doomed() -> Iterator[Central]:
    directory = Path(tempfile.mkdtemp(prefix="csms-restore-"))
    try:
        with central_system(directory) as found:
            yield found
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@pytest.mark.slow  # The charge points charge for half a minute.
async def test_sessions_go_on_after_a_restore_and_what_it_lost_is_listed(doomed: Central) -> None:
    found = await play(doomed, sessions=20, minutes=0.2, pause_s=3, say=lambda _: None)
    assert found.lost == found.listed
    assert len(found.lost) > 0
    assert (found.early, found.reissued, found.closed, found.offline) == (0, 0, 0, 0)
