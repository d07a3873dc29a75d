"""The calls of the central system: each gets its answer, and then what follows the answer is sent."""

from typing import Final

import trio
from msgspec import Raw

from gateway.ocpp16 import frames
from gateway.ocpp16.frames import MESSAGE_ID_LIMIT
from gateway.ocpp16.messages.core import ChargePointStatus
from loadtest.charge_point.calls import Calls, Failure, Outcome
from loadtest.charge_point.responses import Day, Refusal, Responses
from loadtest.charge_point.world import World

_ID_TOO_LONG: Final = Refusal(
    "FormationViolation", f"the message id is too long; send at most {MESSAGE_ID_LIMIT} characters"
)


class Serving:
    """Answers for one charge point. A charge point that was never called costs nothing for it.

    A charge point that never answers is `silent`.
    """

    __slots__ = ("_calls", "_day", "_following", "_responses", "_silent", "_world")

    def __init__(self, world: World, calls: Calls, day: Day, *, silent: bool) -> None:
        self._world = world
        self._calls = calls
        self._day = day
        self._silent = silent
        self._responses: Responses | None = None
        self._following = False
        """Whether messages that follow an answer are being sent."""

    def serve(self, call: frames.Call) -> None:
        id_ = call.id
        self._world.checks.command_received(self._day.id, str(id_)[:MESSAGE_ID_LIMIT], call.action)
        if self._silent:
            return
        responses = self._responses = self._responses or Responses(self._day)
        answer: bytes | Refusal = _ID_TOO_LONG
        if isinstance(id_, str) and len(id_) > MESSAGE_ID_LIMIT:
            id_ = id_[:MESSAGE_ID_LIMIT]
        else:
            answer = responses.answer(call.action, bytes(call.payload))
        if isinstance(answer, Refusal):
            self._calls.write(frames.error(id_, answer.code, answer.text, {}))
        else:
            self._calls.write(frames.result(id_, Raw(answer)))
        if responses.later and not self._following:
            self._following = True
            self._follow(b"")

    def _follow(self, outcome: Outcome) -> None:
        """Send the messages that follow an answer, one after the other."""
        later = [] if self._responses is None else self._responses.later
        if outcome is Failure.CUT:
            later.clear()
        if not later:
            self._following = False
            return
        action, payload = later.pop(0)
        self._calls.send(action, payload, trio.current_time(), self._follow)

    def idle_status(self, connector: int) -> ChargePointStatus:
        return "Available" if self._responses is None else self._responses.idle_status(connector)

    def use_reservation(self, id_tag: str) -> int | None:
        return None if self._responses is None else self._responses.use_reservation(id_tag)

    def end_transaction(self) -> None:
        if self._responses is not None:
            self._responses.end_transaction()

    def reboot(self) -> None:
        if self._responses is not None:
            self._responses.reboot()
