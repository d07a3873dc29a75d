import pytest
from trio.testing import MockClock

from admin.nodes import Nodes, SeenNode
from state import keys
from state.errors import StoreUnavailable
from state.nodes import nodes
from state.nodes.liveness import GAP_S, PATIENCE_S
from state.nodes.nodes import NodeRecord, NodeState
from state.store import Store

OWN, OTHER = "own", "other"
LOOK_S = 2.0


def record(kind: nodes.Kind = "gateway", host: str = "host", started_ms: int = 0) -> NodeRecord:
    return NodeRecord(kind=kind, host=host, pid=1, started_ms=started_ms)


class Counters:
    """Stands for the list in the store. Raise a counter to send a heartbeat."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.counters = {OWN: 1, OTHER: 1}
        self.away = False
        monkeypatch.setattr(nodes, "list_nodes", self.list_nodes)

    async def list_nodes(self, _store: object) -> list[NodeState]:
        if self.away:
            raise StoreUnavailable("away")
        return [
            NodeState(incarnation=name, counter=counter, node=record())
            for name, counter in self.counters.items()
        ]


@pytest.fixture
def counters(monkeypatch: pytest.MonkeyPatch) -> Counters:
    return Counters(monkeypatch)


async def look(seen: Nodes, name: str = OTHER) -> SeenNode:
    return next(one for one in await seen.look() if one.state.incarnation == name)


async def test_a_node_without_heartbeats_is_dead_and_lives_again_with_its_next_heartbeat(
    counters: Counters, mock_clock: MockClock
) -> None:
    seen = Nodes(None, OWN)  # type: ignore[arg-type]
    for turn in range(int(PATIENCE_S / LOOK_S) + 1):
        counters.counters[OWN] += 1
        found = await look(seen)
        assert (found.alive, found.silent_s) == (turn * LOOK_S < PATIENCE_S, turn * LOOK_S)
        mock_clock.jump(LOOK_S)
    counters.counters[OTHER] += 1
    found = await look(seen)
    assert (found.alive, found.silent_s) == (True, 0)


@pytest.mark.parametrize("doubt", ["own heartbeats missing", "store away"])
async def test_no_node_is_called_dead_while_the_store_is_in_doubt(
    counters: Counters, mock_clock: MockClock, doubt: str
) -> None:
    seen = Nodes(None, OWN)  # type: ignore[arg-type]
    await seen.look()
    if doubt == "store away":
        counters.away = True
        for _ in range(10):
            mock_clock.jump(LOOK_S)
            with pytest.raises(StoreUnavailable):
                await seen.look()
        counters.away = False
        counters.counters[OWN] += 1
    else:
        for _ in range(10):
            mock_clock.jump(GAP_S - 1)
            assert (await look(seen)).alive
    assert (await look(seen)).alive


async def test_a_host_is_found_for_a_node_that_the_last_look_did_not_see(store: Store) -> None:
    seen = Nodes(store, OWN)
    await nodes.beat(store, OTHER, record(host="early"))
    await seen.look()
    await nodes.beat(store, "new", record(host="late"))
    await store.execute("DEL", keys.node(OTHER))
    assert await seen.hosts_of([OTHER, "new", "nobody", OTHER]) == {OTHER: "early", "new": "late"}


async def test_nodes_are_listed_with_gateways_first_and_sorted_by_host_and_start(store: Store) -> None:
    for name, one in (
        ("d", record("admin", "a")),
        ("c", record("gateway", "b", 2)),
        ("b", record("gateway", "b", 1)),
        ("a", record("gateway", "a", 3)),
    ):
        await nodes.beat(store, name, one)
    assert [one.state.incarnation for one in await Nodes(store, OWN).look()] == list("abcd")
