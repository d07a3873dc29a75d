"""The OCPP side of the mutant server: a real central system that can be told to be wrong.

It uses `websockets` on asyncio and shares no code with csms. `Switches` says what is wrong with it.
"""

import argparse
import asyncio
import json
import math
import random
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any, TextIO

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

type Json = dict[str, Any]

HELD_S = 2.0
ONE_IN = 200
SKIPPED_COMMAND = 20
STALL_S = 2.0
MEDIAN_S, SIGMA, LONGEST_S = 0.02, 0.8, 2.0
"""The delays are lognormal with this median and this spread of their logarithms."""


@dataclass(frozen=True)
class Switches:
    """What the central system does wrong. By default it does nothing wrong."""

    lose_stop: bool = False
    lose_start: bool = False
    swap_answers: bool = False
    repeat_id: bool = False
    store_value_twice: bool = False
    lose_value: bool = False
    hold_one_in_200: bool = False
    skip_20th_command: bool = False
    busy: bool = False
    stall_after: float | None = None
    """Seconds after the first BootNotification at which everything stands still for `STALL_S`."""
    delays: Path | None = None
    """File of the delays of all answers. They are drawn, and written as they were measured."""


def add_switches(parser: argparse.ArgumentParser) -> None:
    for name in Switches.__dataclass_fields__:
        option = "--" + name.replace("_", "-")
        match name:
            case "stall_after":
                parser.add_argument(option, type=float)
            case "delays":
                parser.add_argument(option, type=Path)
            case _:
                parser.add_argument(option, action="store_true")


@dataclass
class Transaction:
    charge_point: str
    id: int
    start: Json
    stop: Json | None = None
    values: list[Json] = field(default_factory=list)
    """Meter values with the time of receipt, in the order of arrival."""


@dataclass
class Link:
    """The present connection of a charge point."""

    charge_point: str
    connection: ServerConnection
    waiting: dict[str, asyncio.Future[list[Any]]] = field(default_factory=dict)


