"""A finished transaction whose messages are packed, and all of them sent again."""

from collections import Counter
from collections.abc import Awaitable, Callable
from importlib import import_module
from typing import Any

import httpx

from state.keys import partition_of
from state.store import Store, StoreConfig, open_store
from tests.chaos.bench import Bench, leg
from tests.support.charge_point_peer import Peer, charge_point
from tests.system.central import Tenant

LATE = 3


def time_of(number: int) -> str:
    return f"2026-01-01T{number // 3600:02}:{number // 60 % 60:02}:{number % 60:02}Z"


@leg(
    "packed-history",
    criterion="A packed transaction's whole history sent again, three late values and a repeated stop: "
    "nothing twice, nothing lost.",
    minutes=1,
)
async def packed_history(bench: Bench) -> None:
    """Pack transactions, and send all that belongs to them again, with late values and another stop."""
    messages, charge_points = 120, bench.scaled(20, least=3)
    tenant = bench.central.tenant()
    async with (
        open_store(StoreConfig(url=bench.central.valkey.url)) as store,
        bench.central.gateway() as gateway,
        tenant.api() as api,
    ):
        blocks = 0
        for number in range(charge_points):
            id_ = f"h{number}"
            async with charge_point(tenant.url(gateway, id_)) as peer:
                first = await send_all(peer, messages)
            blocks += await pack(store, tenant, id_)
            before = (await api.get(f"/transactions/{id_}.{first}")).json()
            async with charge_point(tenant.url(gateway, id_)) as peer:
                again = await send_all(peer, messages)
                for late in range(messages, messages + LATE):
                    await send_value(peer, first, late)
                await send_stop(peer, first, messages)
            blocks += await pack(store, tenant, id_)
            bench.require(again == first, f"{id_}: the start got the ids {first} and {again}")
            after = (await api.get(f"/transactions/{id_}.{first}")).json()
            bench.require(after == before, f"{id_}: the transaction was {before} and is {after}")
            listed = (await api.get("/transactions", params={"charge_point": id_})).json()["items"]
            bench.require(len(listed) == 1, f"{id_}: {len(listed)} transactions are stored")
            times = await read_times(api, f"{id_}.{first}")
            twice = [at for at, count in times.items() if count > 1]
            missing = {time_of(each) for each in range(1, messages + LATE)} - set(times)
            bench.require(not twice, f"{id_}: {len(twice)} values are stored twice")
            bench.require(not missing, f"{id_}: {len(missing)} values are missing")
    bench.figure("transactions, messages each, blocks", f"{charge_points}, {messages}, {blocks}")
    bench.require(blocks >= charge_points, "too little was packed, so too little was tested")


async def send_all(peer: Peer, messages: int) -> int:
    start = {"connectorId": 1, "idTag": "TAG", "meterStart": 0, "timestamp": time_of(0)}
    number = int((await peer.call("StartTransaction", start))["transactionId"])
    for each in range(1, messages):
        await send_value(peer, number, each)
    await send_stop(peer, number, messages)
    return number


async def send_value(peer: Peer, transaction: int, number: int) -> None:
    sample = {"timestamp": time_of(number), "sampledValue": [{"value": str(number)}]}
    payload = {"connectorId": 1, "transactionId": transaction, "meterValue": [sample]}
    await peer.call("MeterValues", payload)


async def send_stop(peer: Peer, transaction: int, messages: int) -> None:
    payload = {"transactionId": transaction, "meterStop": messages, "timestamp": time_of(messages)}
    await peer.call("StopTransaction", payload)


async def pack(store: Store, tenant: Tenant, charge_point: str) -> int:
    """Pack what is due, and return the number of blocks."""
    blocks: Counter[str] = Counter()
    due: Callable[..., Awaitable[int]] = import_module("state.transactions.packing").pack_due
    partition, later_ms = partition_of(tenant.id, charge_point), store.server_time_ms() + 60_000
    for _ in range(10):
        if not await due(store, partition, later_ms, 100, count_block=lambda: blocks.update(["written"])):
            break
    return blocks["written"]


async def read_times(api: httpx.AsyncClient, transaction: str) -> Counter[str]:
    """Return how often a value of each time is stored."""
    found: Counter[str] = Counter()
    query: dict[str, Any] = {}
    while True:
        answer = await api.get(f"/transactions/{transaction}/meter-values", params=query)
        page = answer.raise_for_status().json()
        for item in page["items"]:
            at = str(item.get("timestamp") or item.get("at"))
            found[at.replace(".000Z", "Z").replace("+00:00", "Z")] += 1
        if page["next"] is None:
            return found
        query["cursor"] = page["next"]
