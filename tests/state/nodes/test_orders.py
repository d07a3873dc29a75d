import pytest

from state import keys
from state.nodes import inbox, nodes, orders
from state.nodes.inbox import Drain, DrainCancelled, Shed, ToGateway
from state.nodes.nodes import Kind, NodeRecord
from state.store import Store


def record(kind: Kind = "gateway", form: int = orders.FORMAT) -> NodeRecord:
    return NodeRecord(kind=kind, host="host", pid=1, started_ms=0, format=form)


@pytest.mark.parametrize("order", [Drain(None), Drain(2.5), DrainCancelled(), Shed(33.5, 20), Shed(1)])
async def test_an_order_reaches_the_inbox_of_a_gateway(store: Store, order: ToGateway) -> None:
    await nodes.beat(store, "n", record())
    assert await orders.send(store, "n", order) == "sent"
    assert [message for _, message in await inbox.read(store, "n", "0", 1)] == [order]


async def test_an_order_is_not_sent_to_a_process_that_would_not_obey_it(store: Store) -> None:
    await nodes.beat(store, "admin", record("admin"))
    await nodes.beat(store, "old", record(form=orders.FORMAT - 1))
    await nodes.beat(store, "away", record())
    await store.execute("DEL", keys.inbox("away"))
    sent = {name: await orders.send(store, name, Drain()) for name in ("admin", "old", "away", "nobody")}
    assert sent == {"admin": "not_a_gateway", "old": "too_old", "away": "away", "nobody": "unknown"}
    assert await inbox.read(store, "old", "0", 1) == []


async def test_an_order_reaches_a_gateway_whose_record_is_lost(store: Store) -> None:
    await nodes.beat(store, "n", record())
    await store.execute("DEL", keys.node("n"))
    assert await orders.send(store, "n", Drain()) == "sent"
