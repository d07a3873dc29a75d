import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.running import Running, csms_up


@pytest.fixture(scope="session")
def running() -> Iterator[Running]:
    """One `csms up` for all tests that do not harm it."""
    directory = Path(tempfile.mkdtemp(prefix="csms-up-"))
    try:
        with csms_up(directory / "data", "--drain-seconds", "1") as found:
            yield found
    finally:
        shutil.rmtree(directory, ignore_errors=True)
