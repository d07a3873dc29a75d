"""What a node checks for its own sessions, partition by partition.

A session that sends nothing costs no command of its own. The store has sets that name the charge points of a
partition, and the node compares these sets with its sessions.
"""

from collections import Counter
from collections.abc import Callable, Sequence

import structlog
import trio

from gateway.hub import Hub
from gateway.node import Node
from gateway.session.link import Link
from state import keys as key_names
from state import transactions
from state.commands import waiting
from state.keys import ChargePointKeys, split
from state.nodes import held, leases
from state.transactions import running

log = structlog.get_logger()

AUDIT_S = 10.0
PENDING_S = 5.0
WAITING_S = 60.0
"""Time between two looks at the commands that wait until their charge points are online.

Most of their charge points are offline, so these are many for few sessions.
"""
SEEN_S = 300.0
SEEN_TURN_S = 10.0
"""Time between two turns of `store_seen`.

Each turn is a write, and with `appendfsync always` all clients of the server wait for it.
"""
HOLDS_S = 1200.0
"""Time between two prolongations of a hold, which lasts 3 hours."""
AUDITED_AT_ONCE = 100
AUDIT_PAUSE_S = 0.05
"""Pause after each AUDITED_AT_ONCE leases of a full audit, so that the store has time for other work."""


class Upkeep:
    def __init__(self, node: Node, hub: Hub) -> None:
        self._node = node
        self._hub = hub
        self._identity = node.store.identity
        self._ghosts: dict[int, set[str]] = {}
        """Charge points that the store lists for this node, but that had no session at the last look."""
        self._ranks: dict[str, int] = {}
        """Rank of the command at which the next look at a sorted set begins, if it is not the first."""

    # --- Leases ------------------------------------------------------------------------------------

    async def compare(self, partitions: Sequence[int]) -> None:
        """Find the sessions that have lost their lease, and the leases that have no session.

        A partition without sessions may have such leases too, if its charge points left while this process
        was paused.
        """
        before = {
            partition: [session.link for session in self._hub.of_partition(partition)]
            for partition in partitions
        }
        doubtful: list[Link] = []
        ghosts: list[str] = []
        found = await held.list_members(self._node.store, self._node.incarnation, partitions)
        for partition, members in zip(partitions, found, strict=True):
            present = {session.link.lease.keys.member for session in self._hub.of_partition(partition)}
            sessions = Counter(link.lease.keys.member for link in before[partition])
            # Two sessions of a charge point cannot both hold the lease.
            doubtful += [
                link
                for link in before[partition]
                if link.lease.keys.member not in members or sessions[link.lease.keys.member] > 1
            ]
            ghosts += self._find_ghosts(partition, members - present - sessions.keys())
            for link in before[partition]:
                if link.lease.unpointed:
                    self._node.background(link.set_pointers)
        await self._audit(doubtful)
        await self._release_ghosts(ghosts)

    def _find_ghosts(self, partition: int, without_session: set[str]) -> set[str]:
        """Return the charge points that had no session at two looks in a row.

        At a single look, a session may be about to begin or to end.
        """
        again = without_session & self._ghosts.pop(partition, set())
        if without_session - again:
            self._ghosts[partition] = without_session - again
        return again

    async def _release_ghosts(self, ghosts: Sequence[str]) -> None:
        node, released = self._node, 0
        charge_points = [ChargePointKeys(*split(member)) for member in ghosts]
        holders = await held.read_holders(node.store, charge_points)
        for keys, holder in zip(charge_points, holders, strict=True):
            if holder not in node.attended:
                ours = holder if holder.startswith(f"{node.incarnation}/") else f"{node.incarnation}/0"
                released += await leases.release_if_holder(node.store, keys, ours, "connection lost")
        if released:
            log.warning("leases.ghosts_released", charge_points=released)

    async def _audit(self, links: Sequence[Link]) -> None:
        links = [link for link in links if not link.has_ended]
        fences = await leases.audit(self._node.store, [link.lease for link in links])
        for link, fence in zip(links, fences, strict=True):
            if fence != "ok":
                self._node.background(link.apply_fence, fence)

    async def follow_store(self) -> None:
        """Check every lease exactly, after the store was restarted or another server took its place.

        The store may have lost its last writes, and then the sets are as old as the leases.
        """
        identity = self._node.store.identity
        if identity == self._identity:
            return
        links = [session.link for session in self._hub]
        for first in range(0, len(links), AUDITED_AT_ONCE):
            await self._audit(links[first : first + AUDITED_AT_ONCE])
            await trio.sleep(AUDIT_PAUSE_S)
        self._identity = identity
        log.info("leases.audited", sessions=len(links))

    # --- Commands, times and holds -------------------------------------------------------------------

    async def wake_pending(self, partitions: Sequence[int]) -> None:
        """Wake each session that has pending commands. The message about a command may have been lost."""
        await self._wake(partitions, key_names.overdue)

    async def wake_waiting(self, partitions: Sequence[int]) -> None:
        """Wake each session that has commands which waited until the charge point is online."""
        await self._wake(partitions, key_names.waiting)

    async def _wake(self, partitions: Sequence[int], deadlines: Callable[[int], str]) -> None:
        read = [
            (partition, self._ranks.pop(deadlines(partition), 0))
            for partition in partitions
            if self._hub.of_partition(partition)
        ]
        pages = await waiting.list_waiting(self._node.store, read, deadlines)
        for (partition, rank), members in zip(read, pages, strict=True):
            if len(members) == waiting.PAGE:
                self._ranks[deadlines(partition)] = rank + waiting.PAGE
            for member in dict.fromkeys(members):
                if (session := self._hub.find(member)) is not None:
                    session.calls.wake()

    async def store_seen(self, partitions: Sequence[int]) -> None:
        """Store when the charge points were last heard that were heard since the last turn."""
        times: dict[Link, float] = {}
        seen: dict[int, dict[str, int]] = {}
        for partition in partitions:
            for link in [session.link for session in self._hub.of_partition(partition)]:
                if (seen_s := link.unstored_seen_s()) is not None:
                    times[link] = link.heard_at
                    seen.setdefault(partition, {})[link.lease.keys.member] = seen_s
        if seen:
            await held.store_seen(self._node.store, self._node.incarnation, seen)
        for link, heard_at in times.items():
            link.heard_stored = heard_at

    async def prolong_holds(self, partitions: Sequence[int]) -> None:
        """Prolong the time for which open transactions occupy a slot of their id tag.

        This includes transactions that an earlier session began.
        """
        for partition in partitions:
            held_here = [session.link.lease for session in self._hub.of_partition(partition)]
            tenants = {lease.keys.tenant for lease in held_here}
            charging = await running.list_with_open(self._node.store, partition, tenants)
            await transactions.prolong_holds(
                self._node.store, [lease for lease in held_here if lease.keys.member in charging]
            )