class CentralSystem:
    def __init__(self, switches: Switches) -> None:
        self.switches = switches
        self.links: dict[str, Link] = {}
        self.transactions: list[Transaction] = []
        self.commands: dict[str, Json] = {}
        self.handled = 0
        self.slowest_s = 0.0
        """The longest time from a call to its answer, as the server sees it: without what it holds back."""
        self._of: dict[tuple[str, int], Transaction] = {}
        self._ids = count(1001)
        self._numbers: dict[str, int] = {}
        self._answers = count(1)
        self._held: tuple[Link, str] | None = None
        self._dice = random.Random(1)
        self._tasks: set[asyncio.Task[None]] = set()
        self._journal: TextIO | None = switches.delays.open("w") if switches.delays else None

    def close(self) -> None:
        if self._journal is not None:
            self._journal.close()

    def _nth(self, of: str) -> int:
        """Return how often this has happened, with this time."""
        self._numbers[of] = self._numbers.get(of, 0) + 1
        return self._numbers[of]

    # --- The connections ----------------------------------------------------------------------------

    async def serve(self, connection: ServerConnection) -> None:
        assert connection.request is not None
        link = Link(connection.request.path.rpartition("/")[2], connection)
        self.links[link.charge_point] = link
        try:
            async for text in connection:
                received, message = time.perf_counter(), json.loads(text)
                if message[0] != 2:
                    waiting = link.waiting.pop(str(message[1]), None)
                    if waiting is not None and not waiting.done():
                        waiting.set_result(message)
                elif self._journal is None and not self.switches.hold_one_in_200:
                    await self._answer(link, message, received)
                else:
                    task = asyncio.create_task(self._answer(link, message, received))
                    self._tasks.add(task)
                    task.add_done_callback(self._tasks.discard)
        except ConnectionClosed:
            pass
        finally:
            if self.links.get(link.charge_point) is link:
                del self.links[link.charge_point]
            for waiting in link.waiting.values():
                waiting.cancel()

    async def _answer(self, link: Link, message: list[Any], received: float) -> None:
        _, id_, action, payload = message
        handle = _HANDLERS.get(action)
        if handle is None:
            answer = json.dumps([4, id_, "NotImplemented", f"{action} is not known here", {}])
        else:
            answer = json.dumps([3, id_, handle(self, link.charge_point, payload)])
        self.handled += 1
        self.slowest_s = max(self.slowest_s, time.perf_counter() - received)
        if self.switches.hold_one_in_200 and next(self._answers) % ONE_IN == 0:
            await asyncio.sleep(HELD_S)
        if self._journal is not None:
            await asyncio.sleep(min(self._dice.lognormvariate(math.log(MEDIAN_S), SIGMA), LONGEST_S))
        delay_s = time.perf_counter() - received
        with suppress(ConnectionClosed):
            if self.switches.swap_answers and action not in {"BootNotification", "StatusNotification"}:
                await self._send_swapped(link, answer)
            else:
                await link.connection.send(answer)
        if self._journal is not None:
            self._journal.write(f"{action} {delay_s:.6f}\n")

    async def _send_swapped(self, link: Link, answer: str) -> None:
        """Hold the tenth answer until another charge point gets one, and send each to the other."""
        if self._nth("answer") == 10:
            self._held = link, answer
        elif self._held is not None and self._held[0].charge_point != link.charge_point:
            (other, held), self._held = self._held, None
            await other.connection.send(answer)
            await link.connection.send(held)
        else:
            await link.connection.send(answer)

    async def command(self, charge_point: str, action: str, payload: Json, timeout_s: float) -> Json:
        """Send a call to a charge point and return its record, as the admin API shows it."""
        number = self._nth("command")
        id_ = f"c-{number:04d}"
        record: Json = {
            "id": id_, "charge_point": charge_point, "action": action, "status": "offline", "response": None,
            "error": None, "payload": payload, "transaction_id": None, "warnings": [], "api_key": None,
            "created_at": now(), "deadline_at": now(timeout_s), "sent_at": None, "reason": None,
            "settled_at": None,
        }  # fmt: skip
        self.commands[id_] = record
        link = self.links.get(charge_point)
        if link is not None:
            record["status"], record["sent_at"] = "sent", now()
            waiting = link.waiting[id_] = asyncio.get_running_loop().create_future()
            try:
                if not (self.switches.skip_20th_command and number == SKIPPED_COMMAND):
                    await link.connection.send(json.dumps([2, id_, action, payload]))
                async with asyncio.timeout(timeout_s):
                    message = await waiting
            except TimeoutError:
                record["status"] = "timeout"
            except (ConnectionClosed, asyncio.CancelledError):
                record["status"], record["reason"] = "unknown", "connection_ended"
            else:
                if message[0] == 3:
                    record["status"], record["response"] = "answered", message[2]
                else:
                    record["status"] = "error"
                    record["error"] = {"code": message[2], "description": message[3], "details": message[4]}
        record["settled_at"] = now()
        return record

    # --- The calls of charge points -----------------------------------------------------------------

    def boot(self, _charge_point: str, _payload: Json) -> Json:
        if self._nth("boot") == 1 and self.switches.stall_after is not None:
            asyncio.get_running_loop().call_later(self.switches.stall_after, time.sleep, STALL_S)
        return {"status": "Accepted", "currentTime": now(), "interval": 300}

    def heartbeat(self, _charge_point: str, _payload: Json) -> Json:
        return {"currentTime": now()}

    def authorize(self, _charge_point: str, _payload: Json) -> Json:
        return {"idTagInfo": {"status": "Accepted"}}

    def accept(self, _charge_point: str, _payload: Json) -> Json:
        return {"status": "Accepted"}

    def note(self, _charge_point: str, _payload: Json) -> Json:
        return {}

    def start(self, charge_point: str, payload: Json) -> Json:
        known = (
            one for one in self.transactions if one.charge_point == charge_point and one.start == payload
        )
        repeated = next(known, None)
        id_ = self._start_new(charge_point, payload) if repeated is None else repeated.id
        return {"transactionId": id_, "idTagInfo": {"status": "Accepted"}}

    def _start_new(self, charge_point: str, payload: Json) -> int:
        id_ = next(self._ids)
        earlier = next((one for one in self.transactions if one.charge_point == charge_point), None)
        if self.switches.repeat_id and earlier is not None and self._nth("repeated id") == 1:
            id_ = earlier.id
        if not (self.switches.lose_start and self._nth("start") == 2):
            transaction = self._of[charge_point, id_] = Transaction(charge_point, id_, payload)
            self.transactions.append(transaction)
        return id_

    def stop(self, charge_point: str, payload: Json) -> Json:
        transaction = self._of.get((charge_point, payload["transactionId"]))
        if transaction is not None and not (self.switches.lose_stop and self._nth("stop") == 2):
            transaction.stop = transaction.stop or payload
        return {"idTagInfo": {"status": "Accepted"}}

    def meter_values(self, charge_point: str, payload: Json) -> Json:
        transaction = self._of.get((charge_point, payload.get("transactionId", 0)))
        for value in () if transaction is None else payload["meterValue"]:
            assert transaction is not None
            number = self._nth("value")
            times = 2 if self.switches.store_value_twice and number == 3 else 1
            if any(_same(kept, value) for kept in transaction.values):
                times = 0
            if self.switches.lose_value and number == 3:
                times = 0
            transaction.values += [{**value, "source": "MeterValues", "received_at": now()}] * times
        return {}


def _same(kept: Json, value: Json) -> bool:
    return all(kept[name] == value[name] for name in ("timestamp", "sampledValue"))


def now(ahead_s: float = 0.0) -> str:
    moment = datetime.fromtimestamp(time.time() + ahead_s, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


_HANDLERS: dict[str, Callable[[CentralSystem, str, Json], Json]] = {
    "Authorize": CentralSystem.authorize,
    "BootNotification": CentralSystem.boot,
    "DataTransfer": CentralSystem.accept,
    "DiagnosticsStatusNotification": CentralSystem.note,
    "FirmwareStatusNotification": CentralSystem.note,
    "Heartbeat": CentralSystem.heartbeat,
    "LogStatusNotification": CentralSystem.note,
    "MeterValues": CentralSystem.meter_values,
    "SecurityEventNotification": CentralSystem.note,
    "SignCertificate": CentralSystem.accept,
    "SignedFirmwareStatusNotification": CentralSystem.note,
    "StartTransaction": CentralSystem.start,
    "StatusNotification": CentralSystem.note,
    "StopTransaction": CentralSystem.stop,
}
