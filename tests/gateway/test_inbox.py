"""The gateway acts on each inbox message, and skips an unreadable one."""

from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import cast, override

import pytest
import trio
import trio.testing

from gateway.admission.takeover import PREDECESSOR_S, Takeovers
from gateway.hub import Hub
from gateway.inbox import deliver, read
from gateway.liveness import Liveness
from gateway.node import Node
from gateway.session.session import Session
from gateway.websocket.close_codes import Close
from state import keys
from state.keys import ChargePointKeys
from state.nodes import inbox
from state.nodes.inbox import (
    Disconnect,
    DisconnectReason,
    Evict,
    Evicted,
    Message,
    TokenRetired,
    TokenRevoked,
)
from state.nodes.leases import Attachment, Claimed, Lease
from state.nodes.nodes import NodeRecord
from state.store import Store
from state.tenants.tenants import SecurityProfile
from tests.support.waiting import until

KEYS = ChargePointKeys("t", "cp")


class Gateway:
    """A node with the sessions of two charge points that records what each message causes.

    The second charge point proved itself by more than its token.
    """

    incarnation = "a"
    store = None

    def __init__(self) -> None:
        self.hub, self.done = Hub(), list[object]()
        self.takeovers = NotedTakeovers(self)
        self.work: Callable[[], Awaitable[None]] = trio.lowlevel.checkpoint
        self.ours = Held(self, KEYS, "a/1")
        self.other = Held(self, ChargePointKeys("t", "other"), "a/2", profile=2)
        for one in (self.ours, self.other):
            self.hub.add(cast("Session", one))

    def background[*Args](self, work: Callable[[*Args], Awaitable[None]], *args: *Args) -> None:
        self.done.append(work.__name__)
        self.work = lambda: work(*args)

    def deliver(self, message: Message | None) -> list[object]:
        deliver(cast("Node", self), self.hub, self.takeovers, message)
        return self.done


class NotedTakeovers(Takeovers):
    """A subclass of Takeovers that records messages instead of sending them."""

    def __init__(self, gateway: Gateway) -> None:
        super().__init__(cast("Node", gateway), gateway.hub)
        self.done = gateway.done

    @override
    async def _send(self, incarnation: str, message: Message) -> bool:
        self.done.append((incarnation, message))
        return True


class Held:
    """A stand-in for a session, whose members `link` and `calls` are the stand-in itself."""

    def __init__(
        self, node: Gateway, keys: ChargePointKeys, holder: str, *, profile: SecurityProfile = 0
    ) -> None:
        self.node, self.link, self.calls = node, self, self
        self.lease = Lease(keys, holder, 1)
        self.attached = Attachment(
            address="", tls=None, since_ms=1, node="a", token_id=keys.id, security_profile=profile
        )
        self.ended = trio.Event()
        self.wait_ended = self.ended.wait
        self.is_closing = False

    def wake(self) -> None:
        self.node.done.append(self.lease.holder)

    def close_soon(self, closing: object) -> None:
        self.node.done.append((self.lease.holder, closing))

    async def reread_settings(self) -> None:
        raise NotImplementedError

    async def follow_trace(self) -> None:
        raise NotImplementedError


@pytest.mark.parametrize(
    ("message", "done"),
    [
        (inbox.CommandQueued(KEYS.member), ["a/1"]),
        (inbox.SettingsChanged(KEYS.member), ["reread_settings"]),
        (inbox.TraceChanged(KEYS.member), ["follow_trace"]),
        (Disconnect(KEYS.member, DisconnectReason.OPERATOR), [("a/1", Close.DISCONNECTED)]),
        (Disconnect(KEYS.member, DisconnectReason.DELETED), [("a/1", Close.DELETED)]),
        (TokenRevoked("t", "cp"), [("a/1", Close.REVOKED)]),
        (TokenRevoked("another", "cp"), []),
        (inbox.DeniedCertificatesChanged(), ["follow_denied"]),
        (TokenRetired("t", "cp"), [("a/1", Close.REVOKED)]),
        (TokenRetired("t", "other"), []),
        (TokenRetired("another", "cp"), []),
        (TokenRevoked("t", "other"), [("a/2", Close.REVOKED)]),
        (inbox.CommandChanged("00.a"), []),
        (None, []),
    ],
)
def test_a_message_in_the_inbox_of_a_gateway_reaches_the_right_session(
    message: Message | None, done: list[object]
) -> None:
    assert Gateway().deliver(message) == done


