"""The waiting commands of a partition name their charge points, page by page."""

import pytest

from state import commands
from state.commands import waiting
from state.store import Store
from tests.support.leases import KEYS, claimed


async def test_charge_points_with_waiting_commands_are_listed_until_the_commands_have_ended(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "PAGE", 2)
    await claimed(store, "a/1")
    await store.execute("HSET", "csms:nodes", "a", 1)
    ids = []
    for number in range(3):
        got = await commands.submit(
            *(store, KEYS.tenant, KEYS.id),
            action="ClearCache",
            payload=b"{}",
            ttl_ms=60_000 + number,
            reply_to="",
        )
        assert isinstance(got, commands.Submitted)
        ids.append(got.command.id)
    elsewhere = (KEYS.partition + 1) % 256
    places = [(KEYS.partition, 0), (KEYS.partition, 2), (elsewhere, 0)]
    assert await waiting.list_waiting(store, places) == [[KEYS.member] * 2, [KEYS.member], []]
    for id_ in ids:
        await commands.settle(store, KEYS, id_, status="expired")
    assert await waiting.list_waiting(store, places) == [[], [], []]
    assert await waiting.list_waiting(store, []) == []
