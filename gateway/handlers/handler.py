"""What a handler is, and an outcome: the two things a charge point can say, a call and an answer to ours."""

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from gateway.handlers.charge_point import ChargePoint

type Handler = Callable[[Any, ChargePoint], Awaitable[Any]]


class Answered[Request, Result](NamedTuple):
    """The charge point answered our call with a CALLRESULT, perhaps late, perhaps on its last breath."""

    request: Request
    result: Result
    command_id: str
    charge_point: ChargePoint


type Outcome = Callable[[Answered[Any, Any]], Awaitable[None]]
"""What we remember of an answer, before the command is settled. Idempotent: an outage repeats it."""
