"""Lets a few TLS handshakes at a time take a step, with the sessions of the process in between.

A step of a handshake costs a millisecond or two. When a fleet comes back, hundreds of handshakes are due at
the same moment. If all of them took their step before anything else, every session would wait for a second,
no connection would be accepted meanwhile, and most handshakes would end after their charge points gave up.
"""

from typing import Final

import trio

AT_ONCE: Final = 8
"""Steps in a round of Trio, of a millisecond or so each. With one, the other work of a round starves them."""


class TooBusy(Exception):  # noqa: N818  it says what happened
    """Others were served for so long that this handshake has not begun."""


class Turns:
    """AT_ONCE turns in each round of Trio. Handshakes that have begun come before new ones."""

    def __init__(self) -> None:
        self._taken = 0
        self._begun = trio.lowlevel.ParkingLot()
        self._new = trio.lowlevel.ParkingLot()

    async def take(self, *, begun: bool, patience_s: float) -> bool:
        """Wait for a turn, and return whether others were before. `give_back` must follow. Raises TooBusy."""
        if self._taken < AT_ONCE:
            self._taken += 1
            try:
                await trio.lowlevel.checkpoint()  # Others that are due in this round must wait.
            except BaseException:
                self.give_back()
                raise
            return False
        with trio.move_on_after(patience_s):
            await (self._begun if begun else self._new).park()
            return True
        raise TooBusy

    def give_back(self) -> None:
        """Pass the turn on, which begins in the next round of Trio."""
        for waiting in (self._begun, self._new):
            if waiting:
                waiting.unpark()
                return
        self._taken -= 1


_turns: trio.lowlevel.RunVar[Turns] = trio.lowlevel.RunVar("turns")


def get() -> Turns:
    """Return the turns of this Trio run."""
    try:
        return _turns.get()
    except LookupError:
        turns = Turns()
        _turns.set(turns)
        return turns