@pytest.mark.parametrize("kind", [inbox.CommandQueued, inbox.SettingsChanged, inbox.TraceChanged])
def test_a_message_for_a_session_that_has_ended_has_no_effect(kind: Callable[[str], Message]) -> None:
    assert Gateway().deliver(kind(ChargePointKeys("t", "gone").member)) == []


async def test_a_session_that_is_evicted_is_closed_and_counted_and_its_end_is_reported() -> None:
    gateway = Gateway()
    gateway.deliver(Evict("a/1", "b"))
    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(gateway.work)
            await trio.testing.wait_all_tasks_blocked()
            assert gateway.done == ["evict", "count_takeover", ("a/1", Close.SUPERSEDED)]
            gateway.ours.ended.set()
    assert gateway.done[3:] == [("b", Evicted("a/1"))]


async def test_the_takeover_of_a_session_that_is_closing_anyway_is_not_counted() -> None:
    gateway = Gateway()
    gateway.ours.is_closing = True
    gateway.ours.ended.set()
    gateway.deliver(Evict("a/1", "b"))
    await gateway.work()
    assert "count_takeover" not in gateway.done


async def test_the_end_of_a_session_is_reported_at_once_if_the_session_has_already_ended() -> None:
    gateway = Gateway()
    gateway.deliver(Evict("a/7", "b"))
    await gateway.work()
    assert gateway.done == ["evict", ("b", Evicted("a/7"))]


async def test_a_new_session_waits_for_the_end_of_the_previous_session() -> None:
    gateway = Gateway()
    claimed = SimpleNamespace(previous_holder="z/1", previous_node="z")
    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(gateway.takeovers.end_predecessor, cast("Claimed", claimed))
            await trio.testing.wait_all_tasks_blocked()
            assert gateway.done == [("z", Evict("z/1", "a"))]
            gateway.deliver(Evicted("z/2"))
            await trio.testing.wait_all_tasks_blocked()
            assert nursery.child_tasks
            gateway.deliver(Evicted("z/1"))


async def test_a_new_session_waits_for_the_previous_session_only_for_a_limited_time(
    autojump_clock: trio.testing.MockClock,
) -> None:
    began = autojump_clock.current_time()
    claimed = SimpleNamespace(previous_holder="z/1", previous_node="z")
    await Gateway().takeovers.end_predecessor(cast("Claimed", claimed))
    assert trio.current_time() - began == pytest.approx(PREDECESSOR_S)


async def test_a_node_reads_its_inbox_on_after_it_expired_and_the_clock_of_the_server_went_back(
    store: Store,
) -> None:
    gateway = Gateway()
    node = cast("Node", SimpleNamespace(store=store, incarnation="a", inbox_read="0"))
    liveness = Liveness(node, lambda: NodeRecord(kind="gateway", host="one", pid=1, started_ms=1))
    in_an_hour = f"{store.server_time_ms() + 3_600_000}-0"
    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            await liveness.beat()
            nursery.start_soon(read, node, gateway.hub, gateway.takeovers)
            await store.execute("XADD", keys.inbox("a"), in_an_hour, "m", "")
            await until(lambda: node.inbox_read == in_an_hour)
            await store.execute("UNLINK", keys.inbox("a"))
            await liveness.beat()
            assert await inbox.send(store, "a", inbox.CommandQueued(KEYS.member))
            await until(lambda: gateway.done == ["a/1"])
            nursery.cancel_scope.cancel()
