"""What a handler is."""

from collections.abc import Awaitable, Callable
from typing import Any

from gateway.charge_point import ChargePoint

type Handler = Callable[[Any, ChargePoint], Awaitable[Any]]
