"""Waits for conditions that cannot wake a task: another process, or a clock."""

import time
from collections.abc import Awaitable, Callable

import trio

GENEROUS_S = 60.0


async def until(
    check: Callable[[], bool | Awaitable[bool]], within_s: float = GENEROUS_S, *, every_s: float = 0.02
) -> None:
    """Call the condition repeatedly until it holds. Raises trio.TooSlowError."""
    with trio.fail_after(within_s):
        while True:
            found = check()
            if found if isinstance(found, bool) else await found:
                return
            await trio.sleep(every_s)


def wait_until(
    check: Callable[[], bool], or_else: Callable[[], object] = lambda: "", within_s: float = GENEROUS_S
) -> None:
    """Wait like `until`, without Trio. Raises AssertionError with the text that `or_else` returns."""
    deadline = time.monotonic() + within_s
    while not check():
        assert time.monotonic() < deadline, or_else()
        time.sleep(0.02)
