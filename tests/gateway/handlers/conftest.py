"""Handlers whose calls are answered by errands run as errands in these tests, as they do in a session."""

from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, override

import pytest
import trio

from gateway.handlers import ERRANDS, HANDLERS, core
from gateway.handlers.charge_point import ChargePoint
from state.errand import Errand


class _Waited(Errand[Any]):
    __slots__ = ("ended",)

    def __init__(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        super().__init__(coroutine)
        self.ended = trio.Event()

    @override
    def end(self) -> None:
        self.ended.set()


async def _run(
    handler: Callable[[Any, ChargePoint], Coroutine[Any, Any, Any]], request: Any, charge_point: ChargePoint
) -> Any:
    errand = _Waited(handler(request, charge_point))
    if not errand.run():
        await errand.ended.wait()
    return errand.take_result()


@pytest.fixture(autouse=True)
def run_by_errands(monkeypatch: pytest.MonkeyPatch) -> None:
    for action in ERRANDS:
        handler = HANDLERS[action]
        assert handler.__module__ == core.__name__
        monkeypatch.setattr(core, handler.__name__, partial(_run, handler))
