"""An operator finds out what is wrong with a charge point that connects: over the API and with `csms`.

Why a charge point does not connect is in test_why_not_connected.py.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any, NamedTuple

import httpx
import pytest
import trio

from gateway.websocket.client import UpgradeRefused
from state.spells import FAULTS
from tests.support.charge_point_peer import charge_point
from tests.support.up_process import csms
from tests.support.waiting import until
from tests.system.central import Central, Process, Tenant

BOOT = {"chargePointVendor": "v", "chargePointModel": "m"}


class Scene(NamedTuple):
    """One tenant, whose charge points connect to one gateway."""

    tenant: Tenant
    gateway: Process
    api: httpx.AsyncClient

    def url(self, charge_point: str) -> str:
        return self.tenant.url(self.gateway, charge_point)

    async def csms(self, *arguments: str) -> str:
        """Return what a command prints for people."""
        tenant = self.tenant
        environ = {"CSMS_API_URL": tenant.admin, "CSMS_API_KEY": tenant.api_key, "CSMS_TENANT": tenant.id}
        done = await trio.to_thread.run_sync(partial(csms, *arguments, env=environ))
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture
async def scene(central: Central, gateways: tuple[Process, Process]) -> AsyncIterator[Scene]:
    tenant = central.tenant()
    async with tenant.api() as api:
        yield Scene(tenant, gateways[0], api)


# --- The charge points ---


@asynccontextmanager
async def hold_back(scene: Scene) -> AsyncIterator[None]:
    """Connect a charge point that an operator has not accepted."""
    made = await scene.api.put("/charge-points/held_back", json={"registration": "Pending"})
    assert made.status_code == 201
    async with charge_point(scene.url("held_back")) as peer:
        assert (await peer.call("BootNotification", BOOT))["status"] == "Pending"
        yield


@asynccontextmanager
async def flap(scene: Scene) -> AsyncIterator[None]:
    """Connect two devices with one name, each of which replaces the other, until one is refused."""
    async with AsyncExitStack() as devices:

        async def connect_until_refused() -> None:
            for _ in range(12):
                await devices.enter_async_context(charge_point(scene.url("flapping")))

        with pytest.raises(UpgradeRefused) as refused:
            await connect_until_refused()
        assert refused.value.status == 429
        yield


@asynccontextmanager
async def be_deaf(scene: Scene) -> AsyncIterator[None]:
    """Connect a charge point that answers none of two commands."""
    async with charge_point(scene.url("deaf"), lambda *_: None) as peer:
        await peer.call("BootNotification", BOOT)
        for _ in range(2):
            sent = await scene.api.post("/charge-points/deaf/commands/ClearCache?timeout=1", json={})
            assert sent.status_code == 504, sent.text
        yield


@asynccontextmanager
async def be_sloppy(scene: Scene) -> AsyncIterator[None]:
    """Connect a charge point again that sent many messages with a member that OCPP does not have."""
    async with charge_point(scene.url("sloppy")) as peer:
        for _ in range(round(FAULTS.threshold) + 5):
            await peer.call("Heartbeat", {"odd": 1})
    async with charge_point(scene.url("sloppy")):
        yield


class Broken(NamedTuple):
    """`play` connects the charge point. `seen` and `words` are in what the operator reads of its trouble."""

    play: Callable[[Scene], AbstractAsyncContextManager[None]]
    seen: str
    words: str


BROKEN = {
    "held_back": Broken(hold_back, "was answered Pending", "Accept the charge point with POST"),
    "flapping": Broken(flap, "connects again and again", "no second device uses its name"),
    "deaf": Broken(be_deaf, "the last 2 commands had no answer", "Close its connection"),
    "sloppy": Broken(be_sloppy, "does not keep to OCPP", "Read its faults with GET"),
}


# --- The operator ---


async def read_troubles(scene: Scene, name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await scene.api.get(f"/charge-points/{name}")).json()["troubles"]
    return found


@pytest.mark.parametrize("kind", BROKEN)
async def test_a_charge_point_in_trouble_says_what_is_wrong_and_what_to_do(scene: Scene, kind: str) -> None:
    broken = BROKEN[kind]
    async with broken.play(scene):

        async def is_shown() -> bool:
            return [one["kind"] for one in await read_troubles(scene, kind)] == [kind]

        await until(is_shown)
        [trouble] = await read_troubles(scene, kind)
        assert broken.seen in trouble["detail"]
        assert broken.words in trouble["what_to_do"]
        printed = await scene.csms("charge-points", "troubles", kind)
        assert all(part in printed for part in (kind, trouble["detail"], trouble["what_to_do"]))


async def test_a_flapping_charge_point_is_among_the_refusals(scene: Scene) -> None:
    async with flap(scene):

        async def is_listed() -> bool:
            return bool((await scene.api.get("/refusals?reason=flapping")).json()["items"])

        await until(is_listed)
        [record] = (await scene.api.get("/refusals?reason=flapping")).json()["items"]
        assert record["charge_point"] == "flapping"
        assert record["remedy"] in await scene.csms("refusals", "--charge-point", "flapping")


async def test_what_to_do_about_a_charge_point_that_is_held_back_helps(scene: Scene) -> None:
    async with hold_back(scene):
        assert (await scene.api.post("/charge-points/held_back/accept")).status_code == 200
        assert await read_troubles(scene, "held_back") == []


async def test_the_overview_names_the_charge_points_that_need_somebody_and_why(scene: Scene) -> None:
    async with AsyncExitStack() as stack:
        for broken in BROKEN.values():
            await stack.enter_async_context(broken.play(scene))

        async def is_complete() -> bool:
            urgent = (await scene.api.get("/overview")).json()["urgent"]
            return {one["charge_point"] for one in urgent} == BROKEN.keys()

        await until(is_complete)
        found = (await scene.api.get("/overview")).json()
        printed = await scene.csms("charge-points", "troubles")
    for one in found["urgent"]:
        broken, [trouble] = BROKEN[one["charge_point"]], one["troubles"]
        assert trouble["kind"] == one["charge_point"]
        assert broken.words in trouble["what_to_do"]
        assert trouble["what_to_do"] in printed
