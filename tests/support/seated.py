"""A charge point with a gateway, for the tests of commands that a session takes from a real store."""

from typing import NamedTuple

from gateway.session.session import Session
from state import commands
from state.commands import Command
from state.store import Store
from tests.support.inner_gateway import InnerGateway
from tests.support.waiting import until


class Seated(NamedTuple):
    store: Store
    gateway: InnerGateway

    @property
    def session(self) -> Session:
        [found] = self.gateway.hub
        return found

    async def submit(self, *, ttl_ms: int = 60_000, waits_ms: int | None = None) -> str:
        """Record a command, and wake the session if there is one."""
        outcome = await commands.submit(
            self.store,
            *("t", "cp"),
            action="ClearCache",
            payload=b"{}",
            ttl_ms=ttl_ms,
            waits_ms=waits_ms,
            reply_to="",
        )
        assert isinstance(outcome, commands.Submitted)
        for session in self.gateway.hub:
            session.calls.wake()
        return outcome.command.id

    async def read(self, id_: str) -> Command:
        found = await commands.get(self.store, "t", id_)
        assert found is not None
        return found

    async def until_status(self, id_: str, status: str) -> Command:
        async def has() -> bool:
            return (await self.read(id_)).status == status

        await until(has)
        return await self.read(id_)

    async def until_idle(self) -> None:
        await until(lambda: not self.session.calls._working)
