"""A gateway with two tenants, each with a charge point that has a password."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import NamedTuple
from urllib.parse import urlsplit

import trio

from state import charge_points
from state.charge_points import Settings, passwords, refusals, security
from state.keys import ChargePointKeys
from state.store import Store
from state.tenants import tenants, tokens
from state.tenants.credentials import NewSecret
from tests.support.inner_gateway import PEPPER, InnerGateway, inner_gateway
from tests.support.raw_upgrade import Answer, basic, upgrade, upgrade_raw

KEY = bytes.fromhex("5f3a9c17e2d04b86a1c97e30f45d2b6810ce7a94")
RIGHT = basic("CP-1", KEY)
WRONG = basic("CP-1", b"x" * 20)


class Scene(NamedTuple):
    """A gateway with two tenants. `strict` demands profile 1, and `open` allows profile 0.

    Each tenant has the charge point CP-1 with a password. `paths` has the paths of CP-1.
    """

    store: Store
    gateway: InnerGateway
    made: dict[str, NewSecret]

    @property
    def root(self) -> str:
        return f"ws://127.0.0.1:{urlsplit(self.gateway.url).port}"

    def path(self, tenant: str = "strict", charge_point: str = "CP-1", token: str | None = None) -> str:
        token = token or self.made[tenant].secret
        return f"/OCPP16/{tenant}/{token}/{charge_point}"

    async def answer(self, path: str, *headers: str) -> Answer:
        return await trio.to_thread.run_sync(partial(upgrade, self.root, path=path, headers=headers))

    async def refused(self, path: str, *headers: str) -> bytes:
        return await trio.to_thread.run_sync(partial(upgrade_raw, self.root, path=path, headers=headers))

    async def reasons(self, tenant: str = "strict", charge_point: str = "CP-1") -> dict[str, int]:
        await self.gateway.node.refusals.write()
        return {one.reason: one.times for one in await refusals.read(self.store, tenant, charge_point)}


@asynccontextmanager
async def scene(store: Store, redis_url: str, failures: int = 1_000) -> AsyncIterator[Scene]:
    made = {}
    for tenant, profile in (("open", 0), ("strict", 1)):
        await tenants.put(
            store,
            tenant,
            name="",
            auto_register=False,
            security_profile=1 if profile else 0,
        )
        made[tenant] = await tokens.create(store, PEPPER.encode(), tenant)
        await charge_points.put(store, tenant, "CP-1", Settings())
        keys = ChargePointKeys(tenant, "CP-1")
        digest = passwords.digest(PEPPER.encode(), keys.member, KEY)
        await security.set_password(store, keys, digest, 1)
    async with inner_gateway(store, redis_url, failures=failures) as gateway:
        yield Scene(store, gateway, made)
