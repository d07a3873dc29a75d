"""The connection of a charge point, and when the charge point tries again."""

import socket
import ssl
from typing import Protocol

import trio

from gateway.websocket.client import UpgradeRefused
from gateway.websocket.light_client import LightConnection, Step
from loadtest.charge_point.backoff import Backoff, read_retry_after
from loadtest.charge_point.connecting import FAILURES, describe_failure
from loadtest.charge_point.faults import Faults
from loadtest.charge_point.wheel import Entry
from loadtest.charge_point.world import World
from loadtest.measuring.generator import is_exhausted
from loadtest.now import now_ms
from loadtest.scenario.dice import Dice
from loadtest.scenario.model import Group, HowCut

CLOSE_S = 5.0
"""Time that the central system has for its CLOSE."""
_OWN_CODES = frozenset((1000, 1001, 1006))
"""Codes of connections that the charge point ended of its own will. Other codes name a broken rule."""


class Owner(Protocol):
    @property
    def index(self) -> int: ...

    @property
    def id(self) -> str: ...

    @property
    def group(self) -> Group: ...

    def take_open(self, connection: LightConnection, began: float) -> None:
        """A connection was opened, for which the first byte was sent at `began`."""

    def take_frame(self, frame: bytes) -> None: ...

    def take_loss(self) -> None:
        """The connection has ended. The link then tries again, unless `stay_away` is called here."""


class Link:
    """Keeps a charge point connected from `connect` to `stay_away`. A task lives as long as a connection."""

    __slots__ = (
        "_backoff",
        "_connection",
        "_dialling",
        "_faults",
        "_frozen",
        "_lost_at",
        "_owner",
        "_retry",
        "_session",
        "_wanted",
        "_world",
        "away_s",
    )

    def __init__(self, world: World, owner: Owner, faults: Faults | None) -> None:
        self._world = world
        self._owner = owner
        self._faults = faults
        self._backoff = Backoff(owner.group.reconnect, Dice(world.scenario.seed, owner.index, "backoff"))
        self._connection: LightConnection | None = None
        self._dialling = False
        self._wanted = False
        self._retry: Entry | None = None
        self._session: ssl.SSLSession | None = None
        self._frozen: socket.socket | None = None
        self._lost_at: float | None = None
        self.away_s: float | None = None
        """Time until the next try after the next loss, instead of that of the backoff."""

    @property
    def connected(self) -> bool:
        return self._connection is not None

    @property
    def gone(self) -> bool:
        """Whether the link neither has a connection nor will have one."""
        return not self._wanted and self._connection is None and not self._dialling

    def connect(self) -> None:
        if not self._wanted:
            self._wanted = True
            self._dial()

    def stay_away(self) -> None:
        """Try no more. A connection stays as it is."""
        self._wanted = False
        self._lost_at = self.away_s = None
        self._thaw()
        if self._retry is not None:
            self._world.wheel.cancel(self._retry)
            self._retry = None

    def settle(self) -> float | None:
        """Count the tries anew, because the central system has accepted the charge point.

        Returns the seconds since the loss of the connection before, or None if there was none.
        """
        self._backoff.reset()
        self._thaw()
        lost_at, self._lost_at = self._lost_at, None
        return None if lost_at is None else trio.current_time() - lost_at

    def close(self, code: int, reason: str) -> None:
        """Close the connection, and cut it if the central system does not close it too."""
        connection = self._connection
        if connection is not None:
            connection.close(code, reason)
            self._world.wheel.at(trio.current_time() + CLOSE_S, connection.abort)

    def cut(self, how: HowCut) -> bool:
        """Lose the connection. Returns False if there is none."""
        connection = self._connection
        if connection is None or connection.closed is not None:
            return False
        match how:
            case "reset":
                connection.abort()
            case "close":
                self.close(1001, "going away")
            case "freeze":
                self._thaw()
                self._frozen = connection.freeze()
        return True

    def _thaw(self) -> None:
        """End a frozen connection, because the charge point has another one or has left."""
        if self._frozen is not None:
            self._frozen.close()
            self._frozen = None

    def _dial(self) -> None:
        self._retry = None
        if self._wanted and not self._dialling and self._connection is None:
            self._dialling = True
            self._world.start_soon(self._live)

    async def _live(self) -> None:
        """Connect, and read until the connection ends."""
        began = trio.current_time()
        try:
            connection = await self._world.connect(
                self._owner.index, self._owner.id, self._faults, self._session, self._note_step
            )
        except FAILURES as error:
            self._dialling = False
            self._come_back(self._note_failure(error))
            return
        self._dialling = False
        try:
            if self._wanted:
                self._open(connection, began)
            else:
                connection.abort()
            closed = await connection.run(self._owner.take_frame)
        finally:
            connection.abort()
        if self._connection is connection:
            if closed.by != "us" or closed.code not in _OWN_CODES:
                self._world.recorder.error(f"connection lost {closed.code}")
            self._lose(connection)
        self._come_back()

    def _note_step(self, step: Step, seconds: float) -> None:
        self._world.recorder.phase(step, seconds)

    def _note_failure(self, error: Exception) -> float:
        """Return the seconds that the central system asks the charge point to wait."""
        self._world.recorder.error(describe_failure(error))
        if not isinstance(error, UpgradeRefused):
            self._world.recorder.count("exhausted" if is_exhausted(error) else "unreachable")
            return 0.0
        self._world.recorder.count("refused")
        return read_retry_after(error.headers, now_ms())

    def _open(self, connection: LightConnection, began: float) -> None:
        recorder = self._world.recorder
        self._connection = connection
        recorder.connected += 1
        recorder.count("connections")
        if self._lost_at is not None:
            recorder.count("reconnects")
        self._owner.take_open(connection, began)

    def _lose(self, connection: LightConnection) -> None:
        self._connection = None
        self._world.recorder.connected -= 1
        if self._world.scenario.target.tls_resumption:
            self._session = connection.session
        if self._wanted and self._lost_at is None:
            self._lost_at = trio.current_time()
        self._owner.take_loss()

    def _come_back(self, retry_after_s: float = 0.0) -> None:
        if not self._wanted or self._retry is not None or self._dialling:
            return
        wait_s, self.away_s = self.away_s, None
        if wait_s is None:
            wait_s = self._backoff.next_s(retry_after_s)
        if wait_s is None:
            self._world.recorder.count("stayed_away")
        else:
            self._retry = self._world.wheel.at(trio.current_time() + wait_s, self._dial)
