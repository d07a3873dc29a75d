"""The loop that stands for the machine and its build of Python. It uses none of our code.

All recorded figures are ratios to it, so do not change it: a change makes them all wrong.
"""

from typing import Final

import msgspec

_DOCUMENT: Final = msgspec.json.encode(
    {
        "type": "Feature",
        "id": 1234567,
        "geometry": {"type": "Point", "coordinates": [13.3777, 52.5163]},
        "properties": {
            "name": "Brandenburger Tor",
            "tags": ["monument", "gate", "neoclassical"],
            "built": "1791-08-06T00:00:00Z",
            "height_m": 26.0,
            "open": True,
            "architect": None,
        },
    }
)


class _Place:
    def __init__(self, name: str) -> None:
        self.name = name
        self.seen = 0

    def see(self, places: dict[str, int]) -> int:
        self.seen += 1
        places[self.name] = places.get(self.name, 0) + 1
        return self.seen


def calibrate(rounds: int) -> None:
    """Read attributes and dictionaries, cut and join bytes, resume coroutines, and decode and encode JSON."""
    places: dict[str, int] = {}
    place = _Place("gate")
    for number in range(rounds):
        for _ in range(10):
            place.see(places)
        text = b"%d:%b" % (number, _DOCUMENT)
        head, _, rest = text.partition(b":")
        document = msgspec.json.decode(rest)
        document["properties"]["name"] = head.decode()
        b"".join((head, b"\r\n", msgspec.json.encode(document)))
        _resume(3)


async def _wait(depth: int) -> int:
    return await _wait(depth - 1) + 1 if depth else 0


def _resume(depth: int) -> None:
    waiting = _wait(depth)
    try:
        waiting.send(None)
    except StopIteration:
        waiting.close()
