import secrets
import ssl
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from tests.conformance.laboratory import Laboratory, prepared
from tests.support.csms_up import Running


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--security-profile",
        type=int,
        choices=(0, 2, 3),
        default=0,
        help="security profile with which the charge points of the certification cases connect",
    )


@pytest.fixture(scope="package")
def running() -> Iterator[Running]:
    """Run one `csms up` for all cases."""
    with prepared() as found:
        yield found


@pytest.fixture(scope="package")
def tls(running: Running) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=running.ca_file)


@pytest.fixture
async def lab(
    request: pytest.FixtureRequest, running: Running, tls: ssl.SSLContext
) -> AsyncIterator[Laboratory]:
    """Make a charge point that only this case uses."""
    async with httpx.AsyncClient(
        base_url=f"{running.admin}/v1/tenants/{running.tenant}",
        headers={"Authorization": f"Bearer {running.api_key}"},
        timeout=60,
        verify=tls,  # The development CA is not used here, and making one takes longer than a case.
    ) as api:
        profile = request.config.getoption("--security-profile", default=0)
        yield Laboratory(running, tls, api, f"octt-{secrets.token_hex(6)}", profile)
