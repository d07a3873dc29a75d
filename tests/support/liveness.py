"""Liveness of a node without a process. The tests move Trio's clock by hand, so waits take no time."""

from contextlib import suppress
from types import SimpleNamespace
from typing import cast

from trio.testing import MockClock

from gateway.liveness import BEAT_S, Liveness
from gateway.node import Node
from state.errors import StateError
from state.keys import ChargePointKeys
from state.nodes import leases, nodes
from state.nodes.liveness import PATIENCE_S
from state.nodes.nodes import NodeRecord
from state.store import Store
from tests.support.leases import KEYS, claimed

ME = NodeRecord(kind="gateway", host="one", pid=11, started_ms=1, format=2)
TURNS = int(PATIENCE_S // BEAT_S) + 2
"""Enough turns to judge that a node is dead."""


def node_of(store: Store, incarnation: str) -> Node:
    return cast("Node", SimpleNamespace(store=store, incarnation=incarnation, inbox_read="0"))


def liveness_of(store: Store, incarnation: str) -> Liveness:
    return Liveness(node_of(store, incarnation), lambda: ME)


async def take_turns(clock: MockClock, *all_: Liveness, turns: int = TURNS) -> None:
    """Let the time of some turns pass. A heartbeat that fails is repeated in the next turn."""
    for _ in range(turns):
        clock.jump(BEAT_S)
        for one in all_:
            with suppress(StateError):
                await one.beat()
        for one in all_:
            await one.observe()


async def hold_lease(store: Store, incarnation: str, record: NodeRecord = ME) -> None:
    await nodes.beat(store, incarnation, record)
    await claimed(store, f"{incarnation}/1")


async def is_online(store: Store, charge_point: ChargePointKeys = KEYS) -> bool:
    [holding] = await leases.list_holdings(store, [charge_point])
    return holding is not None and holding.online
