"""A stand-in for a gateway with one charge point. The store is real, and the test chooses the answers."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import trio

from state import commands
from state.commands import Go, sealing
from state.keys import ChargePointKeys
from state.nodes import inbox, leases, nodes
from state.nodes.inbox import Message
from state.nodes.leases import Attachment, Claimed, Lease
from state.nodes.nodes import NodeRecord
from state.store import Store
from tests.admin.api import PEPPER

type Answering = Callable[["FakeSession", str, Go], Awaitable[None]]


class FakeSession:
    def __init__(self, store: Store, lease: Lease, incarnation: str) -> None:
        self.store = store
        self.lease = lease
        self.incarnation = incarnation
        self.messages: list[Message | None] = []
        self.heard = trio.Event()
        self.claimed: list[str] = []

    async def answer(self, command: str, response: bytes) -> None:
        await commands.settle(self.store, self.lease.keys, command, status="answered", response=response)

    async def refuse(self, command: str, error: bytes) -> None:
        await commands.settle(self.store, self.lease.keys, command, status="error", error=error)

    async def hear[M: Message](self, kind: type[M]) -> M:
        with trio.fail_after(60):
            while True:
                for message in self.messages:
                    if isinstance(message, kind):
                        return message
                self.heard = trio.Event()
                await self.heard.wait()

    async def run(self, answering: Answering) -> None:
        after = "0"
        while True:
            for entry, message in await inbox.read(self.store, self.incarnation, after, 200):
                after = entry
                self.messages.append(message)
                self.heard.set()
                if isinstance(message, inbox.CommandQueued):
                    lists = await commands.read_lists(self.store, self.lease.keys)
                    for command in (*lists.pending, *lists.waiting):
                        if command not in self.claimed:
                            await self._claim(command, answering)

    async def _claim(self, command: str, answering: Answering) -> None:
        outcome = await commands.claim(self.store, self.lease, command, "nonce")
        if isinstance(outcome, Go):
            if outcome.sealed:
                outcome = outcome._replace(payload=sealing.unseal(PEPPER, command, outcome.sealed))
            self.claimed.append(command)
            await answering(self, command, outcome)


async def accepts(session: FakeSession, command: str, _: Go) -> None:
    await session.answer(command, b'{"status":"Accepted"}')


async def is_silent(_session: FakeSession, _command: str, _go: Go) -> None:
    await trio.lowlevel.checkpoint()


async def refuses(session: FakeSession, command: str, _: Go) -> None:
    await session.refuse(command, b'{"code":"NotSupported","description":"not here","details":{}}')


@asynccontextmanager
async def connected(
    store: Store,
    tenant: str,
    charge_point: str,
    answering: Answering = accepts,
    *,
    token_id: str = "t",
    deaf: bool = False,
) -> AsyncIterator[FakeSession]:
    incarnation = nodes.new_incarnation()
    now = store.server_time_ms()
    await nodes.beat(store, incarnation, NodeRecord(kind="gateway", host="test", pid=1, started_ms=now))
    attached = Attachment(
        address="192.0.2.7", tls="TLSv1.3", since_ms=now, node=incarnation, token_id=token_id
    )
    claimed = await leases.claim(
        store,
        ChargePointKeys(tenant, charge_point),
        holder=f"{incarnation}/1",
        not_after_ms=now + 10_000,
        attachment=attached,
        register=True,
    )
    assert isinstance(claimed, Claimed)
    session = FakeSession(store, claimed.lease, incarnation)
    async with trio.open_nursery() as nursery:
        if not deaf:
            nursery.start_soon(session.run, answering)
        yield session
        nursery.cancel_scope.cancel()
