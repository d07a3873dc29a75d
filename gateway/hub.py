"""The sessions of this node, by charge point."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.session import Session


class Hub:
    """While a charge point reconnects two of its sessions live side by side; the newer one is found."""

    def __init__(self) -> None:
        self._sessions: dict[str, Session] = {}
        self._all: set[Session] = set()

    def __len__(self) -> int:
        return len(self._all)

    def __iter__(self) -> Iterator["Session"]:
        return iter(tuple(self._all))

    def add(self, session: "Session") -> None:
        self._all.add(session)
        self._sessions[session.lease.keys.member] = session

    def remove(self, session: "Session") -> None:
        self._all.discard(session)
        if self._sessions.get(session.lease.keys.member) is session:
            del self._sessions[session.lease.keys.member]

    def find(self, member: str) -> "Session | None":
        return self._sessions.get(member)

    def find_holder(self, holder: str) -> "Session | None":
        return next((session for session in self._all if session.lease.holder == holder), None)
