"""How `csms up` divides the memory of the machine, or of the container that it runs in."""

from typing import NamedTuple

_STORE = 0.4
_GATEWAYS = 0.4


class Shares(NamedTuple):
    """Memory in bytes for the data of the embedded Valkey, and for each gateway."""

    store: int
    gateway: int


def divide(total: int, workers: int) -> Shares:
    """Give 40 % to the store and 40 % to all gateways together.

    While Valkey rewrites its file, changed memory exists twice, so the store may need as much again for a
    moment. The rest is for the admin process.
    """
    return Shares(int(total * _STORE), int(total * _GATEWAYS / workers))
