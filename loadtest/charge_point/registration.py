"""The boot of a charge point on each connection, and what follows its acceptance: statuses and heartbeats."""

from typing import Final, Protocol

import trio
from msgspec import Struct
from msgspec.json import Decoder

from gateway.ocpp16.frames import DECODE_ERRORS
from gateway.ocpp16.messages.core import ChargePointStatus
from loadtest.charge_point.calls import Calls, Failure, Outcome, Then
from loadtest.charge_point.equipment import CONNECTOR
from loadtest.charge_point.wheel import Entry
from loadtest.charge_point.world import World
from loadtest.scenario.model import Group

BOOT: Final = b'{"chargePointVendor":"csms","chargePointModel":"loadtest","firmwareVersion":"1.0"}'
BOOT_S: Final = 60.0
"""Time until the next BootNotification, if the central system gives no interval."""
HEARTBEAT_S: Final = 300.0
"""Interval of heartbeats, if the central system gives none."""
INTERVAL_MAX: Final = 86_400


class _Answer(Struct, gc=False):
    status: str = ""
    interval: int = 0


_read: Final = Decoder(_Answer).decode
_UNREADABLE: Final = _Answer()


class Owner(Protocol):
    def current_status(self, connector: int) -> ChargePointStatus: ...

    def status(self, connector: int) -> bytes:
        """Return a StatusNotification."""

    def take_acceptance(self) -> float | None:
        """The central system has accepted the charge point.

        Returns the seconds since the loss of the connection before, or None if there was none.
        """


class Registration:
    """Sends BootNotification until it is accepted, at the intervals of the central system."""

    __slots__ = (
        "_began",
        "_boot_began",
        "_calls",
        "_group",
        "_heartbeat",
        "_next",
        "_owner",
        "_reported",
        "_retry",
        "_world",
        "accepted",
    )

    def __init__(self, world: World, group: Group, calls: Calls, owner: Owner) -> None:
        self._world = world
        self._group = group
        self._calls = calls
        self._owner = owner
        self._began = 0.0
        self._boot_began = 0.0
        self._retry: Entry | None = None
        self._heartbeat: Entry | None = None
        self._next = 0
        """The connector that is reported next after a power-up."""
        self._reported: ChargePointStatus | None = None
        """What the central system knows of connector 1, or None after a power-up."""
        self.accepted = False

    def open(self, began: float) -> None:
        """Boot on a connection for which the first byte was sent at `began`."""
        self._began = began
        self._boot_began = trio.current_time()
        self._boot()

    def close(self) -> None:
        if self.accepted:
            self.accepted = False
            self._world.recorder.booted -= 1
        for entry in (self._retry, self._heartbeat):
            if entry is not None:
                self._world.wheel.cancel(entry)
        self._retry = self._heartbeat = None

    def power_up(self) -> None:
        """Report all connectors after the next boot."""
        self._reported = None

    def _boot(self) -> None:
        self._retry = None
        now = trio.current_time()
        self._calls.send("BootNotification", BOOT, now, self._take_answer, first=True)

    def _take_answer(self, outcome: Outcome) -> None:
        if outcome is Failure.CUT:
            return
        answer = _UNREADABLE
        if not isinstance(outcome, Failure):
            try:
                answer = _read(outcome)
            except DECODE_ERRORS:
                answer = _UNREADABLE
        interval = min(answer.interval, INTERVAL_MAX)
        if answer.status == "Accepted":
            self._accept(interval if interval > 0 else HEARTBEAT_S)
        else:
            wait_s = interval if interval > 0 else BOOT_S
            self._retry = self._world.wheel.at(trio.current_time() + wait_s, self._boot)

    def _accept(self, interval_s: float) -> None:
        recorder, now = self._world.recorder, trio.current_time()
        self.accepted = True
        recorder.booted += 1
        recorder.phase("boot", now - self._boot_began)
        recorder.phase("service", now - self._began)
        if self._group.heartbeat_s is None:
            self._wait_for_heartbeat(now, interval_s)
        if self._reported is None:
            self._next = 0
            self._report_next(b"")
        elif self._reported != self._owner.current_status(CONNECTOR):
            self.report()
        back_s = self._owner.take_acceptance()
        if back_s is not None:
            recorder.phase("back", back_s)

    def _wait_for_heartbeat(self, last: float, interval_s: float) -> None:
        due = last + interval_s
        self._heartbeat = self._world.wheel.at(due, lambda: self._beat(due, interval_s))

    def _beat(self, due: float, interval_s: float) -> None:
        self._calls.send("Heartbeat", b"{}", due)
        self._wait_for_heartbeat(due, interval_s)

    def _report_next(self, outcome: Outcome) -> None:
        """Report the connectors one after the other."""
        connector = self._next
        if outcome is Failure.CUT or connector > self._group.connectors:
            return
        self._next += 1
        if connector == CONNECTOR:
            self.report(self._report_next)
        else:
            now, status = trio.current_time(), self._owner.status(connector)
            self._calls.send("StatusNotification", status, now, self._report_next)

    def report(self, then: Then | None = None) -> None:
        """Report connector 1, or call `then` at once if the charge point is not accepted."""
        if self.accepted:
            self._reported = self._owner.current_status(CONNECTOR)
            now, status = trio.current_time(), self._owner.status(CONNECTOR)
            self._calls.send("StatusNotification", status, now, then)
        elif then is not None:
            then(Failure.CUT)
