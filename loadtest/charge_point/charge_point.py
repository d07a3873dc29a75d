"""A simulated charge point: small objects, timers in the wheel, and a task while there is a connection."""

from collections.abc import Callable
from functools import partial
from typing import Final, Literal

import trio
from msgspec.json import encode

from gateway.ocpp16 import frames
from gateway.ocpp16.frames import DECODE_ERRORS
from gateway.ocpp16.messages.core import ChargePointStatus, Reason
from gateway.websocket.light_client import LightConnection
from loadtest.charge_point.calls import Calls, Outcome, Then
from loadtest.charge_point.equipment import CONNECTOR
from loadtest.charge_point.faults import Faults
from loadtest.charge_point.link import Link
from loadtest.charge_point.registration import BOOT, Registration
from loadtest.charge_point.responses import ResetKind
from loadtest.charge_point.serving import Serving
from loadtest.charge_point.sessions import Sessions
from loadtest.charge_point.world import World
from loadtest.now import now_text
from loadtest.scenario.model import HowCut
from loadtest.scenario.population import group_of, rank_of
from loadtest.scenario.schedule import Intended, Schedule

LEAVE_S: Final = 30.0
"""Time that a charge point which leaves, or resets softly, has for the messages of its queue."""

type _State = Literal["away", "here", "leaving", "resetting", "rebooting"]


