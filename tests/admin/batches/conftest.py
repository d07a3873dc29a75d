from collections.abc import AsyncIterator

import pytest

from admin.batches import work
from state.store import Store, StoreConfig, open_store


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take turns quickly. Here no gateway ends overdue commands, so the batch does it."""
    monkeypatch.setattr(work, "OVERDUE_S", 0.2)
    monkeypatch.setattr(work, "TURN_S", 0.1)


@pytest.fixture
async def store(redis_url: str) -> AsyncIterator[Store]:
    """A store with a connection for the inbox of each session."""
    async with open_store(StoreConfig(url=redis_url, blocking_connections=64)) as opened:
        yield opened
