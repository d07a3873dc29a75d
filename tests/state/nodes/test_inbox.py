"""A node's inbox keeps messages in order and in a limited number. The previous version can read them."""

import msgspec
import pytest
import trio

from state import keys
from state.nodes import inbox, nodes
from state.nodes.inbox import (
    CommandChanged,
    CommandQueued,
    Disconnect,
    DisconnectReason,
    Evict,
    Evicted,
    Message,
    SettingsChanged,
    TokenRevoked,
    TraceChanged,
)
from state.nodes.nodes import NodeRecord
from state.store import Store

GATEWAY = NodeRecord(kind="gateway", host="one", pid=11, started_ms=1)
ADMIN = NodeRecord(kind="admin", host="two", pid=12, started_ms=2)
WIRE: dict[str, tuple[Message, str]] = {
    "command": (CommandQueued("t/c"), '{"kind":"command","member":"t/c"}'),
    "settings": (SettingsChanged("t/c"), '{"kind":"settings","member":"t/c"}'),
    "trace": (TraceChanged("t/c"), '{"kind":"trace","member":"t/c"}'),
    "disconnect": (
        Disconnect("t/c", DisconnectReason.OPERATOR),
        '{"kind":"disconnect","member":"t/c","reason":"disconnected by an operator"}',
    ),
    "deleted": (
        Disconnect("t/c", DisconnectReason.DELETED),
        '{"kind":"disconnect","member":"t/c","reason":"charge point deleted"}',
    ),
    "evicted": (Evict("a/1", "b"), '{"kind":"evicted","holder":"a/1","by_node":"b"}'),
    "evicted_done": (Evicted("a/1"), '{"kind":"evicted_done","holder":"a/1"}'),
    "token_revoked": (
        TokenRevoked("t", "id"),
        '{"kind":"token_revoked","tenant":"t","token_id":"id"}',
    ),
    "answer": (CommandChanged("00.a"), '{"kind":"answer","command":"00.a"}'),
}


@pytest.mark.parametrize("kind", WIRE)
async def test_an_inbox_message_has_a_form_that_newer_and_older_versions_of_csms_can_read(
    store: Store, kind: str
) -> None:
    message, wire = WIRE[kind]
    assert msgspec.json.encode(message).decode() == wire
    await nodes.beat(store, "a", GATEWAY)
    await inbox.send(store, "a", message)
    # A message of a newer version has one more field.
    await add(store, "a", wire.removesuffix("}").encode() + b',"more":1}')
    assert [read for _, read in await inbox.read(store, "a", "0", 1)] == [message, message]


@pytest.mark.parametrize(
    "text",
    [b"", b"[1]", b"no JSON", b"\xff", b"{}", b'{"kind":5}', b'{"kind":"later"}', b'{"kind":"command"}'],
)
async def test_an_unreadable_inbox_message_does_not_block_the_next_message(store: Store, text: bytes) -> None:
    await nodes.beat(store, "a", GATEWAY)
    await add(store, "a", text)
    await inbox.send(store, "a", Evicted("a/1"))
    assert [read for _, read in await inbox.read(store, "a", "0", 1)] == [None, Evicted("a/1")]


async def add(store: Store, incarnation: str, text: bytes) -> None:
    await store.execute("XADD", keys.inbox(incarnation), "*", "m", text)


async def test_inbox_messages_are_read_in_order_and_only_once(store: Store) -> None:
    await nodes.beat(store, "a", GATEWAY)
    assert await inbox.read(store, "a", "0", 1) == []
    sent = [CommandChanged(f"{number} \n€") for number in range(3)]
    for message in sent:
        assert await inbox.send(store, "a", message)
    first = await inbox.read(store, "a", "0", 1000)
    assert [message for _, message in first] == sent
    assert await inbox.read(store, "a", first[-1][0], 1) == []


async def test_an_inbox_message_wakes_the_reader_that_waits_for_it(store: Store) -> None:
    await nodes.beat(store, "a", GATEWAY)
    read: list[object] = []

    async def reader() -> None:
        read.extend(await inbox.read(store, "a", "0", 20_000))

    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(reader)
            while store.stats()["blocking_connections"] == 0:
                await trio.lowlevel.checkpoint()
            await inbox.send(store, "a", Evicted("a/1"))
    assert len(read) == 1


