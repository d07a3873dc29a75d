"""What a page costs: its time at the client, and the work of the admin process and of the store.

The admin process is this one, which does nothing else meanwhile. The client and the store are processes of
their own.
"""

import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import Any
from unittest.mock import patch
from urllib.parse import urlencode

import msgspec
import trio

from admin.http import bodies
from state.store import Store
from tests.admin.api import TENANT, Api
from tests.bench.lists.client import Answered
from tests.support.server_info import ask_info

_SPARSE_PAGES = 10
"""So many pages are read with a small limit from each of three places."""


class Cost(msgspec.Struct, frozen=True):
    """Milliseconds of one page.

    `wall_ms` is the time at the client. `own_ms` is the CPU time of the admin process, with `encode_ms` for
    the JSON text. `store_ms` is the CPU time of the store. `waited_ms` is the time from a request to the
    store until all its replies were read.
    """

    wall_ms: float
    own_ms: float
    encode_ms: float
    store_ms: float
    waited_ms: float
    items: int

    @property
    def work_ms(self) -> float:
        """The time that the page takes on an idle machine, because the two processes work in turns."""
        return self.own_ms + self.store_ms


class Meter:
    """Asks for pages one after another, and measures each."""

    def __init__(self, client: trio.Process, store: Store, store_pid: int) -> None:
        self._client, self._store, self._pid = client, store, store_pid
        self._unread = b""
        self.waited = self.encoded = 0.0

    async def ask(self, path: str, query: Mapping[str, Any]) -> tuple[Cost, Answered]:
        line = f"/v1/tenants/{TENANT}/{path}?{urlencode(query)}\n"
        self.waited = self.encoded = 0.0
        own, store = process_time(), _cpu_ms(self._pid)
        answered = await self._ask_client(line)
        cost = Cost(
            wall_ms=answered.ms,
            own_ms=(process_time() - own) * 1000,
            encode_ms=self.encoded * 1000,
            store_ms=_cpu_ms(self._pid) - store,
            waited_ms=self.waited * 1000,
            items=answered.items,
        )
        return cost, answered

    async def _ask_client(self, line: str) -> Answered:
        assert self._client.stdin is not None
        assert self._client.stdout is not None
        await self._client.stdin.send_all(line.encode())
        while b"\n" not in self._unread:
            some = await self._client.stdout.receive_some()
            if not some:
                raise EOFError(line)
            self._unread += some
        answer, _, self._unread = self._unread.partition(b"\n")
        return msgspec.json.decode(answer, type=Answered)

    @contextmanager
    def shares(self) -> Iterator[None]:
        """Measure the shares of the store and of the encoder while the block runs."""
        ask_many, encode = self._store._ask_many, bodies.encode

        async def ask_and_measure(packed: Sequence[bytes]) -> list[Any]:
            begin = perf_counter()
            replies = await ask_many(packed)
            self.waited += perf_counter() - begin
            return replies

        def encode_and_measure(content: object) -> bytes:
            begin = process_time()
            text = encode(content)
            self.encoded += process_time() - begin
            return text

        with (
            patch.object(self._store, "_ask_many", ask_and_measure),
            patch.object(bodies, "encode", encode_and_measure),
        ):
            yield


@asynccontextmanager
async def open_meter(api: Api) -> AsyncIterator[Meter]:
    [pid] = [int((await ask_info(api.store, "server"))["process_id"])]
    client = await trio.lowlevel.open_process(
        [
            *(sys.executable, "-m", "tests.bench.lists.client"),
            *(str(api.port), str(api.client.headers["Authorization"])),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    meter = Meter(client, api.store, pid)
    try:
        with meter.shares():
            yield meter
    finally:
        with trio.CancelScope(shield=True):
            assert client.stdin is not None
            await client.stdin.aclose()
            await client.wait()


async def walk(
    meter: Meter, path: str, query: Mapping[str, Any], *, limit: int, pages: int
) -> tuple[list[Cost], list[str | None]]:
    """Read pages from the first on. Returns their costs and their cursors."""
    costs: list[Cost] = []
    cursors: list[str | None] = [None]
    while len(costs) < pages:
        cost, answered = await meter.ask(path, _at(path, query, cursors[-1], limit))
        costs.append(cost)
        if answered.next is None:
            return costs, cursors
        cursors.append(answered.next)
    return costs, cursors[:-1]


async def visit(
    meter: Meter, path: str, query: Mapping[str, Any], cursors: Sequence[str | None], *, limit: int
) -> list[Cost]:
    """Read some pages at the beginning, in the middle and at the end of a list."""
    costs: list[Cost] = []
    for cursor in dict.fromkeys((cursors[0], cursors[len(cursors) // 2], cursors[-1])):
        at = cursor
        for _ in range(_SPARSE_PAGES):
            cost, answered = await meter.ask(path, _at(path, query, at, limit))
            costs.append(cost)
            at = answered.next
            if at is None:
                break
    return costs


def describe(costs: Sequence[Cost]) -> str:
    """Return the figures of some pages as one line."""
    work = sorted(one.work_ms for one in costs)
    wall = [one.wall_ms for one in costs]
    return (
        f"{len(costs):4} pages, {sum(one.items for one in costs):6} items;"
        f" work {median(work):5.1f} (worst {work[-1]:5.1f}), of this"
        f" admin {median(one.own_ms for one in costs):5.1f}"
        f" with JSON {median(one.encode_ms for one in costs):4.1f},"
        f" store {median(one.store_ms for one in costs):5.1f};"
        f" wall {median(wall):5.1f} (worst {max(wall):5.1f}),"
        f" waited for the store {median(one.waited_ms for one in costs):5.1f}"
    )


def _at(path: str, query: Mapping[str, Any], cursor: str | None, limit: int) -> dict[str, Any]:
    name = "after" if path.endswith("/completed") else "cursor"
    return {**query, "limit": limit, **({} if cursor is None else {name: cursor})}


def _cpu_ms(pid: int) -> float:
    """Return the CPU time of all threads of a process."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e6
