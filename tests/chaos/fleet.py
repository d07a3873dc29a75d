"""A fleet of charge points that retry. The journal of their answers is judged against the store."""

import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Any

import httpx
import trio

from gateway.websocket.client import connect
from gateway.websocket.connection import Connection
from gateway.websocket.limits import Limits
from loadtest.history import Comparison, Journal, Stored, compare, read_journal, stored_from_api
from state.keys import ChargePointKeys
from state.nodes import leases
from state.store import Store
from tests.chaos.bench import Bench
from tests.support.retrying import Answer, Habits, RetryingChargePoint
from tests.support.waiting import until

BRISK = Habits(
    attempts=10_000,
    retry_s=0.3,
    answer_s=40.0,
    reconnect_s=(0.1, 1.5),
    charge_s=(3.0, 15.0),
    pause_s=(0.5, 6.0),
)
"""Habits of a charge point that gives nothing up, so that every fact of a leg is acknowledged in the end."""

type Serve = Callable[[str, str, Any], Any]
"""A function that gets the charge point's id, an action and a payload, and returns the result or None."""


class Fleet:
    def __init__(
        self,
        ids: Iterable[str],
        url: Callable[[str], str],
        journal: Journal,
        habits: Habits,
        seed: int,
        serve: Serve,
    ) -> None:
        self.answers: list[Answer] = []
        self.journal = journal
        self._url = url
        self._habits = habits
        self._seed = seed
        self._serve = serve
        self._leaves: dict[str, trio.Event] = {}
        self._running = 0
        self._nursery: trio.Nursery | None = None
        self.charge_points = [self._make(id_) for id_ in ids]

    def _make(self, id_: str) -> RetryingChargePoint:
        self._leaves[id_] = trio.Event()
        return RetryingChargePoint(
            id_,
            partial(self._connect, id_),
            self.journal,
            self._habits,
            random.Random(f"{self._seed}/{id_}"),
            serve=partial(self._serve, id_),
            on_answer=self.answers.append,
        )

    def replace(self, one: RetryingChargePoint, id_: str) -> None:
        """Let a charge point deliver what it has and leave for ever, and let a new one come at once."""
        self._leaves[one.id].set()
        new = self._make(id_)
        self.charge_points.append(new)
        self.start_soon(self._run, new)

    def start_soon[*Args](self, run: Callable[[*Args], Awaitable[None]], *args: *Args) -> None:
        """Start a task that ends with the fleet."""
        assert self._nursery is not None
        self._nursery.start_soon(run, *args)

    def _connect(self, id_: str) -> AbstractAsyncContextManager[Connection]:
        return connect(self._url(id_), limits=Limits(ping_interval_s=0))

    async def run(self, per_second: float) -> None:
        async with trio.open_nursery() as self._nursery:
            for one in tuple(self.charge_points):
                self.start_soon(self._run, one)
                await trio.sleep(1 / per_second)

    async def _run(self, one: RetryingChargePoint) -> None:
        self._running += 1
        await one.run(self._leaves[one.id])
        self._running -= 1

    @property
    def staying(self) -> list[RetryingChargePoint]:
        """The charge points that are connected and not told to leave."""
        return [
            one
            for one in self.charge_points
            if one.connection is not None and not self._leaves[one.id].is_set()
        ]

    @property
    def connected(self) -> int:
        return sum(one.connection is not None for one in self.charge_points)

    @property
    def connections(self) -> int:
        return sum(one.connections for one in self.charge_points)

    @property
    def acknowledged(self) -> int:
        """Number of answered transaction messages so far."""
        return sum(answer.error is None and answer.action in FACTS for answer in self.answers)

    def count(self, what: str) -> Counter[str]:
        """Return `ends` or `errors` of all charge points together."""
        return sum((getattr(one, what) for one in self.charge_points), Counter[str]())

    async def wait_connected(self, within_s: float = 120.0) -> None:
        await until(lambda: self.connected == len(self.charge_points), within_s, every_s=0.1)

    async def wait_acknowledged(self, further: int, within_s: float = 120.0) -> None:
        enough = self.acknowledged + further
        await until(lambda: self.acknowledged >= enough, within_s, every_s=0.05)

    async def leave(self, within_s: float = 180.0) -> list[str]:
        """Let all charge points end. Return those that could not deliver what they had in time."""
        for leave in self._leaves.values():
            leave.set()
        with trio.move_on_after(within_s):
            await until(lambda: not self._running, within_s, every_s=0.1)
        return [one.id for one in self.charge_points if one.waiting]

    def read_journal(self) -> list[Any]:
        return read_journal(self.journal.path)


