"""A gateway that is driven without sockets: `python -m tests.bench.upkeep.driven`.

The process runs all periodic work of a gateway. Its sessions are idle charge points without connections. Each
one sends a Heartbeat every 300 s and answers a PING every 60 s. The process answers each line of stdin:

begin   claim the leases of all charge points
work    do all periodic work
rest    only beat, so that no other gateway takes this one for dead
"""

import argparse
import random
from functools import partial
from time import monotonic
from typing import cast

import msgspec
import trio

from gateway import housekeeping
from gateway.config import GatewayConfig
from gateway.hub import Hub
from gateway.liveness import BEAT_S, Liveness
from gateway.node import Node
from gateway.session.link import Link
from gateway.session.session import Session
from gateway.websocket.large_messages import LargeMessages
from state.keys import ChargePointKeys
from state.nodes import leases, nodes
from state.nodes.leases import Attachment, Claimed, Lease
from state.store import StoreConfig, open_store
from state.timers import every
from tests.bench.upkeep.helpers import PEPPER, TENANT, answer_lines

HEARTBEAT_S = 300.0
PONG_S = 60.0
CLAIMS_AT_ONCE = 200


class Idle:
    """A session without a socket. It stands for its own link, calls and connection."""

    unstored_seen_s = Link.unstored_seen_s

    def __init__(self, node: Node, lease: Lease, attached: Attachment) -> None:
        self.node, self.lease, self.attached = node, lease, attached
        self.link = self.calls = self.connection = self
        self.certificate = self.recorder = None
        self.ended = trio.Event()
        self.last_received = trio.current_time()
        self.heard_stored = monotonic() - HEARTBEAT_S
        self.heard_at = monotonic() - random.uniform(0, HEARTBEAT_S)

    def hear(self) -> None:
        """Receive a Heartbeat."""
        self.heard_at = monotonic()
        self.pong()

    def pong(self) -> None:
        self.last_received = trio.current_time()

    def wake(self) -> None:
        raise AssertionError("no command waits, so no session is woken")

    async def apply_fence(self, fence: leases.Fence) -> None:
        raise AssertionError(f"no lease is lost, but the store says {fence}")


async def begin(node: Node, hub: Hub, numbers: range, token_id: str) -> None:
    """Claim the leases of the charge points with these numbers."""
    slots = trio.CapacityLimiter(CLAIMS_AT_ONCE)

    async def claim(number: int) -> None:
        async with slots:
            holder, keys = node.next_holder(), ChargePointKeys(TENANT, f"CP-{number:06}")
            attached = Attachment(
                address="192.0.2.7",
                tls=None,
                since_ms=node.store.server_time_ms(),
                node=node.incarnation,
                token_id=token_id,
            )
            got = await leases.claim(
                node.store,
                keys,
                holder=holder,
                not_after_ms=node.store.server_time_ms() + 60_000,
                attachment=attached,
                register=True,
            )
            assert isinstance(got, Claimed)
            hub.add(cast("Session", Idle(node, got.lease, attached)))

    async with trio.open_nursery() as nursery:
        for number in numbers:
            nursery.start_soon(claim, number)


async def live(sessions: list[Idle]) -> None:
    """Let each charge point send Heartbeats and answer PINGs."""
    began, heard = trio.current_time(), 0
    while True:
        await trio.sleep(1)
        due = int((trio.current_time() - began) * len(sessions) / HEARTBEAT_S)
        for number in range(heard, due):
            sessions[number % len(sessions)].hear()
        heard = due
        for one in random.sample(sessions, round(len(sessions) / PONG_S)):
            one.pong()


async def drive(url: str, numbers: range, token_id: str) -> None:
    """Be a gateway until stdin ends."""
    config = msgspec.convert({"store": {"url": url}, "security": {"pepper": PEPPER}}, GatewayConfig)
    async with open_store(StoreConfig(url=url)) as store, trio.open_nursery() as nursery:
        node, hub = Node(config, store, PEPPER.encode(), nursery), Hub()
        report = partial(nodes.describe_process, store, "gateway")
        turn = trio.CancelScope()

        async def work(scope: trio.CancelScope) -> None:
            with scope:
                await housekeeping.keep(node, hub, report, LargeMessages(1 << 20))

        async def rest(scope: trio.CancelScope) -> None:
            with scope:
                await every(BEAT_S, "beat", Liveness(node, report).beat)

        async def answer(line: str) -> int:
            nonlocal turn
            if line == "begin":
                await begin(node, hub, numbers, token_id)
                nursery.start_soon(live, [cast("Idle", one) for one in hub])
            else:
                turn.cancel()
                turn = trio.CancelScope()
                nursery.start_soon({"work": work, "rest": rest}[line], turn)
            return len(hub)

        await nodes.beat(store, node.incarnation, report())
        await answer_lines(answer)
        nursery.cancel_scope.cancel()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("token_id")
    parser.add_argument("first", type=int)
    parser.add_argument("end", type=int)
    options = parser.parse_args()
    trio.run(drive, options.url, range(options.first, options.end), options.token_id)


if __name__ == "__main__":
    main()
