"""A retrying charge point against a real central system, and against one that refuses or says nothing."""

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import trio
from trio_websocket import ConnectionClosed, serve_websocket

from gateway.websocket.client import connect
from gateway.websocket.limits import Limits
from loadtest.history import Acknowledged, Journal, Sent, compare, read_journal, stored_from_api
from tests.support.csms_up import Running
from tests.support.fault_proxy import fault_proxy
from tests.support.retrying import Answer, Habits, RetryingChargePoint
from tests.support.waiting import GENEROUS_S, until

QUICK = Habits(
    retry_s=0.01, reconnect_s=(0.01, 0.05), charge_s=(0.02, 0.1), pause_s=(0.0, 0.02), answer_s=GENEROUS_S
)


def connecting(url: str) -> Any:
    return lambda: connect(url, limits=Limits(ping_interval_s=0))


async def test_every_fact_is_stored_once_although_its_connection_is_reset_again_and_again(
    running: Running, tmp_path: Path
) -> None:
    port = int(running.ws.rpartition(":")[2])
    dice = random.Random(5)
    with Journal(tmp_path / "journal") as journal, trio.fail_after(2 * GENEROUS_S):
        async with fault_proxy(("127.0.0.1", port)) as proxy:
            url = running.url("", scheme="ws").replace(running.ws, f"ws://127.0.0.1:{proxy.port}")
            fleet = [
                RetryingChargePoint(
                    f"again-{n}",
                    connecting(f"{url}again-{n}"),
                    journal,
                    msgspec.structs.replace(QUICK, doubts=0.2),
                    random.Random(n),
                )
                for n in range(5)
            ]
            leave = trio.Event()
            async with trio.open_nursery() as nursery:
                for one in fleet:
                    nursery.start_soon(one.run, leave)
                while sum(one.connections for one in fleet) < 40:
                    await trio.sleep(dice.uniform(0.01, 0.1))
                    proxy.reset()
                leave.set()
    with running.api() as api:
        stored = [
            stored_from_api(item)
            for one in fleet
            for item in api.get("/transactions", params={"charge_point": one.id, "limit": 200}).json()[
                "items"
            ]
        ]
    found = compare(read_journal(tmp_path / "journal"), stored)
    assert found.findings == ()
    assert found.starts == found.stops == found.stored > 0
    assert found.retried > 0


class Moody:
    """A central system that refuses StartTransaction as often as a test says, or leaves it unanswered."""

    def __init__(self, *, refusals: int = 0, silent: int = 0) -> None:
        self.starts: list[dict[str, Any]] = []
        self.url = ""
        self._refusals, self._silent = refusals, silent

    async def serve(self, request: Any) -> None:
        websocket = await request.accept(subprotocol="ocpp1.6")
        try:
            while True:
                _, id_, action, payload = msgspec.json.decode(await websocket.get_message())
                answer = self._answer(id_, action, payload)
                if answer is not None:
                    await websocket.send_message(msgspec.json.encode(answer).decode())
        except ConnectionClosed:
            return

    def _answer(self, id_: str, action: str, payload: dict[str, Any]) -> list[Any] | None:
        if action != "StartTransaction":
            return [3, id_, {}]
        self.starts.append(payload)
        if self._silent:
            self._silent -= 1
            return None
        if self._refusals:
            self._refusals -= 1
            return [4, id_, "InternalError", "", {}]
        return [3, id_, {"transactionId": len(self.starts), "idTagInfo": {"status": "Accepted"}}]


@asynccontextmanager
async def moody(*, refusals: int = 0, silent: int = 0) -> AsyncIterator[Moody]:
    central = Moody(refusals=refusals, silent=silent)
    async with trio.open_nursery() as nursery:
        server = await nursery.start(serve_websocket, central.serve, "127.0.0.1", 0, None)
        central.url = f"ws://127.0.0.1:{server.port}/c1"
        yield central
        nursery.cancel_scope.cancel()


async def play(
    central: Moody, journal: Path, habits: Habits, count: int
) -> tuple[RetryingChargePoint, list[Answer]]:
    """Let a charge point charge until that many starts have reached the central system."""
    answers: list[Answer] = []
    with Journal(journal) as lines, trio.fail_after(GENEROUS_S):
        one = RetryingChargePoint(
            "c1", connecting(central.url), lines, habits, random.Random(1), on_answer=answers.append
        )
        leave = trio.Event()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(one.run, leave)
            await until(lambda: len(central.starts) >= count)
            leave.set()
    return one, answers


async def test_a_refused_message_is_sent_again_with_the_same_content(tmp_path: Path) -> None:
    async with moody(refusals=2) as central:
        one, answers = await play(central, tmp_path / "journal", QUICK, 3)
    assert central.starts[0] == central.starts[1] == central.starts[2]
    assert one.errors == {"InternalError": 2}
    assert one.dropped == 0
    assert [answer.error for answer in answers if answer.action == "StartTransaction"][:2] == [
        "InternalError"
    ] * 2
    lines = read_journal(tmp_path / "journal")
    acknowledged = next(line for line in lines if isinstance(line, Acknowledged))
    assert (acknowledged.transaction, acknowledged.transmissions) == (1, 3)


async def test_a_message_is_given_up_after_its_attempts_and_its_transaction_with_it(tmp_path: Path) -> None:
    async with moody(refusals=3) as central:
        one, _ = await play(central, tmp_path / "journal", QUICK, 4)
    assert central.starts[2] != central.starts[3]
    assert one.dropped == 1
    lines = read_journal(tmp_path / "journal")
    assert {line.transaction for line in lines if isinstance(line, Sent)} >= {1, 2}
    assert 1 not in {line.transaction for line in lines if isinstance(line, Acknowledged)}


async def test_a_dropped_connection_is_replaced_and_its_message_sent_again(tmp_path: Path) -> None:
    async with moody(silent=1) as central:
        with Journal(tmp_path / "journal") as lines, trio.fail_after(GENEROUS_S):
            one = RetryingChargePoint("c1", connecting(central.url), lines, QUICK, random.Random(1))
            leave = trio.Event()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(one.run, leave)
                await until(lambda: len(central.starts) == 1)
                one.drop()
                await until(lambda: len(central.starts) >= 2)
                leave.set()
    assert central.starts[0] == central.starts[1]
    assert one.connections == 2


async def test_a_message_without_an_answer_is_sent_again_over_a_new_connection(tmp_path: Path) -> None:
    async with moody(silent=1) as central:
        habits = msgspec.structs.replace(QUICK, answer_s=0.1)
        one, _ = await play(central, tmp_path / "journal", habits, 2)
    assert central.starts[0] == central.starts[1]
    assert one.connections >= 2
    assert one.ends["given up by the charge point"] >= 1
