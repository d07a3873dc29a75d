"""The sessions of this node, by charge point."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.session.session import Session


class Hub:
    """While a charge point reconnects two of its sessions live side by side; the newer one is found."""

    def __init__(self) -> None:
        self._sessions: dict[str, Session] = {}
        self._holders: dict[str, Session] = {}

    def __len__(self) -> int:
        return len(self._holders)

    def __iter__(self) -> Iterator["Session"]:
        return iter(tuple(self._holders.values()))

    def add(self, session: "Session") -> None:
        """In whatever order two of one charge point got here: the store's clock tells which is the newer.

        Epochs alone do not: a wiped store begins them anew.
        """
        self._holders[session.lease.holder] = session
        other = self._sessions.get(session.lease.keys.member)
        if other is None or _claim(other) < _claim(session):
            self._sessions[session.lease.keys.member] = session

    def remove(self, session: "Session") -> None:
        self._holders.pop(session.lease.holder, None)
        if self._sessions.get(session.lease.keys.member) is session:
            del self._sessions[session.lease.keys.member]

    def find(self, member: str) -> "Session | None":
        return self._sessions.get(member)

    def find_holder(self, holder: str) -> "Session | None":
        return self._holders.get(holder)


def _claim(session: "Session") -> tuple[int, int]:
    return session.lease.claimed_ms, session.lease.epoch
