"""A store at its limit of memory, and what makes room in it again."""

import secrets
from importlib import import_module
from typing import Any

import httpx
import trio

from state.store import StoreConfig, open_store
from tests.chaos.bench import Bench, leg
from tests.chaos.workers import events
from tests.support.charge_point_peer import Peer, charge_point, now
from tests.support.server_info import ask_info
from tests.support.waiting import until

PADDING_BYTES = 300
"""Each sample has as many random bytes, which cannot be compressed."""
BATCH = 16
PAUSE_S = 0.3


@leg(
    "full-store",
    criterion="A store at its limit: facts refused, then deleting, ending and retention free memory, and all "
    "goes on; the warning came at least a tenth before.",
    minutes=3,
)
async def full_store(bench: Bench) -> None:
    """Fill the store with meter values until it refuses facts, and make room by the means of csms."""
    tenant, server = bench.central.tenant(), bench.central.valkey
    log = bench.central.directory / "gateways.log"
    async with (
        open_store(StoreConfig(url=server.url)) as store,
        bench.central.gateway() as gateway,
        tenant.api() as api,
        charge_point(tenant.url(gateway, "f0")) as first,
        charge_point(tenant.url(gateway, "f1")) as second,
        charge_point(tenant.url(gateway, "f2")) as third,
    ):
        peers = (first, second, third)
        numbers = [(await peer.start(timestamp=now()))["transactionId"] for peer in peers]
        used = await used_memory(store)
        limit = used + bench.scaled(64 << 20, least=16 << 20)
        await store.execute("CONFIG", "SET", "maxmemory", limit)
        refused_at = await fill(bench, store, peers, numbers)
        bench.figure("refused when full to, %", 100 * refused_at / limit)
        stop = await second.exchange(
            "StopTransaction", {"transactionId": numbers[1], "meterStop": 900, "timestamp": now()}
        )
        bench.figure("a stop in the full store", stop[2] if stop[0] == 4 else "stored")
        warnings = events(log, "store.filling")
        warned = [100 * one["used_mib"] / max(1, one["limit_mib"]) for one in warnings]
        bench.figure("warnings at, %", ", ".join(f"{one:.0f}" for one in warned))
        bench.require(bool(warned) and min(warned) <= 90, f"warnings came at {warned} %")
        await require_room(bench, api, store, tenant.id, numbers)
        await until(lambda: starts_again(third), 60, every_s=0.5)
        freed = await used_memory(store)
        bench.figure("used afterwards, %", 100 * freed / limit)
        done = await api.post("/charge-points/f2/commands/ClearCache?timeout=10", json={})
        bench.require(done.status_code == 200, f"a command got {done.status_code} afterwards")
        bench.require(not third.ended.is_set(), "a session ended")


FREED = 1 << 20
"""Bytes that a forgotten transaction frees at least."""


async def used_memory(store: Any) -> int:
    return int((await ask_info(store, "memory"))["used_memory"])


async def fill(bench: Bench, store: Any, peers: tuple[Peer, ...], numbers: list[int]) -> int:
    """Send meter values until a new start and a meter value are refused. Return the memory used then."""
    sent = 0
    with trio.fail_after(240):
        while True:
            answers: list[list[Any]] = []
            async with trio.open_nursery() as nursery:
                for peer, number in zip(peers, numbers, strict=True):
                    nursery.start_soon(send_values, peer, number, sent, answers)
            sent += BATCH
            if any(answer[0] == 4 for answer in answers):
                break
            # A store of 16 MiB would be full before csms looks again. A real one does not fill so fast.
            await trio.sleep(PAUSE_S)
    bench.figure("meter values until then", sent * len(peers))
    start = {"connectorId": 2, "idTag": "TAG", "meterStart": 1, "timestamp": now()}
    refused = await peers[0].exchange("StartTransaction", start)
    bench.require(refused[0] == 4, "a start was accepted by a full store")
    return await used_memory(store)


async def send_values(peer: Peer, number: int, first: int, answers: list[list[Any]]) -> None:
    for each in range(first, first + BATCH):
        samples = [{"value": f"{each}{secrets.token_urlsafe(PADDING_BYTES)}"} for _ in range(20)]
        value = {"timestamp": now(), "sampledValue": samples}
        payload = {"connectorId": 1, "transactionId": number, "meterValue": [value]}
        answers.append(await peer.exchange("MeterValues", payload))


async def require_room(
    bench: Bench, api: httpx.AsyncClient, store: Any, tenant: str, numbers: list[int]
) -> None:
    """Delete a charge point, end a transaction, and let a finished one go, all in the full store."""
    ended = await api.post(f"/transactions/f0.{numbers[0]}/end", json={"force": True})
    bench.figure("end", ended.status_code)
    bench.require(ended.status_code == 200, f"ending got {ended.status_code}: {ended.text[:200]}")
    before = await used_memory(store)
    gone = await import_module("state.transactions.forgetting").forget(store, tenant, "f1", numbers[1])
    bench.require(gone, "the finished transaction could not be forgotten")

    async def has_freed() -> bool:
        return before - await used_memory(store) >= FREED

    await until(has_freed)  # The server frees what UNLINK removes in a thread of its own.
    bench.figure("retention freed, MiB", (before - await used_memory(store)) / (1 << 20))
    deleted = await api.delete("/charge-points/f0")
    bench.figure("delete", deleted.status_code)
    bench.require(
        deleted.status_code in {200, 202, 204}, f"deleting got {deleted.status_code} {deleted.text}"
    )


async def starts_again(peer: Peer) -> bool:
    start = {"connectorId": 2, "idTag": "TAG", "meterStart": 1, "timestamp": now()}
    return bool((await peer.exchange("StartTransaction", start))[0] == 3)
