"""The types of a handler and an outcome.

A handler answers a charge point's call. An outcome stores the charge point's answer to our call.
"""

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, NamedTuple

from gateway.handlers.charge_point import ChargePoint

type Handler = Callable[[Any, ChargePoint], Coroutine[Any, Any, Any]]


class Answered[Request, Result](NamedTuple):
    """The charge point answered our call with a CALLRESULT.

    The call may have timed out before, and the connection may have ended since. `password_digest` is the
    keyed hash of the password that the call set, if it set one.
    """

    request: Request
    result: Result
    command_id: str
    charge_point: ChargePoint
    password_digest: bytes | None = None


type Outcome = Callable[[Answered[Any, Any]], Awaitable[None]]
"""Function that stores the effects of an answer, before the answered command is settled.

The function must be idempotent, because it runs again after an outage of the store.
"""
