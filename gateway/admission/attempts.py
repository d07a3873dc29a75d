"""Failed authentications per minute, by address and by address and charge point.

Only failures count, so a whole fleet may reconnect at once; and never by charge point alone, or anyone could
lock a charge point out by failing in its name.
"""

from collections import OrderedDict

WINDOW_S = 60.0
REMEMBERED = 20_000


class Attempts:
    """`record_failure` counts; `wait` says how many seconds an address (and charge point) must stay away."""

    def __init__(self, *, per_address: int, per_charge_point: int) -> None:
        self._per_address = per_address
        self._per_charge_point = per_charge_point
        self._counts: OrderedDict[tuple[str, ...], tuple[float, int]] = OrderedDict()

    def wait(self, address: str, charge_point: str, now: float) -> int:
        return max(
            self._wait((address,), self._per_address, now),
            self._wait((address, charge_point), self._per_charge_point, now),
        )

    def record_failure(self, address: str, charge_point: str, now: float) -> None:
        for key in ((address,), (address, charge_point)):
            since, count = self._counts.pop(key, (now, 0))
            if now - since >= WINDOW_S:
                since, count = now, 0
            self._counts[key] = (since, count + 1)
        while len(self._counts) > REMEMBERED:
            self._counts.popitem(last=False)

    def _wait(self, key: tuple[str, ...], limit: int, now: float) -> int:
        since, count = self._counts.get(key, (now, 0))
        left = since + WINDOW_S - now
        return int(left) + 1 if count >= limit and left > 0 else 0
