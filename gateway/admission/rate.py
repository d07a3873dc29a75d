"""How many upgrade requests a process serves in a second, and how many at the same time.

When a network or a gateway comes back, all its charge points connect at the same time. A handshake costs the
process much more than a Heartbeat. So the process serves only as many handshakes as leave time for the
sessions that are open, and refuses the others before they cost anything. Each of the refused charge points
gets another time to come back, so that they do not all return together.
"""

from math import ceil

SOONEST_S = 5
LATEST_S = 300


class Rate:
    """Admits `per_second` requests a second, with bursts of as many, and `at_once` at the same time.

    If `per_second` is 0, only `at_once` is a limit. The caller gives the time in seconds, so this class is
    pure.
    """

    def __init__(self, per_second: int, at_once: int) -> None:
        self._per_second = per_second
        self._at_once = at_once
        self._places: set[Place] = set()
        self._left = float(per_second)
        self._expected = 0.0
        """Number of refused requests that were told to come back and whose time has not come yet."""
        self._at = 0.0

    @property
    def serving(self) -> int:
        return len(self._places)

    def admit(self, now: float) -> "Place | int":
        """Return a place for a request that may be served now.

        Otherwise return the number of seconds after which the charge point shall try again.
        """
        passed, self._at = max(0.0, now - self._at), now
        self._left = min(float(self._per_second), self._left + passed * self._per_second)
        pace = self._per_second or self._at_once
        self._expected = max(0.0, self._expected - passed * pace)
        if len(self._places) < self._at_once and (not self._per_second or self._left >= 1):
            self._left -= 1
            place = Place(self)
            self._places.add(place)
            return place
        wait_s = SOONEST_S + self._expected / pace
        self._expected += 1
        return min(LATEST_S, ceil(wait_s))

    def leave(self, place: "Place", *, refused: bool) -> None:
        if place in self._places:
            self._places.remove(place)
            self._left += refused


class Place:
    """The place of a request that is served. It is free again after the request was answered."""

    __slots__ = ("_rate",)

    def __init__(self, rate: Rate) -> None:
        self._rate = rate

    def leave(self, *, refused: bool = False) -> None:
        """Free the place. A second call changes nothing.

        A request that was refused for another reason does not count for the rate. Otherwise strangers who try
        passwords could keep all charge points out.
        """
        self._rate.leave(self, refused=refused)
