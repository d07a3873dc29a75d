"""Waiting for what sends no signal. The deadline is the test's."""

from collections.abc import Callable

import trio


async def until(true: Callable[[], bool]) -> None:
    while not true():  # noqa: ASYNC110  Another process, or a clock: nothing here could set an event.
        await trio.sleep(0.01)
