"""The overview of a tenant, and the troubles of its charge points, as operators see them."""

from typing import Any

import pytest
import trio

from state import troubles
from state.charge_points import Settings, connectors, put
from state.charge_points.connectors import Connector
from state.keys import ChargePointKeys
from state.transactions import failed_starts
from state.troubles import KINDS
from tests.admin.api import TENANT, Api
from tests.admin.fake_session import connected, is_silent
from tests.admin.problem import is_problem

OVERVIEW = f"/v1/tenants/{TENANT}/overview"
CHARGE_POINTS = f"/v1/tenants/{TENANT}/charge-points"


async def examine(api: Api) -> None:
    async def rest(_examined: int) -> bool:
        await trio.lowlevel.checkpoint()
        return True

    assert await troubles.examine(api.store, TENANT, rest, troubles.Figures())


async def make_deaf(api: Api, charge_point: str) -> None:
    for _ in range(2):
        answer = await api.client.post(
            f"{CHARGE_POINTS}/{charge_point}/commands/Reset", params={"timeout": 1}, json={"type": "Soft"}
        )
        assert answer.status_code == 504, answer.text


async def read(api: Api, **query: str) -> dict[str, Any]:
    answer = await api.client.get(OVERVIEW, params=query)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_the_overview_of_a_tenant_without_charge_points_has_only_zeros(api: Api) -> None:
    found = await read(api)
    assert found["as_of"] is None
    assert set(found["charge_points"].values()) == {0}
    assert found["boot_status"] == found["connectors"] == found["troubles"] == {}
    assert found["transactions"].pop("since").endswith("T00:00:00.000Z")
    assert set(found["transactions"].values()) == {0}
    assert found["urgent"] == []


async def test_the_overview_counts_and_names_the_charge_points_that_need_somebody(api: Api) -> None:
    await put(api.store, TENANT, "NEW", Settings())
    async with (
        connected(api.store, TENANT, "GOOD") as good,
        connected(api.store, TENANT, "DEAF", is_silent),
    ):
        status = Connector(connector_id=1, status="Charging", error_code="NoError", received_ms=1)
        await connectors.record_status(api.store, good.lease, status)
        await make_deaf(api, "DEAF")
        await failed_starts.note(api.store, ChargePointKeys(TENANT, "GOOD"), "GOOD.1")
        await examine(api)
        found = await read(api)
    assert found["as_of"] is not None
    assert found["charge_points"] == {
        "registered": 3,
        "online": 2,
        "offline": 0,
        "never_connected": 1,
        "in_trouble": 1,
    }
    assert found["boot_status"] == {"none": 3}
    assert found["connectors"] == {"Charging": 1}
    assert found["transactions"]["starts_failed"] == 1
    assert found["troubles"] == {"deaf": 1}
    [urgent] = found["urgent"]
    assert urgent["charge_point"] == "DEAF"
    [trouble] = urgent["troubles"]
    assert trouble.pop("since") <= found["as_of"]
    assert trouble == {
        "kind": "deaf",
        "detail": "the last 2 commands had no answer in time",
        "what_to_do": KINDS["deaf"].do,
    }


async def test_the_day_of_the_overview_begins_at_the_time_that_the_client_gives(api: Api) -> None:
    found = await read(api, since="2026-01-31T00:00:00+01:00")
    assert found["transactions"]["since"] == "2026-01-30T23:00:00.000Z"
    for wrong in ("2026-01-31", "2026-01-31T00:00:00", "today"):
        is_problem(await api.client.get(OVERVIEW, params={"since": wrong}), 422, "invalid-request")
    is_problem(await api.client.get(OVERVIEW, params={"timezone": "UTC"}), 422, "invalid-request")


async def test_a_charge_point_shows_its_troubles_and_the_list_shows_them_only_with_the_filter(
    api: Api,
) -> None:
    async with connected(api.store, TENANT, "GOOD"), connected(api.store, TENANT, "DEAF", is_silent):
        await make_deaf(api, "DEAF")
        await examine(api)
        good, deaf = [(await api.client.get(f"{CHARGE_POINTS}/{one}")).json() for one in ("GOOD", "DEAF")]
        assert good["troubles"] == []
        assert [one["kind"] for one in deaf["troubles"]] == ["deaf"]
        for trouble in ("deaf", "any"):
            [item] = await api.read_all(CHARGE_POINTS, trouble=trouble)
            assert item["id"] == "DEAF"
            assert item["troubles"] == deaf["troubles"]
        assert await api.read_all(CHARGE_POINTS, trouble="offline") == []
        assert await api.read_all(CHARGE_POINTS, trouble="deaf", online="false") == []
        assert [one["troubles"] for one in await api.read_all(CHARGE_POINTS)] == [None, None]


async def test_the_list_refuses_a_trouble_that_does_not_exist(api: Api) -> None:
    is_problem(await api.client.get(CHARGE_POINTS, params={"trouble": "sad"}), 422, "invalid-request")


@pytest.mark.parametrize("tenants", [["other"], []])
async def test_the_overview_is_only_for_keys_of_the_tenant(api: Api, tenants: list[str]) -> None:
    answer = await api.client.get(OVERVIEW, headers=await api.as_key(tenants))
    is_problem(answer, 404, "not-found")
