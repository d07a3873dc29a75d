"""Operators' commands in a session, at the store that they come from."""

from functools import partial

import msgspec
import pytest
import trio

from gateway.admission import handshake
from gateway.config import GatewayConfig
from gateway.node import Node
from gateway.websocket.listeners import open_listeners
from gateway.websocket.server import serve
from state import commands, keys
from state.nodes.leases import Lease
from state.store import Store
from state.tenants import tenants, tokens
from tests.system.peer import charge_point, until

PEPPER = "pepper" * 8


async def test_a_command_is_claimed_once(
    store: Store, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    claimed: list[str] = []
    claim = commands.claim

    async def noted(store: Store, lease: Lease, id_: str, nonce: str) -> object:
        claimed.append(id_)
        return await claim(store, lease, id_, nonce)

    monkeypatch.setattr(commands, "claim", noted)
    given = {"store": {"url": redis_url}, "security": {"pepper": PEPPER}}
    await tenants.put(store, "t", name="t", auto_register=True)
    token = await tokens.create(store, PEPPER.encode(), "t")
    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            node = Node(msgspec.convert(given, GatewayConfig), store, PEPPER.encode(), nursery)
            await store.execute("XADD", keys.inbox(node.incarnation), "*", "begin", "")
            [listener] = open_listeners("127.0.0.1", 0)
            url = f"ws://127.0.0.1:{listener.getsockname()[1]}/OCPP16/t/{token.secret}"
            await nursery.start(partial(serve, [listener], handle=partial(handshake.handle, node)))
            async with charge_point(f"{url}/cp", None) as cp:
                await cp.call("Heartbeat", {})
                [session] = node.hub

                async def submit() -> str:
                    outcome = await commands.submit(
                        store, "t", "cp", action="ClearCache", payload=b"{}", ttl_ms=20_000, reply_to=""
                    )
                    assert isinstance(outcome, commands.Submitted)
                    session.calls.wake()
                    return outcome.command.id

                async def idle() -> bool:
                    return not session.calls._working

                submitted = [await submit() for _ in range(3)]
                await until(idle)
                submitted.append(await submit())
                await until(idle)
                found = [await commands.get(store, "t", id_) for id_ in submitted]
            nursery.cancel_scope.cancel()
    assert [one and one.status for one in found] == ["answered"] * 4
    assert claimed == submitted
