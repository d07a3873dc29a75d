"""The files and other long answers that clients read now, of which there may be a limited number at once."""

from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, contextmanager

from gateway.service.metrics import Reading


class Downloads:
    """Counts the answers that are written part by part.

    Each has one part in memory and may keep the store busy, so their number is bounded.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.running = 0

    @property
    def is_full(self) -> bool:
        return self.running >= self._limit

    def readings(self) -> Iterator[Reading]:
        yield Reading("csms_admin_downloads", "Clients that download a file now.", self.running, "gauge")

    @contextmanager
    def count(self) -> Iterator[None]:
        self.running += 1
        try:
            yield
        finally:
            self.running -= 1

    async def counted(self, parts: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
        """Count a download until its parts end, or until the client leaves."""
        with self.count():
            async with aclosing(parts):
                async for part in parts:
                    yield part
