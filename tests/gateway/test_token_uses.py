"""A gateway records when a token was used: at the handshake, at the end, and while the session is open."""

import pytest
import trio

from gateway import token_uses
from gateway.token_uses import TokenUses
from state.errors import StoreUnavailable
from state.store import Store
from state.tenants import tokens
from tests.support.charge_point_peer import charge_point
from tests.support.inner_gateway import inner_gateway
from tests.support.waiting import until


async def used_ms(store: Store) -> int | None:
    (token,) = (await tokens.list_(store, "t")).items
    return token.used_ms


async def test_the_handshake_and_the_end_of_a_session_and_the_time_between_them_are_uses(
    store: Store, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(token_uses, "OPEN_TURNS", 3)
    async with inner_gateway(store, redis_url) as gateway:
        uses = TokenUses(gateway.node, gateway.hub)
        await uses.turn()
        assert await used_ms(store) is None
        async with charge_point(f"{gateway.url}/cp") as cp:
            await cp.call("Heartbeat", {})
            await uses.turn()
            connected = await used_ms(store)
            assert connected is not None
            await trio.sleep(0.01)  # Times are in milliseconds.
            await uses.turn()
            open_for_long = await used_ms(store)
            assert open_for_long is not None
            assert open_for_long > connected
            await trio.sleep(0.01)
            await uses.turn()
            assert await used_ms(store) == open_for_long

        async def is_later() -> bool:
            await uses.turn()
            return (await used_ms(store) or 0) > open_for_long

        await until(is_later)


async def test_uses_that_the_store_did_not_take_are_written_in_the_next_turn(
    store: Store, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: object) -> None:
        raise StoreUnavailable("away")

    async with inner_gateway(store, redis_url) as gateway:
        uses = TokenUses(gateway.node, gateway.hub)
        (token,) = (await tokens.list_(store, "t")).items
        gateway.node.note_token("t", token.id)
        with monkeypatch.context() as patch:
            patch.setattr(tokens, "record_uses", away)
            with pytest.raises(StoreUnavailable):
                await uses.turn()
        await uses.turn()
        assert await used_ms(store) is not None
        assert gateway.node.tokens_used == {}
