"""Measure what idle charge points cost the store: `python -m tests.bench.upkeep` takes about three minutes.

The command starts a private server with `appendfsync always`. Nodes run all their periodic work in this
process, each with a store client of its own, but their sessions have no sockets. Each charge point sends a
Heartbeat every 300 s and answers a PING every 240 s. The cost of the nodes alone is measured first.
"""

import argparse
import random
import tempfile
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from sys import stdout
from time import monotonic
from typing import cast

import msgspec
import trio

from gateway import housekeeping
from gateway.config import GatewayConfig
from gateway.hub import Hub
from gateway.node import Node
from gateway.session.link import Link
from gateway.session.session import Session
from gateway.websocket.large_messages import LargeMessages
from state.keys import ChargePointKeys
from state.nodes import leases, nodes
from state.nodes.leases import Attachment, Claimed, Lease
from state.store import Store, StoreConfig, open_store
from state.tenants import tenants, tokens
from tests.support.server_info import ask_info
from tests.support.valkey_server import ValkeyServer

HEARTBEAT_S = 300.0
PONG_S = 240.0
SETTLE_S = 15.0
CLAIMS_AT_ONCE = 500
PEPPER = "pepper" * 8


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
            holder, keys = node.next_holder(), ChargePointKeys("t", f"CP-{number:06}")
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
    at = 0
    while True:
        await trio.sleep(1)
        for number in range(at, at + round(len(sessions) / HEARTBEAT_S)):
            sessions[number % len(sessions)].hear()
        at += round(len(sessions) / HEARTBEAT_S)
        for one in random.sample(sessions, round(len(sessions) / PONG_S)):
            one.pong()


class Reading(msgspec.Struct, frozen=True):
    """What the server counts: microseconds of its main thread and of its commands, and bytes of its file."""

    main_us: float
    commands_us: float
    file_bytes: float
    calls: dict[str, float]

    def per_second(self, before: "Reading", seconds: float) -> "Reading":
        return Reading(
            (self.main_us - before.main_us) / seconds,
            (self.commands_us - before.commands_us) / seconds,
            (self.file_bytes - before.file_bytes) / seconds,
            {name: (count - before.calls.get(name, 0)) / seconds for name, count in self.calls.items()},
        )


WITHIN_SCRIPTS = {"hget", "hmget", "hset", "sadd", "srem", "smismember", "persist", "xadd", "time"}
"""Commands whose time counts as the time of the script that calls them."""


async def read(store: Store) -> Reading:
    info = await ask_info(store, "everything")
    commands = {
        name.removeprefix("cmdstat_"): dict(part.split("=") for part in value.split(","))
        for name, value in info.items()
        if name.startswith("cmdstat_")
    }
    return Reading(
        1e6 * (float(info["used_cpu_user_main_thread"]) + float(info["used_cpu_sys_main_thread"])),
        sum(float(of["usec"]) for name, of in commands.items() if name not in WITHIN_SCRIPTS),
        float(info["aof_current_size"]),
        {name: float(of["calls"]) for name, of in commands.items()},
    )


async def measure(url: str, sessions: int, gateways: int, seconds: float) -> Reading:
    """Return what the server spends in a second."""
    config = msgspec.convert({"store": {"url": url}, "security": {"pepper": PEPPER}}, GatewayConfig)
    async with AsyncExitStack() as stack:
        stores = [await stack.enter_async_context(open_store(StoreConfig(url=url))) for _ in range(gateways)]
        await tenants.put(stores[0], "t", name="t", auto_register=True)
        token = await tokens.create(stores[0], PEPPER.encode(), "t")
        async with trio.open_nursery() as nursery:
            all_: list[Idle] = []
            for number, store in enumerate(stores):
                node, hub = Node(config, store, PEPPER.encode(), nursery), Hub()
                await begin(node, hub, range(number, sessions, gateways), token.id)
                all_ += [cast("Idle", one) for one in hub]
                report = partial(nodes.describe_process, store, "gateway")
                await nodes.beat(store, node.incarnation, report())
                nursery.start_soon(housekeeping.keep, node, hub, report, LargeMessages(1 << 20))
            if all_:
                nursery.start_soon(live, all_)
            await trio.sleep(SETTLE_S)
            before, began = await read(stores[0]), monotonic()
            await trio.sleep(seconds)
            spent = (await read(stores[0])).per_second(before, monotonic() - began)
            nursery.cancel_scope.cancel()
    return spent


def report(sessions: int, spent: Reading) -> None:
    calls = {name: count for name, count in sorted(spent.calls.items()) if count >= 0.5}
    stdout.write(
        f"{sessions} charge points, each second: {spent.commands_us:.0f} us of commands,"
        f" {spent.main_us:.0f} us of the main thread, {spent.file_bytes:.0f} bytes of file\n"
        f"  commands: {', '.join(f'{name} {count:.0f}' for name, count in calls.items())}\n"
    )


def report_one(sessions: int, without: Reading, with_them: Reading) -> None:
    commands_us = (with_them.commands_us - without.commands_us) / sessions
    main_us = (with_them.main_us - without.main_us) / sessions
    file_bytes = (with_them.file_bytes - without.file_bytes) * 60 / sessions
    stdout.write(
        f"one idle charge point: {commands_us:.3f} us of commands and {main_us:.3f} us of the main thread"
        f" a second, {file_bytes:.1f} bytes of file a minute\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=15_000)
    parser.add_argument("--gateways", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=60)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="csms-bench-") as directory:
        server = ValkeyServer(Path(directory), "--auto-aof-rewrite-percentage", "0")
        server.start()
        try:
            spent = []
            for sessions in (0, options.sessions):
                spent.append(trio.run(measure, server.url, sessions, options.gateways, options.seconds))
                report(sessions, spent[-1])
                server.flush()
        finally:
            server.stop()
    report_one(options.sessions, *spent)


if __name__ == "__main__":
    main()