async def test_messages_in_an_inbox_that_started_over_are_read_although_the_clock_of_the_server_went_back(
    store: Store,
) -> None:
    await nodes.beat(store, "a", GATEWAY)
    in_an_hour = f"{store.server_time_ms() + 3_600_000}-7"
    await store.execute("XADD", keys.inbox("a"), in_an_hour, "m", "")
    [(read, _)] = await inbox.read(store, "a", "0", 1)
    await store.execute("UNLINK", keys.inbox("a"))
    await nodes.beat(store, "a", GATEWAY, read)
    assert await inbox.read(store, "a", read, 1) == []
    assert await inbox.send(store, "a", Evicted("a/1"))
    assert [message for _, message in await inbox.read(store, "a", read, 1)] == [Evicted("a/1")]


async def test_a_wake_up_reaches_a_node_whose_inbox_expired_and_no_node_that_has_left(store: Store) -> None:
    await nodes.beat(store, "a", GATEWAY)
    await store.execute("UNLINK", keys.inbox("a"))
    assert await inbox.wake(store, "a", Evicted("a/1"))
    assert [message for _, message in await inbox.read(store, "a", "0", 1)] == [Evicted("a/1")]
    assert 0 < await store.execute("PTTL", keys.inbox("a")) <= 9_000
    assert not await inbox.wake(store, "gone", Evicted("a/1"))
    assert await store.execute("EXISTS", keys.inbox("gone")) == 0


async def test_an_inbox_that_a_wake_up_opened_again_is_read_although_the_clock_of_the_server_went_back(
    store: Store,
) -> None:
    read = f"{store.server_time_ms() + 3_600_000}-7"
    await nodes.beat(store, "a", GATEWAY)
    await store.execute("UNLINK", keys.inbox("a"))
    assert await inbox.wake(store, "a", Evicted("a/1"))
    assert await inbox.wake(store, "a", Evicted("a/2"))
    assert await inbox.read(store, "a", read, 1) == []
    await nodes.beat(store, "a", GATEWAY, read)
    assert await inbox.send(store, "a", Evicted("a/3"))
    found = await inbox.read(store, "a", read, 1)
    assert [message for _, message in found] == [Evicted("a/1"), Evicted("a/2"), Evicted("a/3")]
    await nodes.beat(store, "a", GATEWAY, found[-1][0])
    assert len(await inbox.read(store, "a", "0", 1)) == 3


async def test_messages_of_an_older_copy_of_the_store_are_not_read_again(store: Store) -> None:
    """An order to drain, for example, must not be obeyed twice."""
    await nodes.beat(store, "a", GATEWAY)
    assert await inbox.send(store, "a", Evicted("a/1"))
    older = await store.execute("DUMP", keys.inbox("a"))
    await trio.sleep(0.005)
    assert await inbox.send(store, "a", Evicted("a/2"))
    read = (await inbox.read(store, "a", "0", 1))[-1][0]
    await store.execute("RESTORE", keys.inbox("a"), 9_000, older, "REPLACE")
    await trio.sleep(0.005)
    await nodes.beat(store, "a", GATEWAY, read)
    assert await inbox.read(store, "a", read, 1) == []
    assert await inbox.send(store, "a", Evicted("a/3"))
    assert [message for _, message in await inbox.read(store, "a", read, 1)] == [Evicted("a/3")]


async def test_a_heartbeat_of_a_node_creates_the_inbox_of_the_node_again_if_the_inbox_expired(
    store: Store,
) -> None:
    await nodes.beat(store, "a", GATEWAY)
    assert 0 < await store.execute("PTTL", keys.inbox("a")) <= 9_000
    await store.execute("UNLINK", keys.inbox("a"))
    assert not await inbox.send(store, "a", Evicted("a/1"))
    await nodes.beat(store, "a", GATEWAY)
    assert await inbox.read(store, "a", "0", 1) == []
    assert await inbox.send(store, "a", Evicted("a/1"))
    # A message does not prolong the inbox of a dead node.
    assert 0 < await store.execute("PTTL", keys.inbox("a")) <= 9_000


async def test_the_number_of_unread_messages_in_an_inbox_is_bounded(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox, "KEPT", 100)
    await nodes.beat(store, "a", GATEWAY)
    for _ in range(1000):
        await inbox.send(store, "a", Evicted("a/1"))
    assert await store.execute("XLEN", keys.inbox("a")) <= 300


async def test_a_broadcast_message_reaches_all_gateway_processes_and_no_admin_process(store: Store) -> None:
    await nodes.beat(store, "a", GATEWAY)
    await nodes.beat(store, "b", GATEWAY)
    await nodes.beat(store, "c", ADMIN)
    await inbox.broadcast(store, TokenRevoked("t", "id"))
    assert [len(await inbox.read(store, node, "0", 1)) for node in ("a", "b", "c")] == [1, 1, 0]
