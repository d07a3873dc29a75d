"""The memory that large messages of all connections may take together."""

import trio

SMALL = 65_536
"""Bytes of a message that every connection may hold."""
WAIT_S = 30.0


class LargeMessages:
    """A budget in bytes for the parts of messages beyond SMALL. It counts bytes that were received."""

    def __init__(self, budget: int) -> None:
        self._free = budget
        self.taken = 0
        """How often room was taken."""
        self._waiting = trio.lowlevel.ParkingLot()

    async def take(self, size: int) -> bool:
        """Wait for `size` bytes of the budget. False means that there was no room for 30 s."""
        with trio.move_on_after(WAIT_S):
            while self._free < size:
                await self._waiting.park()
            self._free -= size
            self.taken += 1
            return True
        return False

    def give_back(self, size: int) -> None:
        self._free += size
        self._waiting.unpark_all()
