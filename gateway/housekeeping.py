"""Periodic work of a node.

If a run fails, for example because the store is unavailable, the next run tries again.
"""

import math
from collections.abc import Awaitable, Callable
from zlib import crc32

import structlog
import trio

from gateway.hub import Hub
from gateway.node import Node
from gateway.service import collector
from gateway.websocket.close_codes import Close
from gateway.websocket.large_messages import LargeMessages
from state import commands, transactions
from state.commands import sweep
from state.errors import StateError
from state.keys import PARTITIONS
from state.nodes import leases, nodes
from state.nodes.liveness import GAP_S, Watch
from state.tenants import tenants, tokens
from state.traces import traces

log = structlog.get_logger()

BEAT_S = 3.0
AUDIT_S = 10.0
FAULTS_S = 10.0
CERTIFICATES_S = 20.0
DENIED_S = 10.0
PENDING_S = 5.0
SWEEP_S = 1.0
HOLDS_S = 3600.0
MEMORY_S = 30.0
SLICE = 500
"""Number of certificates that are checked in a row before other tasks get their turn."""


async def keep(
    node: Node, hub: Hub, report: Callable[[], nodes.NodeRecord], large_messages: LargeMessages
) -> None:
    """Run all periodic work until cancelled. `report` returns the record of this node with its status."""
    liveness = Liveness(node, report)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_every, BEAT_S, "beat", liveness.beat)
        nursery.start_soon(_every, BEAT_S, "nodes", liveness.observe)
        nursery.start_soon(_every, BEAT_S, "reap", liveness.reap)
        nursery.start_soon(_every, AUDIT_S, "audit", audit, node, hub)
        nursery.start_soon(_every, AUDIT_S, "traces", follow_traces, node, hub)
        nursery.start_soon(_every, FAULTS_S, "faults", node.fault_counts.write)
        nursery.start_soon(_every, FAULTS_S, "refusals", node.refusals.write)
        nursery.start_soon(_every, CERTIFICATES_S, "certificates", check_certificates, node, hub)
        nursery.start_soon(_every, DENIED_S, "denied", follow_denied, node, hub)
        nursery.start_soon(_every, PENDING_S, "pending", wake_pending, node, hub)
        nursery.start_soon(_every, SWEEP_S, "sweep", sweep_share, node, liveness)
        nursery.start_soon(_every, HOLDS_S, "holds", prolong_holds, node, hub)
        nursery.start_soon(_every, MEMORY_S, "memory", Memory(large_messages).turn)


async def _every[*Args](
    seconds: float, name: str, turn: Callable[[*Args], Awaitable[None]], *args: *Args
) -> None:
    while True:
        await trio.sleep(seconds)
        try:
            await turn(*args)
        except StateError as error:
            log.warning("housekeeping.turn_abandoned", turn=name, error=str(error))
        except Exception:
            log.exception("housekeeping.turn_failed", turn=name)


class Memory:
    """Gives memory back to the system after large messages, which leave free memory behind."""

    def __init__(self, large_messages: LargeMessages) -> None:
        self._large_messages = large_messages
        self._taken = 0
        self._again = False

    async def turn(self) -> None:
        """Give memory back if there were large messages since the turn before the last one.

        A message that took room shortly before the last turn may have been freed after that turn.
        """
        taken = self._large_messages.taken
        new, self._taken = taken != self._taken, taken
        if new or self._again:
            await trio.to_thread.run_sync(collector.give_memory_back)
        self._again = new