FACTS = frozenset(("StartTransaction", "StopTransaction"))


def _accept(_id: str, _action: str, _payload: Any) -> Any:
    return {"status": "Accepted"}


@asynccontextmanager
async def fleet(
    bench: Bench,
    ids: Iterable[str],
    url: Callable[[str], str],
    *,
    habits: Habits = BRISK,
    serve: Serve = _accept,
    per_second: float = 100.0,
) -> AsyncIterator[Fleet]:
    """Run charge points until the block ends. `url` gives the URL of a charge point's next connection."""
    with Journal(bench.directory / f"journal-{bench.dice.randrange(10**9)}") as journal:
        async with trio.open_nursery() as nursery:
            running = Fleet(ids, url, journal, habits, bench.seed, serve)
            nursery.start_soon(running.run, per_second)
            yield running
            nursery.cancel_scope.cancel()


async def judge(
    bench: Bench, running: Fleet, api: httpx.AsyncClient, store: Store | None, tenant: str
) -> Comparison:
    """Let the fleet end, and require that API and store have each acknowledged fact once."""
    undelivered = await running.leave()
    bench.require(not undelivered, f"{len(undelivered)} charge points could not deliver what they had")
    lines = running.read_journal()
    shown = [stored_from_api(item) async for item in list_items(api)]
    bench.report.figure("acknowledged starts and stops", running.acknowledged)
    found = compare(lines, shown)
    require_complete(bench, found, "the API")
    if store is not None:
        found = compare(lines, await add_receipts(store, tenant, shown))
        require_complete(bench, found, "the store")
        bench.figure("facts that were retried, and answered as replays", f"{found.retried}, {found.replayed}")
    bench.say(found.describe())
    return found


def require_complete(bench: Bench, found: Comparison, where: str) -> None:
    missing = found.counts["missing_start"] + found.counts["missing_stop"]
    twice = found.counts["stored_twice"] + found.counts["id_twice"]
    bench.figure(f"missing, duplicated by {where}", f"{missing}, {twice}")
    bench.require(not found.findings, f"by {where}: {found.describe(3)}")
    bench.require(found.starts > 0 and found.stops > 0, "nothing was acknowledged, so nothing was tested")


async def list_items(api: httpx.AsyncClient) -> AsyncIterator[dict[str, Any]]:
    """List all transactions of a tenant."""
    query = {"limit": "200"}
    while True:
        page = (await api.get("/transactions", params=query)).raise_for_status().json()
        for item in page["items"]:
            yield item
        if page["next"] is None:
            return
        query["cursor"] = page["next"]


async def add_receipts(store: Store, tenant: str, shown: list[Stored]) -> list[Stored]:
    """Add what only the store knows: when each fact was received."""
    found = []
    for one in shown:
        key = ChargePointKeys(tenant, one.charge_point).transaction(one.id)
        received, stopped = await store.execute("HMGET", key, "received_ms", "stop_received_ms")
        found.append(
            Stored(
                charge_point=one.charge_point,
                id=one.id,
                start=one.start,
                stop=one.stop,
                received_ms=received and int(received),
                stop_received_ms=stopped and int(stopped),
            )
        )
    return found


async def count_online(store: Store, tenant: str, ids: Iterable[str]) -> int:
    """Return how many of these charge points the store calls online."""
    keys = [ChargePointKeys(tenant, id_) for id_ in ids]
    return sum(bool(one and one.online) for one in await leases.list_holdings(store, keys))


def summarise(values: Iterable[float]) -> dict[str, float]:
    """Return median, p99 and the greatest of some seconds."""
    ordered = sorted(values) or [0.0]
    return {
        "median": ordered[len(ordered) // 2],
        "p99": ordered[int(len(ordered) * 0.99) - (len(ordered) >= 100)],
        "max": ordered[-1],
    }
