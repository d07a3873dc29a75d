"""The files and other long answers that clients read now, of which there may be a limited number at once."""

from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing
from weakref import finalize

from gateway.service.metrics import Reading


class Place:
    """The place of one download. It is left with its last part, or as soon as nothing refers to it.

    If a client leaves before its answer begins, nobody reads or closes the parts of the answer.
    """

    def __init__(self, leave: Callable[[], None]) -> None:
        self.leave = finalize(self, leave)

    async def counted(self, parts: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
        """Keep the place until the parts end, or until the client leaves."""
        try:
            async with aclosing(parts):
                async for part in parts:
                    yield part
        finally:
            self.leave()


class Downloads:
    """Counts the answers that are written part by part.

    Each has one part in memory and may keep the store busy, so their number is bounded.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.running = 0

    def readings(self) -> Iterator[Reading]:
        yield Reading("csms_admin_downloads", "Clients that download a file now.", self.running, "gauge")

    def take(self) -> Place | None:
        """Take a place for a download that begins soon. None means that there is none."""
        if self.running >= self._limit:
            return None
        self.running += 1
        return Place(self._leave)

    def _leave(self) -> None:
        self.running -= 1
