"""The scene in which these tests try handshakes."""

from collections.abc import AsyncIterator

import pytest

from state.store import Store
from tests.gateway.admission.handshake_scene import Scene, scene


@pytest.fixture
async def found(store: Store, redis_url: str) -> AsyncIterator[Scene]:
    async with scene(store, redis_url) as opened:
        yield opened
