"""The facts that csms has stored, as the admin API shows them."""

from collections import Counter
from typing import Any, NamedTuple

import httpx
import trio

READERS = 4


class Fact(NamedTuple):
    """A message that must be in the records. No other fact of the charge point has the same `reading`."""

    charge_point: str
    kind: str
    transaction_id: int
    reading: int


async def read(api: httpx.AsyncClient) -> Counter[Fact]:
    """Read all transactions of a tenant with their meter values. A fact that is stored twice counts twice."""
    found: Counter[Fact] = Counter()
    transactions = [item async for item in _pages(api)]
    left = iter(transactions)

    async def work() -> None:
        for item in left:
            path = f"/transactions/{item['id']}/meter-values"
            values = (await api.get(path)).raise_for_status().json()["items"]
            found.update(_facts(item, values))

    async with trio.open_nursery() as nursery:
        for _ in range(READERS):
            nursery.start_soon(work)
    return found


async def _pages(api: httpx.AsyncClient) -> Any:
    cursor: dict[str, str] = {}
    while True:
        page = (await api.get("/transactions", params={"limit": "1000", **cursor})).raise_for_status().json()
        for item in page["items"]:
            yield item
        if page["next"] is None:
            return
        cursor = {"cursor": page["next"]}


def _facts(item: dict[str, Any], values: list[dict[str, Any]]) -> list[Fact]:
    charge_point, id_ = item["charge_point"], item["ocpp_transaction_id"]
    facts = [Fact(charge_point, "StartTransaction", id_, item["meter_start"])]
    if item["state"] == "stopped":
        facts.append(Fact(charge_point, "StopTransaction", id_, item["meter_stop"]))
    readings = (int(value["sampledValue"][0]["value"]) for value in values)
    return facts + [Fact(charge_point, "MeterValues", id_, reading) for reading in readings]
