import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

import pytest

from tests.support.shared import Shared
from tests.system.central import Central, Process, central_system


class System:
    """A store, an admin process, and two gateways if a test needs them."""

    def __init__(self, central: Central) -> None:
        self.central = central
        self._started: list[Process] = []

    @cached_property
    def gateways(self) -> tuple[Process, Process]:
        pair = self.central.start_gateway(), self.central.start_gateway()
        self._started += pair
        for process in pair:
            process.wait_ready()
        return pair

    def stop_gateways(self) -> None:
        for process in self._started:
            process.stop()


@pytest.fixture(scope="session")
def shared_system(request: pytest.FixtureRequest) -> Shared[System]:
    return Shared(request, _system)


@contextmanager
def _system() -> Iterator[System]:
    directory = Path(tempfile.mkdtemp(prefix="csms-sys-"))
    try:
        with central_system(directory) as central:
            system = System(central)
            try:
                yield system
            finally:
                system.stop_gateways()
        for log in directory.glob("*.log"):  # No test may cause an error that the product did not expect.
            unforeseen = [line for line in log.read_text().splitlines() if "Traceback" in line]
            assert not unforeseen, f"{log.name}: {unforeseen[0][:3000]}"
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="module")
def central(shared_system: Shared[System]) -> Central:
    """A store and an admin process for tests that start their own gateways and may kill these gateways."""
    return shared_system.get().central


@pytest.fixture(scope="module")
def gateways(shared_system: Shared[System]) -> tuple[Process, Process]:
    """Two gateways on the central system's store, for tests that do not harm them."""
    return shared_system.get().gateways
