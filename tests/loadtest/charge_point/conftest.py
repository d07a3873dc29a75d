"""The answers of a charge point that stands still."""

import pytest
import trustme

from loadtest.charge_point.responses import Responses
from tests.loadtest.charge_point.asking import Idle


@pytest.fixture
def day() -> Idle:
    return Idle()


@pytest.fixture
def ours(day: Idle) -> Responses:
    return Responses(day)


@pytest.fixture(scope="module")
def root() -> str:
    return trustme.CA().cert_pem.bytes().decode()