class ChargePoint:
    """A charge point of a fleet. `begin` lets it take part in the run. No method ever waits.

    The charge point arrives and leaves at its times, and does what its schedule says. After a lost or refused
    connection, it connects again as its group does, and boots again.
    """

    __slots__ = (
        "_calls",
        "_faults",
        "_held",
        "_item",
        "_link",
        "_presence",
        "_registration",
        "_schedule",
        "_serving",
        "_sessions",
        "_state",
        "_turn",
        "_world",
        "group",
        "id",
        "index",
    )

    def __init__(self, index: int, world: World) -> None:
        self.index = index
        self.id = world.id_of(index)
        self.group = group = group_of(world.scenario, index)
        self._world = world
        self._faults = Faults(group.faults) if group.faults else None
        self._calls = Calls(world, index, self.id, self._faults)
        self._link = Link(world, self, self._faults)
        self._registration = Registration(world, group, self._calls, self)
        self._sessions = Sessions(world, self, self._calls)
        self._serving = Serving(world, self._calls, self, silent=group.answers == "never")
        self._presence = iter(world.timeline.presence(rank_of(world.scenario, index)))
        self._schedule = Schedule(world.scenario, world.timeline, index)
        self._turn = (0.0, False)
        self._item: Intended | None = None
        self._held = False
        """Whether the next call of a sequence waits until the charge point is online."""
        self._state: _State = "away"

    @property
    def online(self) -> bool:
        """Whether the central system has accepted the charge point on the present connection."""
        return self._registration.accepted

    @property
    def connected(self) -> bool:
        return self._link.connected

    @property
    def waiting(self) -> int:
        """Number of messages about transactions that are not acknowledged."""
        return len(self._sessions.queue)

    @property
    def gone(self) -> bool:
        """Whether the charge point has left, and has no connection any more."""
        return self._state == "away" and self._link.gone

    # --- The day of a charge point -------------------------------------------------------------------

    def begin(self) -> None:
        self._wait_for_turn()
        self._wait_for_item()

    def _wait_for_turn(self) -> None:
        turn = next(self._presence, None)
        if turn is not None:
            self._turn = turn
            self._world.wheel.at(self._world.begin + turn[0], self._take_turn)

    def _take_turn(self) -> None:
        if self._turn[1]:
            self.arrive()
        else:
            self.leave()
        self._wait_for_turn()

    def arrive(self) -> None:
        """Connect, and stay connected."""
        if self._state in {"away", "leaving"}:
            self._state = "here"
            self._link.connect()

    def leave(self) -> None:
        """Stop charging, deliver the queue within 30 s, and close the connection."""
        if self._state in {"away", "leaving"}:
            return
        self._sessions.end("Local", trio.current_time())
        self._state = "leaving"
        if self._link.connected:
            self._world.wheel.at(trio.current_time() + LEAVE_S, self._part)
            self._go_if_done()
        else:
            self._part()

    def _go_if_done(self) -> None:
        """Leave or reboot, if nothing waits that can be delivered."""
        if not self._calls.busy and not (self.online and self._sessions.queue):
            self._part()
            self._go_down()

    def _part(self) -> None:
        if self._state == "leaving":
            self._state = "away"
            if self._held:
                self._held = False
                self._wait_for_item()
            self._registration.power_up()
            self._link.stay_away()
            self._link.close(1000, "load test over")

    def cut(self, how: HowCut, *, away_s: float | None = None) -> bool:
        """Lose the connection. Returns False if there is none.

        The charge point connects again after `away_s`, or as its group does.
        """
        if not self._link.cut(how):
            return False
        self._link.away_s = away_s
        return True

    def _wait_for_item(self) -> None:
        self._item = item = next(self._schedule, None)
        if item is not None:
            self._world.wheel.at(self._world.begin + item.at, self._take_item)

    def _take_item(self) -> None:
        item = self._item
        if item is None:
            return
        if item.what == "sequence":
            self._send_in_sequence(item)
            return
        if self._state not in {"away", "leaving"}:
            self._do(item, self._world.begin + item.at)
        self._wait_for_item()

    def _send_in_sequence(self, item: Intended) -> None:
        """Send a call of a sequence, and take the next item of the schedule after its answer."""
        now = trio.current_time()
        ends = (span.end for span in self._world.timeline.spans if span.begin <= item.at < span.end)
        if self._state in {"away", "leaving"} or now >= self._world.begin + next(ends, 0.0):
            self._wait_for_item()
        elif self.online:
            self._calls.send(item.action, self._payload(item.action), now, self._continue_sequence)
        else:
            self._held = True

    def _continue_sequence(self, _outcome: Outcome) -> None:
        self._item = item = next(self._schedule, None)
        if item is not None:
            if item.what == "sequence" and self._world.begin + item.at <= trio.current_time():
                self._send_in_sequence(item)
            else:
                self._world.wheel.at(self._world.begin + item.at, self._take_item)

    def _do(self, item: Intended, intended: float) -> None:
        match item.what:
            case "start":
                self._start_by_schedule(intended)
            case "values":
                self._sessions.sample_by_schedule(intended)
            case "stop":
                self._sessions.end_by_schedule(intended)
            case "cut":
                if self.group.cut is not None:
                    self.cut(self.group.cut.how, away_s=self.group.cut.away_s)
            case "heartbeat" | "arrival":
                if self.online:
                    action = item.action or "Heartbeat"
                    self._calls.send(action, self._payload(action), intended)
                else:
                    self._world.recorder.count("offline")

    def _start_by_schedule(self, intended: float) -> None:
        id_tag = self._world.id_tag_of(self.index)
        if self._state != "here" or not self._sessions.begin(id_tag, intended, scheduled=True):
            self._world.recorder.count("starts_left_out")

    def _payload(self, action: str) -> bytes:
        match action:
            case "Authorize":
                return b'{"idTag":%b}' % encode(self._world.id_tag_of(self.index))
            case "DataTransfer":
                return b'{"vendorId":"csms","messageId":"load","data":"%d"}' % self.index
            case "MeterValues":
                return self._read_meter("Sample.Periodic")
            case "StatusNotification":
                return self.status(CONNECTOR)
            case _:
                return b"{}"

    def _read_meter(self, context: Literal["Sample.Periodic", "Trigger"]) -> bytes:
        transaction = self.transaction_id
        return b'{"connectorId":%d,%b%b}' % (
            CONNECTOR,
            b"" if transaction is None else b'"transactionId":%d,' % transaction,
            self._sessions.read_meter(now_text(), context),
        )

    # --- What the link, the registration and the sessions report -------------------------------------

    def take_open(self, connection: LightConnection, began: float) -> None:
        self._calls.open(connection)
        self._registration.open(began)

    def take_loss(self) -> None:
        self._registration.close()
        self._sessions.queue.go_offline()
        self._calls.close()
        if self._state == "leaving":
            self._part()
        elif self._state in {"resetting", "rebooting"}:
            self._state = "here"
            self._registration.power_up()
            self._link.away_s = self.group.reboot_s

    def take_acceptance(self) -> float | None:
        self._sessions.queue.go_online()
        if self._held:
            self._held = False
            self._take_item()
        return self._link.settle()

    def take_frame(self, frame: bytes) -> None:
        if self._faults is not None:
            read = self._faults.incoming(frame)
            if read is None:
                return
            frame = read
        try:
            message = frames.decode(frame)
        except DECODE_ERRORS:
            self._world.recorder.error("a frame that cannot be read")
            return
        if isinstance(message, frames.Call):
            self._serving.serve(message)
        else:
            self._calls.receive(message)
            self._sessions.queue.send_first()
        if self._state in {"leaving", "resetting"}:
            self._go_if_done()

    def report_status(self, then: Then | None = None) -> None:
        self._registration.report(then)

    def current_status(self, connector: int) -> ChargePointStatus:
        status = self._sessions.status if connector == CONNECTOR else None
        return status or self._serving.idle_status(connector)

    def use_reservation(self, id_tag: str) -> int | None:
        return self._serving.use_reservation(id_tag)

    def end_transaction(self) -> None:
        self._serving.end_transaction()

    # --- What operators see and do, called by `Responses` --------------------------------------------

    @property
    def connectors(self) -> int:
        return self.group.connectors

    @property
    def transaction_id(self) -> int | None:
        return self._sessions.transaction_id

    def start(self, id_tag: str) -> bool:
        if self._state != "here" or self._sessions.busy:
            return False
        self._after_answer(lambda: self._sessions.begin(id_tag, trio.current_time(), scheduled=False))
        return True

    def stop(self, reason: Reason) -> bool:
        if not self._sessions.busy:
            return False
        self._after_answer(lambda: self._sessions.end(reason, trio.current_time()))
        return True

    def reset(self, kind: ResetKind) -> None:
        self._after_answer(partial(self._reset, kind))

    def _after_answer(self, act: Callable[[], object]) -> None:
        self._world.wheel.at(trio.current_time(), act)

    def _reset(self, kind: ResetKind) -> None:
        """Reboot. A soft reset delivers the queue before, within 30 s, and a hard one after the reboot."""
        if self._state != "here":
            return
        self._state = "resetting"
        if kind == "Soft":
            self._sessions.end("SoftReset", trio.current_time())
            self._world.wheel.at(trio.current_time() + LEAVE_S, self._go_down)
            self._go_if_done()
        else:
            self._registration.close()
            self._sessions.queue.go_offline()
            self._sessions.end("HardReset", trio.current_time())
            self._go_down()

    def _go_down(self) -> None:
        if self._state == "resetting":
            self._state = "rebooting"
            self._serving.reboot()
            self._link.close(1001, "rebooting")

    def boot(self) -> bytes:
        return BOOT

    def reading(self) -> bytes:
        return self._read_meter("Trigger")

    def status(self, connector: int) -> bytes:
        return b'{"connectorId":%d,"errorCode":"NoError","status":"%b","timestamp":"%b"}' % (
            connector,
            self.current_status(connector).encode(),
            now_text().encode(),
        )
