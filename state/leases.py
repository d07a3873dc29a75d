"""Which session owns a charge point: the lease, its epoch and its fence (design section 4, "Lease")."""

from dataclasses import dataclass
from typing import Literal

from state.errors import LeaseLost, Superseded
from state.keys import ChargePointKeys

Fence = Literal["ok", "newer", "lost"]

_FENCES: dict[bytes, Fence] = {b"ok": "ok", b"newer": "newer", b"lost": "lost"}


@dataclass(slots=True, eq=False)
class Lease:
    """What a session carries, and every step of its charge point begins with. `holder`: `<incarnation>/<n>`."""

    keys: ChargePointKeys
    holder: str
    epoch: int
    last_transaction_id: int = 0

    @property
    def node(self) -> str:
        return self.holder.partition("/")[0]

    def head_keys(self) -> tuple[str, str, str]:
        """KEYS lease held events of a step."""
        keys = self.keys
        return keys.lease, keys.held(self.node), keys.events

    def head_args(self) -> tuple[int, str, str]:
        """ARGV epoch holder member of a step."""
        return self.epoch, self.holder, self.keys.member


def fence_of(word: bytes) -> Fence:
    """Raises KeyError if the word is none of a fence's outcomes."""
    return _FENCES[word]


def require(word: bytes) -> None:
    """For steps that are refused without the lease. Raises Superseded, LeaseLost."""
    if word == b"newer":
        raise Superseded("a newer session holds the lease")
    if word == b"lost":
        raise LeaseLost("the store knows an older lease or none")
