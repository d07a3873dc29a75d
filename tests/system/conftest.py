import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.central import Central, Process, central_system


@pytest.fixture(scope="session")
def central() -> Iterator[Central]:
    """A store and an admin process for tests that start their own gateways and may kill these gateways."""
    directory = Path(tempfile.mkdtemp(prefix="csms-sys-"))
    try:
        with central_system(directory) as found:
            yield found
            for log in directory.glob("*.log"):  # No test may cause an error that the product did not expect.
                unforeseen = [line for line in log.read_text().splitlines() if "Traceback" in line]
                assert not unforeseen, f"{log.name}: {unforeseen[0][:3000]}"
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="session")
def gateways(central: Central) -> Iterator[tuple[Process, Process]]:
    """Two gateways on the central system's store, for tests that do not harm them."""
    pair = central.start_gateway(), central.start_gateway()
    try:
        for process in pair:
            process.wait_ready()
        yield pair
    finally:
        for process in pair:
            process.stop()
