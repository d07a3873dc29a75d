from collections.abc import AsyncIterator

import pytest

from state.store import Store
from state.tenants import tenants
from tests.admin.api import TENANT, Api, serving


@pytest.fixture
async def api(store: Store) -> AsyncIterator[Api]:
    """Serve the API with one tenant."""
    await tenants.put(store, TENANT, name="Acme", auto_register=False)
    async with serving(store) as api:
        yield api
