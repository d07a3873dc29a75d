"""What charges during the update."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Protocol

import httpx
import msgspec

from tests.system.central import Tenant

type Change = Callable[[], Awaitable[None]]


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """Where to charge. `port` is that of the Service, on 127.0.0.1. `directory` is for files of the load."""

    port: int
    tenant: Tenant
    ca_file: Path
    directory: Path


class Load(Protocol):
    async def run(self, target: Target, change: Change) -> None:
        """Connect all charge points, await `change()` while they charge, and let them leave."""
        ...

    async def find_problems(self, api: httpx.AsyncClient) -> list[str]:
        """Return what was answered and is not in the records, and whatever else went wrong."""
        ...

    def describe(self) -> dict[str, object]:
        """Return what the charge points saw, by name, for the table."""
        ...
