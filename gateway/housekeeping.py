"""What a node does by the clock. Each turn may find the store away; the next one begins anew."""

from collections.abc import Awaitable, Callable

import structlog
import trio

from gateway.node import Node
from gateway.session import trace
from gateway.websocket.close_codes import Close
from state import commands, transactions
from state.commands import sweep
from state.errors import StateError
from state.keys import PARTITIONS
from state.nodes import leases, nodes
from state.nodes.liveness import Watch
from state.tenants import tenants, tokens
from state.traces import traces

log = structlog.get_logger()

BEAT_S = 3.0
AUDIT_S = 10.0
FAULTS_S = 10.0
PENDING_S = 5.0
SWEEP_S = 1.0
HOLDS_S = 3600.0


async def keep(node: Node, me: nodes.NodeRecord) -> None:
    """All of it, until cancelled."""
    liveness = Liveness(node, me)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_every, BEAT_S, liveness.turn)
        nursery.start_soon(_every, AUDIT_S, lambda: audit(node))
        nursery.start_soon(_every, AUDIT_S, lambda: follow_traces(node))
        nursery.start_soon(_every, FAULTS_S, node.fault_book.write)
        nursery.start_soon(_every, PENDING_S, lambda: wake_pending(node))
        nursery.start_soon(_every, SWEEP_S, lambda: sweep_share(node, liveness.gateways))
        nursery.start_soon(_every, HOLDS_S, lambda: prolong_holds(node))


async def _every(seconds: float, turn: Callable[[], Awaitable[None]]) -> None:
    while True:
        await trio.sleep(seconds)
        try:
            await turn()
        except StateError as error:
            log.warning("upkeep turn given up", turn=turn.__qualname__, why=str(error))
        except Exception:
            log.exception("upkeep turn failed", turn=turn.__qualname__)


class Liveness:
    """Our own heartbeat, and our judgement of the others'. `gateways`: who is alive, in one order for all."""

    def __init__(self, node: Node, me: nodes.NodeRecord) -> None:
        self._node = node
        self._me = me
        self._watch = Watch()
        self.gateways: list[str] = [node.incarnation]

    async def turn(self) -> None:
        node = self._node
        try:
            await nodes.beat(node.store, node.incarnation, self._me)
            known = await nodes.list_nodes(node.store)
        except StateError:
            self._watch.observe({}, trio.current_time(), read_ok=False)
            raise
        counters = {one.incarnation: one.counter for one in known if one.incarnation != node.incarnation}
        dead = self._watch.observe(counters, trio.current_time(), read_ok=True)
        self.gateways = sorted(
            {one.incarnation for one in known if one.kind == "gateway"} - dead | {node.incarnation}
        )
        for incarnation in dead:
            reaped = await leases.reap(node.store, incarnation)
            if reaped:
                log.warning("reaped a dead node", node=incarnation, charge_points=reaped)


async def audit(node: Node) -> None:
    """Each session learns what became of its lease, even one that never writes; and of its token."""
    sessions = list(node.hub)
    fences = await leases.audit(
        node.store, [(session.lease, node.wall_ms(session.connection.last_received)) for session in sessions]
    )
    for session, fence in zip(sessions, fences, strict=True):
        if fence != "ok":
            node.background(session.audited, fence)
    of_token = {(session.lease.keys.tenant, session.attached.token_id) for session in sessions}
    existing = await tokens.find_existing(node.store, list(of_token))
    revoked = of_token - existing
    # A tenant that is gone with its tokens was not deleted, for it had charge points: the store was wiped.
    of_tenants = {tenant for tenant, _ in revoked}
    wiped = {tenant for tenant in of_tenants if await tenants.get(node.store, tenant) is None}
    for session in sessions:
        tenant = session.lease.keys.tenant
        if (tenant, session.attached.token_id) in revoked and tenant not in wiped:
            session.close_soon(Close.REVOKED)


async def follow_traces(node: Node) -> None:
    """Whatever wake-up an inbox lost: one question for each tenant, and a look at who is concerned."""
    sessions = list(node.hub)
    tenants_here = {session.lease.keys.tenant for session in sessions}
    running = await traces.list_running(node.store, list(tenants_here))
    for session in sessions:
        keys = session.lease.keys
        if ((keys.tenant, keys.id) in running) != (session.trace is not None):
            node.background(trace.follow, session)


async def wake_pending(node: Node) -> None:
    """The inbox is only a wake-up: whatever it lost is found here."""
    sessions = list(node.hub)
    waiting = await commands.list_pending(node.store, [session.lease for session in sessions])
    for session, ids in zip(sessions, waiting, strict=True):
        if ids:
            session.calls.wake()


async def sweep_share(node: Node, gateways: list[str]) -> None:
    """Each partition is swept by one of the gateways that are alive."""
    share = gateways.index(node.incarnation)
    await sweep.sweep_overdue(node.store, range(share, PARTITIONS, len(gateways)))


async def prolong_holds(node: Node) -> None:
    """A driver's slot lasts as long as the transaction that the store knows as open, whoever began it."""
    await transactions.prolong_holds(node.store, [session.lease for session in node.hub])
