"""How many upgrade requests a process serves in a second, and how many at the same time.

When a network or a gateway comes back, all its charge points connect at the same time. A handshake costs the
process much more than a Heartbeat. So the process serves only as many handshakes as leave time for the
sessions that are open. A request beyond that waits for its turn, because a charge point that has to connect
again costs another handshake. If the wait would be too long, the request is refused before it costs anything.
Each of the refused charge points gets another time to come back, so that they do not all return together.
"""

from math import ceil, inf

BURST_S = 1.0
PATIENCE_S = 5.0
"""The longest wait of a request. Many charge points give up after 10 s."""
SOONEST_S = 5
LATEST_S = 300


class Rate:
    """Admits `per_second` requests a second, after bursts of as many, and `at_once` at the same time.

    If `per_second` is 0, only `at_once` is a limit. The caller gives the time in seconds, so this class is
    pure.
    """

    def __init__(self, per_second: int, at_once: int) -> None:
        self._spacing_s = 1 / per_second if per_second else 0.0
        self._pace = per_second or at_once
        self._at_once = at_once
        self._places: set[Place] = set()
        self._used_until = -inf
        """Time until which all turns are given away. It may be in the future."""
        self._expected = 0.0
        """Number of refused requests that got a time to come back which has not come yet."""
        self._refused_at = 0.0

    @property
    def serving(self) -> int:
        return len(self._places)

    def admit(self, now: float) -> "Place | int":
        """Return a place for a request. If the place has a `wait_s`, its turn comes after so many seconds.

        Otherwise return the number of seconds after which the charge point shall try again.
        """
        used_until = max(self._used_until, now - BURST_S)
        wait_s = max(0.0, used_until + self._spacing_s - now)
        place = Place(self, wait_s)
        if wait_s > PATIENCE_S or not (wait_s or self.start(place)):
            return self.refuse(now)
        self._used_until = used_until + self._spacing_s
        return place

    def start(self, place: "Place") -> bool:
        """Take the place when its turn has come. False means that too many requests are served now."""
        if len(self._places) >= self._at_once:
            return False
        self._places.add(place)
        return True

    def refuse(self, now: float) -> int:
        """Return the number of seconds after which a refused charge point shall try again."""
        passed, self._refused_at = max(0.0, now - self._refused_at), now
        self._expected = max(0.0, self._expected - passed * self._pace)
        wait_s = SOONEST_S + self._expected / self._pace
        self._expected += 1
        return min(LATEST_S, ceil(wait_s))

    def leave(self, place: "Place", *, refused: bool) -> None:
        if place in self._places:
            self._places.remove(place)
            if refused:
                self.give_back()

    def give_back(self) -> None:
        """Leave a turn to other requests, because nothing was served in it."""
        self._used_until -= self._spacing_s


class Place:
    """The place of a request that is served. It is free again after the request was answered."""

    __slots__ = ("_rate", "wait_s")

    def __init__(self, rate: Rate, wait_s: float) -> None:
        self._rate = rate
        self.wait_s = wait_s

    def leave(self, *, refused: bool = False) -> None:
        """Free the place. A second call changes nothing.

        A request that was refused for another reason does not count for the rate. Otherwise strangers who try
        passwords could keep all charge points out.
        """
        self._rate.leave(self, refused=refused)
