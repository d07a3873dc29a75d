"""What the charge points of one process share."""

import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from gateway.websocket.light_client import LightConnection, Step
from gateway.websocket.socket_stream import StartSoon
from loadtest.charge_point.faults import Faults
from loadtest.charge_point.wheel import Wheel
from loadtest.history import Journal
from loadtest.results import Phase
from loadtest.scenario.model import Scenario
from loadtest.scenario.timeline import Timeline

type Connect = Callable[
    [int, str, Faults | None, ssl.SSLSession | None, Callable[[Step, float], None]],
    Awaitable[LightConnection],
]


class Recorder(Protocol):
    """Measures. Times are of Trio's clock."""

    connected: int
    booted: int

    def sent(self, intended: float, sent: float, *, free: bool) -> None: ...

    def answered(self, action: str, intended: float, sent: float, answered: float) -> None: ...

    def delivered(self, action: str, written: float, answered: float) -> None: ...

    def failed(self, action: str, why: str) -> None: ...

    def phase(self, phase: Phase, seconds: float) -> None: ...

    def count(self, name: str, more: int = 1) -> None: ...

    def error(self, words: str) -> None: ...


class Checks(Protocol):
    """Judges the central system."""

    def answer(self, charge_point: str, message_id: str, action: str, payload: bytes) -> None: ...

    def unmatched(self, charge_point: str, message_id: str) -> None: ...

    def error(self, charge_point: str, action: str, code: str, description: str) -> None: ...

    def command_received(self, charge_point: str, message_id: str, action: str) -> None: ...

    def value_sent(self, charge_point: str, transaction: int, timestamp: str) -> None: ...


@dataclass(slots=True, kw_only=True, frozen=True)
class World:
    """`begin` is time 0 of the run by Trio's clock.

    `id_of` and `id_tag_of` get the number of a charge point. `journal` is None if nobody reads it.
    """

    scenario: Scenario
    timeline: Timeline
    begin: float
    wheel: Wheel
    recorder: Recorder
    checks: Checks
    journal: Journal | None
    connect: Connect
    start_soon: StartSoon
    id_of: Callable[[int], str]
    id_tag_of: Callable[[int], str]
