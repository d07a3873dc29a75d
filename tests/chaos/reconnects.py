"""Charge points that change between two nodes again and again, while operators send commands."""

import itertools
import random
import socket
from collections import Counter

import httpx
import msgspec
import trio

from gateway.websocket.client import UpgradeRefused, connect
from gateway.websocket.close_codes import ConnectionClosed
from gateway.websocket.connection import Connection
from gateway.websocket.limits import Limits
from tests.chaos.bench import Bench, leg
from tests.support.fault_proxy import RESET
from tests.support.waiting import until

PER_MINUTE = 5
ANSWER_S = 3.0
"""A charge point takes up to this time to answer, so that commands are under way when it changes."""
LATE_S = 1.0
"""Bytes that an older connection wrote in time may be read this long after the newer one's first bytes."""
FINAL = frozenset(("answered", "error", "expired", "timeout", "offline", "busy", "unknown"))


class Wanderer:
    """A charge point that connects to the one node and then to the other.

    Half of them reset the old connection first. The others open the new connection beside the old one, and
    leave the end of the old one to the central system.
    """

    def __init__(self, id_: str, urls: tuple[str, str], *, beside: bool, dice: random.Random) -> None:
        self.id = id_
        self.executed: Counter[str] = Counter()
        self.refused: Counter[int] = Counter()
        self.connections = 0
        self.two_writers = 0
        self._urls = urls
        self._beside = beside
        self._dice = dice
        self._numbers = itertools.count(1)
        self._newest = 0
        self._newest_since = 0.0

    async def run(self, leave: trio.Event) -> None:
        async with trio.open_nursery() as nursery:
            scope = trio.CancelScope()
            for turn in itertools.count():
                if leave.is_set():
                    break
                old, scope = scope, trio.CancelScope()
                if not self._beside:
                    old.cancel()
                admitted = trio.Event()
                nursery.start_soon(self._live, self._urls[turn % 2], scope, admitted)
                with trio.move_on_after(self._dice.uniform(0.5, 1.5) * 60 / PER_MINUTE):
                    await leave.wait()
            # The last connection stays, so that the last commands can be answered.
            await trio.sleep(8)
            nursery.cancel_scope.cancel()

    async def _live(self, url: str, scope: trio.CancelScope, admitted: trio.Event) -> None:
        with scope:
            while True:
                try:
                    async with connect(url, limits=Limits(ping_interval_s=0)) as connection:
                        self.connections += 1
                        await self._serve(connection, self.connections, admitted)
                        return
                except UpgradeRefused as refused:
                    self.refused[refused.status] += 1
                except (OSError, trio.TooSlowError):
                    self.refused[0] += 1
                await trio.sleep(self._dice.uniform(0.2, 1.0))

    async def _serve(self, connection: Connection, number: int, admitted: trio.Event) -> None:
        async def answer(id_: str) -> None:
            await trio.sleep(self._dice.uniform(0.0, ANSWER_S))
            try:
                await connection.send(msgspec.json.encode([3, id_, {"status": "Accepted"}]))
            except ConnectionClosed:
                return

        async def receive(frame: bytes) -> None:
            message = msgspec.json.decode(frame)
            self._note_writer(number, asks=message[0] == 2)
            if message[0] != 2:
                admitted.set()
                return
            if message[2] == "DataTransfer":
                self.executed[message[3]["messageId"]] += 1
            nursery.start_soon(answer, message[1])

        try:
            async with trio.open_nursery() as nursery:
                await connection.send(msgspec.json.encode([2, f"h{next(self._numbers)}", "Heartbeat", {}]))
                await connection.run(receive)
                nursery.cancel_scope.cancel()
        except* ConnectionClosed:
            pass
        finally:
            if not self._beside:
                reset(connection)

    def _note_writer(self, number: int, *, asks: bool) -> None:
        """Count calls of a session that has been superseded by one that has been heard."""
        now = trio.current_time()
        if number > self._newest:
            self._newest, self._newest_since = number, now
        elif number < self._newest and asks and now > self._newest_since + LATE_S:
            self.two_writers += 1


