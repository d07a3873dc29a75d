"""Our answers to the calls of a charge point: run the handler, send its answer, and do what follows.

A call is answered in one of three ways. `answer_heartbeat` needs no wait, `answer_by_errand` waits only for
the store (`state/errand.py`), and `answer` runs in the read task. If a handler fails, the charge point gets a
CALLERROR. If another session has the lease, this session closes without an answer.
"""

import contextlib
from collections.abc import Awaitable, Coroutine, Iterable
from time import monotonic
from typing import Any, NoReturn, override

import structlog

from gateway.handlers import HANDLERS
from gateway.handlers.charge_point import ChargePoint, now_text
from gateway.ocpp16 import plain_heartbeat
from gateway.ocpp16.messages.types import Message
from gateway.ocpp16.protocol import Protocol
from gateway.ocpp16.received import IncomingCall
from gateway.ocpp16.registration import NOT_ACCEPTED, REFUSAL, may_receive
from gateway.session.link import Link
from gateway.until_stored import until_stored
from gateway.websocket.close_codes import Close, ConnectionClosed
from state.errand import Errand
from state.errors import LeaseLost, StoreUnavailable, Superseded
from state.nodes import leases

log = structlog.get_logger()


class Answers:
    __slots__ = ("_link", "_protocol")

    def __init__(self, link: Link, protocol: Protocol) -> None:
        self._link = link
        self._protocol = protocol

    def answer_heartbeat(self, id_: bytes, began: float) -> Coroutine[Any, Any, None] | None:
        link = self._link
        try:
            rest = link.connection.send_now(plain_heartbeat.answer(id_, now_text()))
        except ConnectionClosed:
            rest = None
        link.node.telemetry.observe_call("Heartbeat", monotonic() - began)
        return None if rest is None else self._finish_reply(rest)

    def answer_by_errand(self, call: IncomingCall, began: float) -> Coroutine[Any, Any, None] | None:
        """Answer a call that waits only for the store, without waking the task of the session."""
        errand = AnswerErrand(self, self._link, call, began)
        if errand.run():
            return self.conclude(errand)
        self._link.connection.serve_elsewhere(errand.cancel)
        return None

    def conclude(self, errand: "AnswerErrand") -> Coroutine[Any, Any, None] | None:
        """Send the answer of an errand that has ended. Returns what is left to await, or None."""
        call, charge_point, began = errand.call, errand.charge_point, errand.began
        try:
            answer = self._protocol.answer(call, errand.take_result())
        except Exception as error:  # noqa: BLE001  `_rescue` judges it
            return self._answer_failed(error, call, charge_point, began)
        left = self._send_answer(answer, call, charge_point, began)
        if left is not None:
            return self._end_call_after(left, charge_point)
        self.end_call(charge_point)
        return None

    async def _end_call_after(self, left: Coroutine[Any, Any, None], charge_point: ChargePoint) -> None:
        try:
            await left
        finally:
            self.end_call(charge_point)

    async def _finish_reply(self, rest: Awaitable[None]) -> None:
        # The read task also notices that the connection has ended.
        with contextlib.suppress(ConnectionClosed):
            await rest

    async def reply(self, frame: bytes, faults: Iterable[str] = ()) -> None:
        await self._finish_reply(self._link.send(frame, faults))

    async def answer(self, call: IncomingCall, began: float) -> None:
        link = self._link
        charge_point = ChargePoint(link.node.store, link.lease, link.memory, call.payload, call.as_sent)
        link.answering = True
        try:
            if link.memory.registration != "Accepted" and not self._may_speak(call.action, charge_point):
                await self.reply(self._protocol.refuse(call, REFUSAL, NOT_ACCEPTED), charge_point.faults)
                return
            try:
                answer = self._protocol.answer(call, await HANDLERS[call.action](call.request, charge_point))
            except Exception as error:  # noqa: BLE001  `_rescue` judges it
                answer = await self._rescue(call, error, charge_point)
                if not answer:
                    return
            if (left := self._send_answer(answer, call, charge_point, began)) is not None:
                await left
        finally:
            self.end_call(charge_point)

    def _send_answer(
        self, answer: bytes, call: IncomingCall, charge_point: ChargePoint, began: float
    ) -> Coroutine[Any, Any, None] | None:
        """Send an answer, and do what follows from it. Returns what is left to await, or None."""
        link = self._link
        for work in charge_point.later:
            link.node.see_through(until_stored, work)
        rest: Awaitable[None] | None = None
        if link.recorder is None:
            try:  # noqa: SIM105  suppress() costs 3 % of a whole call
                rest = link.connection.send_now(answer)
            except ConnectionClosed:
                pass
        else:
            rest = link.send(answer, charge_point.faults)
        link.node.telemetry.observe_call(call.action, monotonic() - began)
        if charge_point.fact is not None:
            link.node.fact_log.note(charge_point.fact)
        if rest is not None or charge_point.fence != "ok":
            return self._finish_answer(rest, charge_point.fence)
        return None

    async def _finish_answer(self, rest: Awaitable[None] | None, fence: leases.Fence) -> None:
        if rest is not None:
            await self._finish_reply(rest)
        if fence != "ok":
            await self._link.apply_fence(fence)

    def end_call(self, charge_point: ChargePoint) -> None:
        """Count the faults of a call that was answered, or that gets no answer."""
        link = self._link
        if charge_point.faults:
            link.node.count_faults(link.lease.keys, charge_point.faults)
        link.answering = False
        if link.answered is not None:
            link.answered.set()

    async def _answer_failed(
        self, error: Exception, call: IncomingCall, charge_point: ChargePoint, began: float
    ) -> None:
        """Answer a call whose handler failed."""
        try:
            if answer := await self._rescue(call, error, charge_point):
                left = self._send_answer(answer, call, charge_point, began)
                if left is not None:
                    await left
        finally:
            self.end_call(charge_point)

    def _may_speak(self, action: str, charge_point: ChargePoint) -> bool:
        """Return whether the registration of the charge point allows this call.

        A refused call is counted as a fault, and so is a call that is served without any BootNotification.
        """
        memory = self._link.memory
        verdict = may_receive(
            action,
            memory.registration,
            policy=memory.policy,
            strict=memory.strict,
            triggered=memory.triggered,
        )
        if verdict == "no_boot":
            charge_point.fault("no_boot")
        elif verdict == "refused":
            charge_point.fault("not_accepted")
        return verdict != "refused"

    async def _rescue(self, call: IncomingCall, error: Exception, charge_point: ChargePoint) -> bytes:
        """Return the answer to a call whose handler failed, or b"" if the session closes instead."""
        if isinstance(error, LeaseLost):
            # The store was rolled back or wiped, so `leases.require` raised LeaseLost. The handler may run
            # again, because handlers are idempotent. A script that stores a fact does not raise LeaseLost.
            # The script returns the state of the lease, and `_send_answer` acts on this state.
            try:
                await self._link.readopt()
                return self._protocol.answer(call, await HANDLERS[call.action](call.request, charge_point))
            except Exception as again:  # noqa: BLE001  judged below
                error = again
        if isinstance(error, Superseded):
            self._link.close_soon(Close.SUPERSEDED)
            return b""
        self._link.node.telemetry.refused_calls[call.action] += 1
        if isinstance(error, StoreUnavailable):
            # csms must not acknowledge a call that is not stored. OCPP allows the charge point to repeat the
            # call.
            return self._protocol.refuse(
                call, "InternalError", "The store did not answer. Send the call again later."
            )
        log.error("handler.failed", action=call.action, charge_point=self._link.lease.keys.id, exc_info=error)
        return self._protocol.refuse(
            call, "InternalError", "The central system failed to process this call. The log has the cause."
        )


class AnswerErrand(Errand[Message]):
    """A call that is answered without waking the task of its session."""

    __slots__ = ("_answers", "_link", "began", "call", "charge_point")

    def __init__(self, answers: Answers, link: Link, call: IncomingCall, began: float) -> None:
        link.answering = True
        self._answers = answers
        self._link = link
        self.call = call
        self.charge_point = ChargePoint(link.node.store, link.lease, link.memory, call.payload, call.as_sent)
        self.began = began
        super().__init__(HANDLERS[call.action](call.request, self.charge_point))

    @override
    def end(self) -> None:
        try:
            left = self._answers.conclude(self)
        except Exception as error:  # noqa: BLE001  The session raises it.
            left = _raise(error)
        self._link.connection.resume(left)

    @override
    def cancel(self) -> None:
        super().cancel()
        self._answers.end_call(self.charge_point)


async def _raise(error: Exception) -> NoReturn:
    raise error
