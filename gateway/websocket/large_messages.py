"""The memory that large messages of all connections may take together."""

from collections import OrderedDict

import trio

SMALL = 65_536
"""Length up to which a message needs no room of the budget."""
HEADER_MAX = 14
"""Bytes of the longest header of a frame."""
WAIT_S = 30.0


class LargeMessages:
    """A budget in bytes for the parts of unfinished messages beyond SMALL. It counts received bytes.

    Room is given in the order of the requests. The eldest holder alone may exceed the budget, by the rest of
    its message. Otherwise many messages that began together would fill the budget, and none could end.
    """

    def __init__(self, budget: int) -> None:
        self._free = budget
        self._held: dict[object, int] = {}
        """Bytes of each holder, in the order in which they began to hold some."""
        self._waiting: OrderedDict[object, tuple[int, trio.Event]] = OrderedDict()
        self.taken = 0
        """How often room was taken."""

    async def hold(self, holder: object, size: int) -> bool:
        """Let `holder` hold `size` bytes in all, as soon as there is room for them.

        False means that there was no room for 30 s. The holder then holds what it held before.
        """
        more = size - self._held.get(holder, 0)
        if more <= 0:
            self._change(holder, more)
            self._serve_waiting()
            return True
        if self._may_take(holder, more):
            self._change(holder, more)
            return True
        room = trio.Event()
        self._waiting[holder] = more, room
        try:
            with trio.move_on_after(WAIT_S):
                await room.wait()
        finally:
            self._waiting.pop(holder, None)
            if not room.is_set():
                self._serve_waiting()  # A smaller request may have waited behind this one.
        return room.is_set()

    def release(self, holder: object) -> None:
        """Give back all bytes of `holder`."""
        if holder in self._held:
            self._change(holder, -self._held[holder])
            self._serve_waiting()

    def _may_take(self, holder: object, more: int) -> bool:
        eldest = next(iter(self._held), holder)
        return eldest is holder or (not self._waiting and more <= self._free)

    def _change(self, holder: object, more: int) -> None:
        size = self._held.get(holder, 0) + more
        if size:
            self._held[holder] = size
        else:
            self._held.pop(holder, None)
        self._free -= more
        self.taken += more > 0

    def _serve_waiting(self) -> None:
        """Give room to those who wait: to the eldest holder first, then to the others in their order."""
        eldest = next(iter(self._held), None)
        if eldest in self._waiting:
            self._serve(eldest)
        while self._waiting:
            holder = next(iter(self._waiting))
            if self._held and self._waiting[holder][0] > self._free:
                return
            self._serve(holder)

    def _serve(self, holder: object) -> None:
        more, room = self._waiting.pop(holder)
        self._change(holder, more)
        room.set()