def reset(connection: Connection) -> None:
    """Let the kernel send a RST when the connection is closed."""
    try:
        connection._stream._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    except OSError:
        return


@leg(
    "reconnects",
    criterion="200 charge points reconnecting five times a minute each between two nodes, half by reset, "
    "half by a second socket beside the first, commands in flight: every command reaches it at most once "
    "and ends in a final state, never two live sessions writing.",
    minutes=4,
)
async def reconnects(bench: Bench) -> None:
    """Let charge points change between two nodes, by reset or with a second socket, under commands."""
    size, seconds = bench.scaled(200, least=10), bench.scaled_s(180, least=30)
    tenant = bench.central.tenant()
    async with (
        bench.central.gateway() as one,
        bench.central.gateway() as other,
        tenant.api() as api,
    ):
        fleet = [
            Wanderer(
                id_ := f"n{number}",
                (tenant.url(one, id_), tenant.url(other, id_)),
                beside=number % 2 == 0,
                dice=random.Random(f"{bench.seed}/{number}"),
            )
            for number in range(size)
        ]
        leave, sent, statuses = trio.Event(), list[str](), Counter[str]()
        async with trio.open_nursery() as nursery:
            for wanderer in fleet:
                nursery.start_soon(wanderer.run, leave)
            await until(lambda: all(wanderer.connections for wanderer in fleet))
            async with trio.open_nursery() as operators:
                began = trio.current_time()
                for number in itertools.count():
                    if trio.current_time() > began + seconds:
                        break
                    name = bench.dice.choice(fleet).id
                    operators.start_soon(command, api, name, f"m{number}", sent, statuses)
                    await trio.sleep(max(0.05, 2 / size))
            leave.set()
        states = await final_states(api, sent)
    executed = sum((wanderer.executed for wanderer in fleet), Counter[str]())
    twice = [name for name, count in executed.items() if count > 1]
    writers = sum(wanderer.two_writers for wanderer in fleet)
    bench.figure("charge points, connections", f"{size}, {sum(one.connections for one in fleet)}")
    bench.figure("refused handshakes", dict(sum((one.refused for one in fleet), Counter[int]())))
    bench.figure("answers of the API", dict(statuses))
    bench.figure("commands, executed, twice", f"{statuses.total()}, {len(executed)}, {len(twice)}")
    bench.figure("states in the end", dict(states))
    bench.require(not twice, f"{len(twice)} commands reached a charge point twice: {twice[:3]}")
    bench.require(set(states) <= FINAL, f"commands did not end: {dict(states)}")
    bench.require(not writers, f"{writers} calls came from a session that had been superseded")
    bench.require(len(executed) > statuses.total() / 2, "most commands reached nobody")


async def command(
    api: httpx.AsyncClient, charge_point: str, name: str, sent: list[str], statuses: Counter[str]
) -> None:
    body = {"vendorId": "chaos", "messageId": name}
    done = await api.post(f"/charge-points/{charge_point}/commands/DataTransfer?timeout=5", json=body)
    answer = done.json()
    kind = str(answer.get("type", "")).rpartition("/")[2] if done.status_code != 200 else ""
    statuses[f"{done.status_code} {kind}".strip()] += 1
    if "id" in answer:
        sent.append(answer["id"])


async def final_states(api: httpx.AsyncClient, sent: list[str]) -> Counter[str]:
    """Return the statuses of the commands, once all of them have ended or 30 s have passed."""
    states: Counter[str] = Counter()

    async def all_ended() -> bool:
        states.clear()
        for id_ in sent:
            states[(await api.get(f"/commands/{id_}")).raise_for_status().json()["status"]] += 1
        return set(states) <= FINAL

    with trio.move_on_after(60):
        await until(all_ended, 60, every_s=2)
    return states
