"""Commands with real leases and nodes: wake-ups, takeovers, releases and reapings."""

from state import commands
from state.commands import Go, Settled, Submitted
from state.keys import ChargePointKeys
from state.nodes import inbox, leases, nodes
from state.nodes.leases import Attachment, Claimed, Lease
from state.nodes.nodes import NodeRecord
from state.store import Store

KEYS = ChargePointKeys("acme", "CP 1")
GATEWAY = NodeRecord(kind="gateway", host="here", pid=1, started_ms=0)
ADMIN = NodeRecord(kind="admin", host="here", pid=2, started_ms=0)


async def connect(store: Store, node: str) -> Claimed:
    outcome = await leases.claim(
        store,
        KEYS,
        holder=f"{node}/1",
        not_after_ms=store.server_time_ms() + 10_000,
        attachment=Attachment(address="127.0.0.1:1", tls=None, since_ms=1, node=node, token_id="t"),
        register=True,
    )
    assert isinstance(outcome, Claimed)
    return outcome


async def submit(store: Store, reply_to: str) -> Submitted:
    outcome = await commands.submit(
        store, "acme", "CP 1", action="Reset", payload=b'{"type":"Soft"}', ttl_ms=60_000, reply_to=reply_to
    )
    assert isinstance(outcome, Submitted)
    return outcome


async def messages(store: Store, node: str) -> list[inbox.Message | None]:
    return [message for _, message in await inbox.read(store, node, "0", 1)]


async def send(store: Store, lease: Lease, command_id: str) -> None:
    assert isinstance(await commands.claim(store, lease, command_id, "nonce"), Go)


async def test_a_new_session_sets_the_status_of_sent_commands_to_unknown_and_takes_over_queued_commands(
    store: Store,
) -> None:
    for node, what in (("a", GATEWAY), ("b", GATEWAY), ("admin", ADMIN)):
        await nodes.beat(store, node, what)
    first = await connect(store, "a")
    sent, waiting = (await submit(store, "admin")).command, (await submit(store, "admin")).command
    assert await messages(store, "a") == [inbox.CommandQueued(KEYS.member)] * 2
    await send(store, first.lease, sent.id)

    second = await connect(store, "b")
    assert second.pending == (sent.id, waiting.id)
    assert await commands.mark_unknown(store, second.lease, second.pending) == [sent.id]
    assert await messages(store, "admin") == [inbox.CommandChanged(sent.id)]
    await send(store, second.lease, waiting.id)
    assert (await submit(store, "admin")).node == "b"
    # The first session received the answer to the command nevertheless.
    assert await commands.settle(store, KEYS, sent.id, status="answered", response=b"{}") == Settled()


async def test_a_new_command_gets_the_status_offline_after_the_lease_is_released_or_removed(
    store: Store,
) -> None:
    await nodes.beat(store, "a", GATEWAY)
    session = await connect(store, "a")
    assert (await submit(store, "")).command.status == "queued"
    await leases.release_if_holder(store, session.lease.keys, session.lease.holder, "closed")
    assert (await submit(store, "")).command.status == "offline"
    await connect(store, "a")
    await nodes.leave(store, "a")
    # The node is gone, but no other node has reaped its leases yet.
    assert (await submit(store, "")).command.status == "offline"
    assert await leases.reap(store, "a") == 1
    assert (await submit(store, "")).command.status == "offline"
