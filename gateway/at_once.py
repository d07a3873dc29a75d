"""Run two reads at the same time, so that a caller waits for one round trip instead of two."""

from collections.abc import Awaitable, Callable

import trio


async def at_once[A, B](one: Callable[[], Awaitable[A]], other: Callable[[], Awaitable[B]]) -> tuple[A, B]:
    """Run both, and return both results.

    If one of them fails, the other is cancelled. The error is raised as it is, not in an ExceptionGroup.
    """
    of_one: list[A] = []
    of_other: list[B] = []
    failures: list[Exception] = []

    async def run[T](work: Callable[[], Awaitable[T]], found: list[T]) -> None:
        try:
            found.append(await work())
        except Exception as error:  # noqa: BLE001  Raised below.
            failures.append(error)
            nursery.cancel_scope.cancel()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(run, other, of_other)
        await run(one, of_one)
    if failures:
        raise failures[0]
    return of_one[0], of_other[0]
