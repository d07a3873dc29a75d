"""A fleet goes from security profile 0 to 2 and 3 by the commands of docs/security.md, and back."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import trio

from tests.support.csms_up import Running, csms_up
from tests.support.secure_charge_point import Json, SecureChargePoint
from tests.support.waiting import GENEROUS_S

PAGE = Path(__file__).parents[2] / "docs/security.md"
_BLOCK = re.compile(r"^```sh fleet\n(.*?)^```\n", re.MULTILINE | re.DOTALL)


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    with csms_up(tmp_path / "data", "--drain-seconds", "0") as found:
        yield found


class Operator:
    """Runs the commands of the page in bash, for a tenant of its own."""

    def __init__(self, running: Running) -> None:
        functions, *self.steps = _BLOCK.findall(PAGE.read_text())
        self.running = running
        self._head = (
            f'acme="{running.admin}/v1/tenants/{running.tenant}"\n'
            'api() { curl -s -H "Authorization: Bearer $API_KEY" -H "Content-Type: application/json" "$@"; '
            "echo; }\n" + functions
        )

    async def run(self, commands: str) -> None:
        await trio.to_thread.run_sync(self._run, commands)

    def _api(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            base_url=f"{self.running.admin}/v1/tenants/{self.running.tenant}",
            headers={"Authorization": f"Bearer {self.running.api_key}"},
            timeout=GENEROUS_S,
        )

    def _run(self, commands: str) -> None:
        done = subprocess.run(
            ["bash", "-c", self._head + commands],
            env={"PATH": "/usr/bin:/bin", "API_KEY": self.running.api_key},
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    async def sign_automatically(self) -> None:
        async with self._api() as client:
            settings = {"auto_register": True, "certificate_signing": "automatic"}
            (await client.put(str(client.base_url).rstrip("/"), json=settings)).raise_for_status()

    async def read_floors(self) -> list[int]:
        async with self._api() as client:
            listed = (await client.get("/charge-points", params={"limit": 1000})).json()["items"]
            return [
                (await client.get(f"/charge-points/{one['id']}/security")).json()["security_profile"]
                for one in listed
            ]


async def wait_for(fleet: list[SecureChargePoint], profile: int) -> None:
    """Wait until the whole fleet is connected with this profile."""
    with trio.fail_after(GENEROUS_S):
        while any(one.profile != profile or not one.connected.is_set() for one in fleet):  # noqa: ASYNC110
            await trio.sleep(0.05)


@pytest.mark.parametrize("size", [3, pytest.param(200, marks=pytest.mark.slow)])
async def test_a_fleet_is_raised_by_the_commands_of_the_page_and_lowered_by_an_operator(
    running: Running, size: int
) -> None:
    operator = Operator(running)
    to_two, to_three, lower = operator.steps
    fleet = [SecureChargePoint(running, f"raise-{number:03}") for number in range(size)]
    await operator.sign_automatically()
    async with trio.open_nursery() as nursery:
        for one in fleet:
            await nursery.start(one.run)
        assert await operator.read_floors() == [0] * size
        for profile, commands in ((2, to_two), (3, to_three)):
            await operator.run(commands)
            await wait_for(fleet, profile)
            assert await operator.read_floors() == [profile] * size
            assert all([await one.is_refused(0) for one in fleet[:3]])
        assert sum(one.refused for one in fleet) == 0
        for one in fleet:  # A technician brings the charge points back.
            one.wanted, one.password, one.chain = 0, None, ""
        await operator.run(lower + 'for id in $(fleet); do lower "$id" 0; restart "$id"; done')
        await wait_for(fleet, 0)
        assert await operator.read_floors() == [0] * size
        nursery.cancel_scope.cancel()


class Stubborn(SecureChargePoint):
    """Rejects its password, and remembers whether it was told to go on anyway."""

    told = False

    def _answer(self, action: str, payload: Json) -> Json:
        if payload.get("key") == "AuthorizationKey":
            return {"status": "Rejected"}
        self.told |= action == "Reset" or payload.get("key") == "SecurityProfile"
        return super()._answer(action, payload)


async def test_a_charge_point_that_refuses_its_password_is_neither_raised_nor_restarted(
    running: Running,
) -> None:
    operator = Operator(running)
    stubborn, willing = Stubborn(running, "stubborn"), SecureChargePoint(running, "willing")
    await operator.sign_automatically()
    async with trio.open_nursery() as nursery:
        await nursery.start(stubborn.run)
        await nursery.start(willing.run)
        await operator.run(operator.steps[0])
        await wait_for([willing], 2)
        assert not stubborn.told
        assert sorted(await operator.read_floors()) == [0, 2]
        nursery.cancel_scope.cancel()
