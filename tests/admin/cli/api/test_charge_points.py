import json

from state.charge_points import refusals
from state.charge_points.refusals import Gathered
from state.keys import ChargePointKeys
from state.tenants.refusal_records import Refusals
from tests.admin.api import TENANT, Api
from tests.admin.cli.api.run import Run
from tests.admin.fake_session import connected
from tests.support.up_process import one_line

PATH = f"/v1/tenants/{TENANT}/charge-points"


async def register(api: Api, *names: str) -> None:
    for name in names:
        response = await api.client.put(f"{PATH}/{name}", json={"description": f"bay of {name}"})
        assert response.status_code == 201


async def test_the_list_shows_the_charge_points_that_the_filters_find(api: Api, run: Run) -> None:
    await register(api, "A-1", "A-2", "B-1")
    async with connected(api.store, TENANT, "A-1"):
        listed = await run("charge-points", "list", "--prefix", "A-", "--output", "json")
        online = await run("charge-points", "list", "--online")
        offline = await run("charge-points", "list", "--offline")
    assert [json.loads(line)["id"] for line in listed.stdout.splitlines()] == ["A-1", "A-2"]
    assert "A-1" in online.stdout
    assert "A-2" not in online.stdout
    assert "A-1" not in offline.stdout
    assert "bay of B-1" in offline.stdout


async def test_the_list_has_a_column_of_troubles_only_if_it_knows_them(api: Api, run: Run) -> None:
    """An empty column would say that nothing troubles the charge points."""
    await register(api, "A-1")
    assert "troubles" not in (await run("charge-points", "list")).stdout
    assert "troubles" in (await run("charge-points", "list", "--trouble", "any")).stdout


async def test_one_charge_point_is_shown_with_all_its_members(api: Api, run: Run) -> None:
    await register(api, "A-1")
    shown = json.loads((await run("charge-points", "show", "A-1", "-o", "json")).stdout)
    assert shown == (await api.client.get(f"{PATH}/A-1")).json()
    table = (await run("charge-points", "show", "A-1")).stdout
    assert all(member in table for member in ("description", "bay of A-1", "connection.online"))


async def test_a_charge_point_that_is_online_is_disconnected(api: Api, run: Run) -> None:
    async with connected(api.store, TENANT, "A-1"):
        done = await run("charge-points", "disconnect", "A-1")
        assert (done.returncode, done.stdout) == (0, "the gateway closes the connection of A-1\n")
    await register(api, "A-2")
    done = await run("charge-points", "disconnect", "A-2")
    assert done.returncode == 4
    assert one_line(done).endswith("A-2 is offline, so there is no connection to close")


async def test_troubles_are_shown_for_one_charge_point_and_for_the_tenant(api: Api, run: Run) -> None:
    await register(api, "A-1", "A-2")
    async with connected(api.store, TENANT, "A-1"):
        assert (await run("charge-points", "troubles", "A-1")).stdout == "nothing troubles A-1\n"
    never = (await run("charge-points", "troubles", "A-2")).stdout
    assert never.startswith("A-2 has never connected.")
    assert "`csms refusals --unknown`" in never
    await refuse(api, "A-2")
    shown = (await run("charge-points", "troubles", "A-2")).stdout
    assert "refused once for the reason wrong_token" in shown
    assert "GET .../charge-points/{id}/refusals says what was wrong" in shown
    overview = await run("charge-points", "troubles", "--output", "json")
    assert json.loads(overview.stdout)["charge_points"]["registered"] == 2


async def refuse(api: Api, name: str) -> None:
    now_ms = api.store.server_time_ms()
    refused = Refusals(TENANT, name, "192.0.2.7", "wrong_token", 1, now_ms, now_ms, "")
    await refusals.record(api.store, [Gathered(refused, ChargePointKeys(TENANT, name), failed=True)])
