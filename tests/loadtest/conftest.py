"""A central system for the runs of these tests."""

from collections.abc import Iterator

import pytest

from tests.support.mutant_server import MutantServer, mutant_server


@pytest.fixture(scope="module")
def server() -> Iterator[MutantServer]:
    with mutant_server() as found:
        yield found
