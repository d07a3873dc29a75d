"""A store far away, over a network that breaks connections."""

import itertools
from collections import Counter
from typing import Any

import httpx
import trio

from state.store import StoreConfig, open_store
from tests.chaos.bench import Bench, leg
from tests.chaos.fleet import BRISK, fleet, judge, summarise
from tests.chaos.workers import workers

ROUND_TRIP_S = 0.2
RESETS = 0.01


@leg(
    "slow-store",
    criterion="The store at 200 ms and 1 % resets: a StartTransaction at most 0.65 s, nothing executed "
    "twice.",
    minutes=3,
)
async def slow_store(bench: Bench) -> None:
    """Put 200 ms between gateways and store, and reset the connection at each hundredth piece of data.

    The bound is for the median of the StartTransactions during which no connection to the store was reset.
    """
    size, seconds = bench.scaled(60, least=10), bench.scaled_s(120, least=20)
    ids = [f"s{n}" for n in range(size)]
    tenant, served = bench.central.tenant(), Counter[str]()

    def serve(_id: str, action: str, payload: Any) -> Any:
        if action == "DataTransfer":
            served[payload["messageId"]] += 1
        return {"status": "Accepted"}

    async with (
        open_store(StoreConfig(url=bench.central.valkey.url)) as store,
        workers(bench, 2) as pool,
        fleet(bench, ids, lambda id_: pool.url(tenant, id_), habits=BRISK, serve=serve) as running,
        tenant.api() as api,
    ):
        await running.wait_connected()
        proxies = [place.proxy for place in pool.places if place.proxy is not None]
        for proxy in proxies:
            proxy.dice.seed(bench.seed)
            for way in (proxy.requests, proxy.replies):
                way.delay_s, way.reset_chance = ROUND_TRIP_S / 2, RESETS
        await trio.sleep(2)  # What is on its way now was not late.
        resets: list[float] = []
        answers: Counter[int] = Counter()
        began = trio.current_time()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(note_resets, proxies, resets)
            numbers = itertools.count()
            while trio.current_time() < began + seconds:
                nursery.start_soon(command, api, bench.dice.choice(ids), next(numbers), answers)
                await trio.sleep(0.5)
            ended = trio.current_time()
            await trio.sleep(12)
            nursery.cancel_scope.cancel()
        for proxy in proxies:
            for way in (proxy.requests, proxy.replies):
                way.delay_s, way.reset_chance = 0.0, 0.0
        starts = [
            answer
            for answer in running.answers
            if answer.action == "StartTransaction" and began < answer.sent and answer.answered < ended
        ]
        quiet = [
            answer.answered - answer.sent
            for answer in starts
            if answer.error is None and not any(answer.sent < at < answer.answered for at in resets)
        ]
        took = summarise(quiet)
        bench.figure("resets of connections to the store", len(resets))
        bench.figure("StartTransactions, of these without a reset", f"{len(starts)}, {len(quiet)}")
        bench.figure("median, p99, max of the latter, s", ", ".join(f"{one:.3f}" for one in took.values()))
        bench.figure("answers to commands by status", dict(answers))
        bench.require(len(quiet) >= 5, "too few StartTransactions met no reset")
        bench.require(took["median"] <= 0.65, f"the median of StartTransaction is {took['median']:.3f} s")
        twice = [id_ for id_, count in served.items() if count > 1]
        bench.figure("commands executed, of these twice", f"{len(served)}, {len(twice)}")
        bench.require(not twice, f"commands reached a charge point twice: {twice[:3]}")
        bench.require(bool(resets), "nothing was reset, so nothing was tested")
        await judge(bench, running, api, store, tenant.id)


async def note_resets(proxies: list[Any], resets: list[float]) -> None:
    """Note when a connection was reset, to 5 ms."""
    seen = 0
    while True:
        now = sum(proxy.requests.resets + proxy.replies.resets for proxy in proxies)
        resets.extend([trio.current_time()] * (now - seen))
        seen = now
        await trio.sleep(0.005)


async def command(api: httpx.AsyncClient, charge_point: str, number: int, answers: Counter[int]) -> None:
    body = {"vendorId": "chaos", "messageId": f"m{number}"}
    done = await api.post(f"/charge-points/{charge_point}/commands/DataTransfer?timeout=10", json=body)
    answers[done.status_code] += 1
