import secrets
import ssl
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from tests.conformance import cases
from tests.conformance.laboratory import Laboratory, prepared
from tests.support.csms_up import Running


@pytest.hookimpl
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        case = cases.case_of(item.name)
        if case is not None and case.awaits is not None and item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.skip(reason=case.awaits))


@pytest.fixture(scope="package")
def running() -> Iterator[Running]:
    """Run one `csms up` for all cases."""
    with prepared() as found:
        yield found


@pytest.fixture(scope="package")
def tls(running: Running) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=running.ca_file)


@pytest.fixture
async def lab(running: Running, tls: ssl.SSLContext) -> AsyncIterator[Laboratory]:
    """Make a charge point that only this case uses."""
    async with httpx.AsyncClient(
        base_url=f"{running.admin}/v1/tenants/{running.tenant}",
        headers={"Authorization": f"Bearer {running.api_key}"},
        timeout=60,
        verify=tls,  # The development CA is not used here, and making one takes longer than a case.
    ) as api:
        yield Laboratory(running, tls, api, f"octt-{secrets.token_hex(6)}")
