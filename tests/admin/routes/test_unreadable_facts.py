"""Facts that could not be read, over HTTP."""

from state.charge_points import unreadable_facts
from state.keys import ChargePointKeys
from tests.admin.api import TENANT, Api
from tests.admin.problem import is_problem
from tests.support.leases import claimed

KEYS = ChargePointKeys(TENANT, "CP-1")
PATH = f"/v1/tenants/{TENANT}/charge-points/CP-1/unreadable-facts"


async def test_unreadable_facts_are_listed_latest_first_and_can_be_deleted(api: Api) -> None:
    await claimed(api.store, "a/1", KEYS)
    assert (await api.client.get(PATH)).json() == {"items": [], "evicted": 0, "next": None}
    texts = ('[2,"1","MeterValues",{', "\ufeff<\0>\ud7ff\U0001f600 StopTransaction")
    for at_ms, text in enumerate((*texts, texts[0]), 1):
        await unreadable_facts.keep(api.store, KEYS, text, 70_000 + at_ms, at_ms)
    first, second = (await api.client.get(PATH)).json()["items"]
    assert first == {
        "id": first["id"],
        "text": texts[0],
        "length": 70_001,
        "times": 2,
        "first_received_at": "1970-01-01T00:00:00.001Z",
        "last_received_at": "1970-01-01T00:00:00.003Z",
    }
    assert (second["text"], second["times"]) == (texts[1], 1)
    assert (await api.client.delete(f"{PATH}/{first['id']}")).status_code == 204
    is_problem(await api.client.delete(f"{PATH}/{first['id']}"), 404, "not-found")
    assert (await api.client.get(PATH)).json()["items"] == [second]


async def test_the_number_of_unreadable_facts_that_are_no_longer_kept_is_shown(api: Api) -> None:
    await claimed(api.store, "a/1", KEYS)
    for n in range(unreadable_facts.KEPT + 2):
        await unreadable_facts.keep(api.store, KEYS, f"MeterValues {n}", 20, n)
    page = (await api.client.get(PATH)).json()
    assert (len(page["items"]), page["evicted"]) == (100, 2)
    is_problem(await api.client.delete(f"{PATH}/evicted"), 404, "not-found")


async def test_a_request_for_unreadable_facts_of_an_unknown_charge_point_is_answered_404(api: Api) -> None:
    is_problem(await api.client.get(PATH), 404, "not-found")
    is_problem(await api.client.delete(f"{PATH}/x"), 404, "not-found")
