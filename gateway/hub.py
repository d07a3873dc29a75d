"""The sessions of this node. They are found by charge point, or by the name of the session (holder)."""

from collections import Counter
from collections.abc import Iterator, Mapping

from gateway.session.session import Session
from state.keys import PARTITIONS


class Hub:
    """The sessions of one process. `find` returns the newer session if a charge point has two sessions."""

    def __init__(self) -> None:
        self.removed = 0
        """Number of sessions that have ended since the start of the process."""
        self._by_tenant: Counter[str] = Counter()
        self._sessions: dict[str, Session] = {}
        self._holders: dict[str, Session] = {}
        self._partitions: list[dict[str, Session]] = [{} for _ in range(PARTITIONS)]

    def __len__(self) -> int:
        return len(self._holders)

    def __iter__(self) -> Iterator[Session]:
        return iter(tuple(self._holders.values()))

    def add(self, session: Session) -> None:
        """Add a session.

        Two sessions of a charge point may be added in either order. `find` then returns the session with the
        later claim.

        The epoch alone does not show which claim is later, because epochs begin again after the store was
        wiped.
        """
        lease = session.link.lease
        self._by_tenant[lease.keys.tenant] += 1
        self._holders[lease.holder] = session
        self._partitions[lease.keys.partition][lease.holder] = session
        other = self._sessions.get(lease.keys.member)
        if other is None or _claim_order(other) < _claim_order(session):
            self._sessions[lease.keys.member] = session

    def remove(self, session: Session) -> None:
        self.removed += 1
        lease = session.link.lease
        self._by_tenant[lease.keys.tenant] -= 1
        if not self._by_tenant[lease.keys.tenant]:
            del self._by_tenant[lease.keys.tenant]
        self._holders.pop(lease.holder, None)
        self._partitions[lease.keys.partition].pop(lease.holder, None)
        if self._sessions.get(lease.keys.member) is session:
            del self._sessions[lease.keys.member]

    def count_by_tenant(self, most: int) -> Mapping[str, int]:
        """Return the number of sessions of the `most` largest tenants, and that of all others under ""."""
        largest = dict(self._by_tenant.most_common(most))
        return largest | {"": len(self._holders) - sum(largest.values())}

    def of_partition(self, partition: int) -> tuple[Session, ...]:
        return tuple(self._partitions[partition].values())

    def find(self, member: str) -> Session | None:
        return self._sessions.get(member)

    def find_holder(self, holder: str) -> Session | None:
        return self._holders.get(holder)


def _claim_order(session: Session) -> tuple[int, int]:
    return session.link.lease.claimed_ms, session.link.lease.epoch
