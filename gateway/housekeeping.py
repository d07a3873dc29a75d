"""Periodic work of a node.

If a run fails, for example because the store is unavailable, the next run tries again.
"""

from collections.abc import Callable

import trio

from gateway import token_uses
from gateway.hub import Hub
from gateway.liveness import BEAT_S, Liveness
from gateway.node import Node
from gateway.reaping import REAP_S, Reaper
from gateway.service import collector, machine
from gateway.session.link import Link
from gateway.timers import visit
from gateway.token_uses import TokenUses
from gateway.upkeep import AUDIT_S, HOLDS_S, PENDING_S, SEEN_S, SEEN_TURN_S, WAITING_S, Upkeep
from gateway.websocket.close_codes import Close
from gateway.websocket.large_messages import LargeMessages
from state.charge_points import refusals
from state.commands import sweep
from state.nodes import nodes
from state.tenants import tenants, tokens
from state.timers import contain, every
from state.traces import traces

TOKENS_S = 10.0
TRACES_S = 10.0
FAULTS_S = 10.0
OLD_REFUSALS_S = 60.0
CERTIFICATES_S = 20.0
DENIED_S = 10.0
SWEEP_S = 1.0
STORE_S = 1.0
MEMORY_S = 30.0
STORM = 1_000
"""Number of sessions that end between two turns of `Memory`, from which on it gives memory back."""
GROWN = 1.01
GROWN_TURNS = 10
"""Every so many turns, `Memory` gives memory back if the process has grown by GROWN since the last time."""
SLICE = 500
"""Number of sessions that are checked in a row before other tasks get their turn."""


async def keep(
    node: Node, hub: Hub, report: Callable[[], nodes.NodeRecord], large_messages: LargeMessages
) -> None:
    """Run all periodic work until cancelled. `report` returns the record of this node with its status."""
    liveness, upkeep = Liveness(node, report), Upkeep(node, hub)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(every, BEAT_S, "beat", liveness.beat)
        nursery.start_soon(_observe, liveness)
        nursery.start_soon(every, REAP_S, "reap", Reaper(node, liveness).turn)
        nursery.start_soon(visit, AUDIT_S, "audit", upkeep.compare)
        nursery.start_soon(every, STORE_S, "full_audit", upkeep.follow_store)
        nursery.start_soon(visit, PENDING_S, "pending", upkeep.wake_pending)
        nursery.start_soon(visit, WAITING_S, "waiting", upkeep.wake_waiting)
        nursery.start_soon(visit, SEEN_S, "seen", upkeep.store_seen, SEEN_TURN_S)
        nursery.start_soon(visit, HOLDS_S, "holds", upkeep.prolong_holds)
        nursery.start_soon(every, TOKENS_S, "tokens", check_tokens, node, hub)
        nursery.start_soon(every, token_uses.TURN_S, "token_uses", TokenUses(node, hub).turn)
        nursery.start_soon(every, TRACES_S, "traces", follow_traces, node, hub)
        nursery.start_soon(every, FAULTS_S, "faults", node.fault_counts.write)
        nursery.start_soon(every, FAULTS_S, "refusals", node.refusals.turn)
        nursery.start_soon(every, OLD_REFUSALS_S, "old_refusals", refusals.adopt_old, node.store)
        nursery.start_soon(every, CERTIFICATES_S, "certificates", check_certificates, node, hub)
        nursery.start_soon(every, DENIED_S, "denied", follow_denied, node, hub)
        nursery.start_soon(every, SWEEP_S, "sweep", sweep_share, node, liveness)
        nursery.start_soon(every, MEMORY_S, "memory", Memory(large_messages, hub).turn)


async def _observe(liveness: Liveness) -> None:
    while True:
        await liveness.wait_beaten()
        await contain("nodes", liveness.observe)


class Memory:
    """Gives memory back to the system after what leaves much free memory behind.

    These are large messages, and storms in which many sessions end. Without this, three storms of 2,000
    sessions left 4 MB more. Sessions that come and go leave a little each time: the free memory of a gateway
    with 400 sessions grew by 8 MB an hour, although what was in use did not grow.
    """

    def __init__(self, large_messages: LargeMessages, hub: Hub) -> None:
        self._large_messages = large_messages
        self._hub = hub
        self._taken = 0
        self._removed = 0
        self._again = False
        self._turns = 0
        self._resident = 0

    async def turn(self) -> None:
        """Give memory back if there were large messages or a storm since the turn before the last one.

        A message that took room shortly before the last turn may have been freed after that turn. In a large
        process, giving memory back holds the other threads for some milliseconds.
        """
        taken = self._large_messages.taken
        stormed = self._hub.removed - self._removed >= STORM
        new, self._taken, self._removed = taken != self._taken or stormed, taken, self._hub.removed
        self._turns += 1
        if new or self._again or (self._turns % GROWN_TURNS == 0 and self._has_grown()):
            await trio.to_thread.run_sync(collector.give_memory_back)
            self._resident = _read_resident()
        self._again = new

    def _has_grown(self) -> bool:
        return _read_resident() > GROWN * self._resident


def _read_resident() -> int:
    used = machine.read_used()
    return 0 if used is None else used.resident


async def check_tokens(node: Node, hub: Hub) -> None:
    """Close each session whose token was revoked, or whose only proof is a token that was retired."""
    of_token: dict[tuple[str, str], list[Link]] = {}
    for looked_at, session in enumerate(hub):
        if looked_at % SLICE == SLICE - 1:
            await trio.lowlevel.checkpoint()
        link = session.link
        of_token.setdefault((link.lease.keys.tenant, link.attached.token_id), []).append(link)
    existing = await tokens.find_existing(node.store, list(of_token))
    revoked = of_token.keys() - existing.keys()
    # A tenant with charge points cannot be deleted. If the tenant of a session is missing or younger than the
    # session, the store was wiped, and its tokens were not revoked.
    found = {tenant: await tenants.get(node.store, tenant) for tenant in {tenant for tenant, _ in revoked}}
    for token in revoked:
        tenant = found[token[0]]
        for link in of_token[token]:
            if tenant is not None and tenant.created_ms <= link.lease.claimed_ms:
                link.close_soon(Close.REVOKED)
    for token, retired in existing.items():
        for link in of_token[token] if retired else ():
            if link.attached.security_profile == 0:
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


async def sweep_share(node: Node, liveness: Liveness) -> None:
    """End the overdue commands in this node's share of the command partitions.

    All partitions are divided evenly among the gateways that are alive.
    """
    await sweep.sweep_overdue(node.store, liveness.swept())