class Liveness:
    """Sends the heartbeat of this node, finds out which other nodes are dead, and reaps their leases.

    These are three tasks, because a node that is busy reaping must not miss a heartbeat. `gateways` lists the
    gateways that are alive, in the same order on every node.
    """

    def __init__(self, node: Node, report: Callable[[], nodes.NodeRecord]) -> None:
        self._node = node
        self._report = report
        self._watch = Watch()
        self._beaten_at = -math.inf
        self.gateways: list[str] = [node.incarnation]

    async def beat(self) -> None:
        node = self._node
        await nodes.beat(node.store, node.incarnation, self._report(), node.inbox_read)
        self._beaten_at = trio.current_time()

    async def observe(self) -> None:
        """Read the counters of all nodes, and judge which nodes are dead.

        A node whose own heartbeat was not confirmed judges no other node. The store may answer reads and
        refuse writes, for example when its memory is full. Then no counter is raised although all nodes live.
        """
        node = self._node
        try:
            known = await nodes.list_nodes(node.store)
        except StateError:
            self._watch.observe({}, trio.current_time(), read_ok=False)
            raise
        counters = {one.incarnation: one.counter for one in known if one.incarnation != node.incarnation}
        now = trio.current_time()
        dead = self._watch.observe(counters, now, read_ok=now - self._beaten_at <= GAP_S)
        self.gateways = sorted(
            {one.incarnation for one in known if one.kind == "gateway"} - dead | {node.incarnation}
        )

    async def reap(self) -> None:
        """Mark the charge points of dead nodes offline. One living gateway does this for each dead node."""
        store, own = self._node.store, self._node.incarnation
        # Each gateway has an order of its own, so several gateways begin with different dead nodes.
        order = sorted(
            self._watch.dead(trio.current_time()), key=lambda dead: crc32(f"{own} {dead}".encode())
        )
        for incarnation in order:
            still_dead = incarnation in self._watch.dead(trio.current_time())
            if still_dead and await nodes.claim_reaping(store, incarnation, own):
                reaped = await leases.reap(store, incarnation)
                if reaped:
                    log.warning("node.reaped", node=incarnation, charge_points=reaped)


async def audit(node: Node, hub: Hub) -> None:
    """Check the lease and the token of each session, because an idle session checks neither itself."""
    links = [session.link for session in hub]
    fences = await leases.audit(
        node.store, [(link.lease, node.wall_ms(link.connection.last_received)) for link in links]
    )
    for link, fence in zip(links, fences, strict=True):
        if fence != "ok":
            node.background(link.apply_fence, fence)
    of_token = {(link.lease.keys.tenant, link.attached.token_id) for link in links}
    existing = await tokens.find_existing(node.store, list(of_token))
    revoked = of_token - existing.keys()
    # A tenant with charge points cannot be deleted. If a tenant with sessions is missing, the store was
    # wiped.
    of_tenants = {tenant for tenant, _ in revoked}
    wiped = {tenant for tenant in of_tenants if await tenants.get(node.store, tenant) is None}
    for link in links:
        tenant, attached = link.lease.keys.tenant, link.attached
        token = tenant, attached.token_id
        retired = existing.get(token, False) and attached.security_profile == 0
        if (token in revoked and tenant not in wiped) or retired:
            link.close_soon(Close.REVOKED)


async def check_certificates(node: Node, hub: Hub) -> None:
    """Close each session whose client certificate has expired or was revoked since the handshake."""
    now_ms = node.store.server_time_ms()
    links = [session.link for session in hub if session.link.certificate is not None]
    for looked_at, link in enumerate(links):
        if looked_at % SLICE == SLICE - 1:
            await trio.lowlevel.checkpoint()
        certificate = link.certificate
        if certificate is not None and node.revocations.find_fault(certificate, now_ms) is not None:
            link.close_soon(Close.CERTIFICATE_INVALID)


async def follow_denied(node: Node, hub: Hub) -> None:
    """Read the denied certificates, and close their sessions."""
    await node.revocations.read_denied(node.store)
    await check_certificates(node, hub)


async def follow_traces(node: Node, hub: Hub) -> None:
    """Start or stop the trace recorder of each session that missed its wake-up message.

    One query per tenant suffices.
    """
    links = [session.link for session in hub]
    running = await traces.list_running(node.store, list({link.lease.keys.tenant for link in links}))
    for link in links:
        keys, recorder = link.lease.keys, link.recorder
        runs = (keys.tenant, keys.id) in running
        if runs != (recorder is not None) or (recorder is not None and recorder.stopped):
            node.background(link.follow_trace)


async def wake_pending(node: Node, hub: Hub) -> None:
    """Wake each session that has pending commands, because the message about a command may have been lost."""
    sessions = list(hub)
    waiting = await commands.list_pending(node.store, [session.link.lease for session in sessions])
    for session, ids in zip(sessions, waiting, strict=True):
        if ids:
            session.calls.wake()


async def sweep_share(node: Node, liveness: Liveness) -> None:
    """End the overdue commands in this node's share of the command partitions.

    All partitions are divided evenly among the gateways that are alive.
    """
    gateways = liveness.gateways
    await sweep.sweep_overdue(node.store, range(gateways.index(node.incarnation), PARTITIONS, len(gateways)))


async def prolong_holds(node: Node, hub: Hub) -> None:
    """Prolong the time for which open transactions occupy a slot of their id tag.

    This includes transactions that an earlier session began.
    """
    await transactions.prolong_holds(node.store, [session.link.lease for session in hub])
