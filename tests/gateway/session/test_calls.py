"""A session takes operators' commands from a real store."""

import pytest
import trio

from state import commands, keys
from state.nodes.leases import Lease
from state.store import Store
from tests.support.charge_point_peer import charge_point
from tests.support.inner_gateway import inner_gateway
from tests.support.waiting import until


async def test_a_session_claims_each_command_in_the_store_only_once(
    store: Store, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    claimed: list[str] = []
    claim = commands.claim

    async def claim_and_note(store: Store, lease: Lease, id_: str, nonce: str) -> object:
        claimed.append(id_)
        return await claim(store, lease, id_, nonce)

    monkeypatch.setattr(commands, "claim", claim_and_note)
    with trio.fail_after(60):
        async with inner_gateway(store, redis_url) as gateway:
            await store.execute("XADD", keys.inbox(gateway.node.incarnation), "*", "begin", "")
            async with charge_point(f"{gateway.url}/cp", None) as cp:
                await cp.call("Heartbeat", {})
                [session] = gateway.hub

                async def submit() -> str:
                    outcome = await commands.submit(
                        store, "t", "cp", action="ClearCache", payload=b"{}", ttl_ms=20_000, reply_to=""
                    )
                    assert isinstance(outcome, commands.Submitted)
                    session.calls.wake()
                    return outcome.command.id

                def idle() -> bool:
                    return not session.calls._working

                submitted = [await submit() for _ in range(3)]
                await until(idle)
                submitted.append(await submit())
                await until(idle)
                found = [await commands.get(store, "t", id_) for id_ in submitted]
    assert [one and one.status for one in found] == ["answered"] * 4
    assert claimed == submitted
