from typing import Any

import msgspec
import pytest

from state.keys import ChargePointKeys
from state.transactions import meter_values, packing, stop
from tests.admin.api import TENANT, Api
from tests.admin.problem import is_problem
from tests.support.transactions import ANSWER, a_start, a_stop, begin, charging, claimed, fill

PATH = f"/v1/tenants/{TENANT}/transactions"
KEYS = ChargePointKeys(TENANT, "CP-1")


async def charge(api: Api, count: int) -> str:
    """Store a transaction with `count` messages, and return the path of its meter values."""
    lease = await claimed(api.store, "CP-1", tenant=TENANT)
    id_ = await begin(api.store, lease)
    await fill(api.store, lease, id_, charging(count))
    return f"{PATH}/CP-1.{id_}/meter-values"


async def pack(api: Api, path: str) -> None:
    id_ = path.split("/")[-2].rpartition(".")[2]
    lease = await claimed(api.store, "CP-1", tenant=TENANT)
    await stop(api.store, lease, a_stop(id_), ANSWER)
    await packing.pack_due(api.store, KEYS.partition, 2**50, 10)


def sent(count: int) -> list[str]:
    return [msgspec.json.decode(payload)[0]["timestamp"] for _, payload in charging(count)]


async def test_meter_values_are_listed_in_pages_before_and_after_their_packing(api: Api) -> None:
    path = await charge(api, 1_100)
    for _ in range(2):
        first = (await api.client.get(path)).json()
        assert [one["timestamp"] for one in first["items"]] == sent(1_000)
        second = (await api.client.get(path, params={"cursor": first["next"]})).json()
        assert [one["timestamp"] for one in second["items"]] == sent(1_100)[1_000:]
        assert second["next"] is None
        await pack(api, path)


@pytest.mark.parametrize("limit", [7, 300])
async def test_a_limit_counts_messages_and_raw_messages_come_with_their_page(api: Api, limit: int) -> None:
    path = await charge(api, 600)
    await pack(api, path)
    found: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = (await api.client.get(path, params={"limit": limit, "raw": "true", **cursor})).json()
        assert len(page["items"]) == len(page["raw"]) <= limit
        found += [one["values"][0]["timestamp"] for one in page["raw"]]
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}
    assert found == sent(600)


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "limit=many", "cursor=x", "cursor=MQ"])
async def test_a_limit_or_cursor_that_is_not_valid_is_answered_422(api: Api, query: str) -> None:
    path = await charge(api, 3)
    is_problem(await api.client.get(f"{path}?{query}"), 422, "invalid-request")


async def test_a_transaction_shows_how_many_messages_were_not_kept(api: Api) -> None:
    path = await charge(api, 1)
    id_ = path.split("/")[-2].rpartition(".")[2]
    lease = await claimed(api.store, "CP-1", tenant=TENANT)
    await api.store.execute("HSET", KEYS.values(id_), *(part for n in range(99_999) for part in (f"{n}", 1)))
    for received_ms, payload in charging(4)[1:]:
        appended = await meter_values.append(
            api.store,
            lease,
            connector_id=1,
            transaction_id=id_,
            payload=payload,
            received_ms=received_ms,
        )
        assert appended.outcome == "dropped"
    found = (await api.client.get(path.removesuffix("/meter-values"))).json()
    assert found["dropped_meter_values"] == 3


async def test_values_of_the_connector_that_came_without_an_id_in_the_time_of_the_transaction_are_offered(
    api: Api,
) -> None:
    lease = await claimed(api.store, "CP-1", tenant=TENANT)
    id_ = await begin(api.store, lease)
    fact = a_stop(id_)
    begin_ms, end_ms = a_start().received_ms, fact.received_ms
    times_ms = [begin_ms - 1, begin_ms, *[begin_ms + 5] * 3, begin_ms + 6, end_ms, end_ms + 1]
    for number, received_ms in enumerate(times_ms):
        for connector, transaction in ((1, None), (2, None), (1, "77")):
            value = b'[{"timestamp":"2026-01-01T00:00:0%dZ","sampledValue":[{"value":"%d"}]}]'
            await meter_values.append(
                api.store,
                lease,
                connector_id=connector,
                transaction_id=transaction,
                payload=value % (number, number),
                received_ms=received_ms,
            )
    await stop(api.store, lease, fact, ANSWER)
    path = f"{PATH}/CP-1.{id_}/meter-values-without-id"
    for limit in (1, 2, 3, 4, 1000):
        query: dict[str, Any] = {"limit": limit, "raw": "true"}
        found = []
        while True:
            page = (await api.client.get(path, params=query)).json()
            assert len(page["raw"]) <= limit
            found += page["items"]
            if page["next"] is None:
                break
            query["cursor"] = page["next"]
        assert [one["sampledValue"][0]["value"] for one in found] == ["1", "2", "3", "4", "5", "6"]
    is_problem(await api.client.get(path, params={"cursor": "eA"}), 422, "invalid-request")
    is_problem(await api.client.get(f"{PATH}/CP-1.9/meter-values-without-id"), 404, "not-found")
