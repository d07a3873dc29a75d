"""Orphaned stops and stray meter values over HTTP."""

import msgspec

from state import transactions
from state.keys import ChargePointKeys
from state.transactions import meter_values
from tests.admin.api import TENANT, Api
from tests.admin.problem import is_problem
from tests.support.leases import claimed
from tests.support.transactions import ANSWER, a_stop

PATH = f"/v1/tenants/{TENANT}/charge-points/CP-1"
VALUE = {"timestamp": "2026-01-01T12:05:00Z", "sampledValue": [{"value": "7"}]}


async def test_two_stop_transaction_requests_with_the_transaction_id_minus_1_can_be_listed_and_deleted(
    api: Api,
) -> None:
    lease = (await claimed(api.store, "a/1", ChargePointKeys(TENANT, "CP-1"))).lease
    data = msgspec.json.encode([VALUE])
    for meter, tag in ((900, "TAG"), (1200, None)):
        stop = a_stop(-1, meter_stop=meter, id_tag=tag, reason="PowerLoss", data=data, received_ms=meter)
        await transactions.stop(api.store, lease, stop, ANSWER)
    page = (await api.client.get(f"{PATH}/orphaned-stops")).json()
    assert (page["evicted"], page["next"]) == (0, None)
    one, two = page["items"]
    assert (one["transaction_id"], one["meter_stop"], one["id_tag"]) == ("-1", 900, "TAG")
    assert (two["transaction_id"], two["meter_stop"], two["id_tag"]) == ("-1", 1200, None)
    assert one["reason"] == "PowerLoss"
    assert one["received_at"] == "1970-01-01T00:00:00.900Z"

    values = (await api.client.get(f"{PATH}/stray-meter-values")).json()["items"]
    assert [(found["transaction_id"], found["source"]) for found in values] == [("-1", "transactionData")]

    assert (await api.client.delete(f"{PATH}/orphaned-stops/{one['id']}")).status_code == 204
    is_problem(await api.client.delete(f"{PATH}/orphaned-stops/{one['id']}"), 404, "not-found")
    is_problem(await api.client.delete(f"{PATH}/orphaned-stops/evicted"), 404, "not-found")
    assert (await api.client.get(f"{PATH}/orphaned-stops")).json()["items"] == [two]


async def test_meter_values_without_a_known_transaction_can_be_listed_for_one_connector(api: Api) -> None:
    lease = (await claimed(api.store, "a/1", ChargePointKeys(TENANT, "CP-1"))).lease
    for number, (connector, transaction) in enumerate(((1, None), (1, "77"), (2, None), (300, None))):
        payload = msgspec.json.encode([VALUE, VALUE | {"timestamp": f"2026-01-01T13:00:0{number}Z"}])
        await meter_values.append(
            api.store,
            lease,
            connector_id=connector,
            transaction_id=transaction,
            payload=payload,
            received_ms=1000 + number,
        )
    items = (await api.client.get(f"{PATH}/stray-meter-values?connector_id=1")).json()["items"]
    assert [(one["connector_id"], one["transaction_id"]) for one in items] == [(1, None)] * 2 + [
        (1, "77")
    ] * 2
    assert items[0] == VALUE | {
        "timestamp": "2026-01-01T12:05:00.000Z",
        "source": "MeterValues",
        "received_at": "1970-01-01T00:00:01.000Z",
        "connector_id": 1,
        "transaction_id": None,
    }
    items = (await api.client.get(f"{PATH}/stray-meter-values?connector_id=9999")).json()["items"]
    assert {one["connector_id"] for one in items} == {300}
    assert (await api.client.get(f"{PATH}/stray-meter-values")).json()["items"] == []


async def test_a_request_for_unmatched_stops_or_meter_values_of_an_unknown_charge_point_is_answered_404(
    api: Api,
) -> None:
    for path in ("orphaned-stops", "stray-meter-values"):
        is_problem(await api.client.get(f"{PATH}/{path}"), 404, "not-found")
    is_problem(await api.client.delete(f"{PATH}/orphaned-stops/x"), 404, "not-found")
    response = await api.client.get(f"{PATH}/stray-meter-values?connector_id=-1")
    assert is_problem(response, 422, "invalid-request")["errors"][0]["parameter"] == "connector_id"
