"""The latest commands of a charge point are listed with the API key that sent them.

These tests cover `list_recent` of state/commands/lookup.py.
"""

from state import commands
from state.commands import Command, Submitted
from state.store import Store
from tests.support.commands import CHARGE_POINT, KEYS, TENANT


async def sent(store: Store, action: str, by: str | None = None) -> Command:
    outcome = await commands.submit(
        store, TENANT, CHARGE_POINT, action=action, payload=b"{}", ttl_ms=9_000, reply_to="", by=by
    )
    assert isinstance(outcome, Submitted)
    return outcome.command


async def listed(
    store: Store, charge_point: str = CHARGE_POINT, limit: int = 100
) -> list[tuple[str, str | None]]:
    found: list[tuple[str, str | None]] = []
    cursor = None
    while True:
        page = await commands.list_recent(store, TENANT, charge_point, cursor=cursor, limit=limit)
        assert len(page.items) <= limit
        found += [(command.action, command.by) for command in page.items]
        cursor = page.next
        if cursor is None:
            return found


async def test_commands_are_listed_with_their_senders_and_the_latest_first(store: Store) -> None:
    assert await listed(store) == []
    ids: list[str] = []
    for action, by in (("Reset", "key-1"), ("ClearCache", None), ("GetConfiguration", "key-2")):
        command = await sent(store, action, by)
        # Commands of one millisecond are in the order of their ids.
        await store.execute("ZREM", KEYS.recent_commands, f"{command.created_ms:018d} {command.id}")
        await store.execute(
            "ZADD", KEYS.recent_commands, 0, f"{command.created_ms + len(ids):018d} {command.id}"
        )
        ids.append(command.id)
    expected = [("GetConfiguration", "key-2"), ("ClearCache", None), ("Reset", "key-1")]
    assert await listed(store) == expected
    assert await listed(store, limit=1) == expected
    assert await listed(store, "CP-OTHER") == []


async def test_a_command_that_is_no_longer_stored_is_not_listed(store: Store) -> None:
    gone, kept = await sent(store, "Reset"), await sent(store, "ClearCache")
    await store.execute("DEL", KEYS.command(gone.id))
    assert await listed(store, limit=1) == [(kept.action, None)]


async def test_the_list_of_recent_commands_is_bounded_and_expires(store: Store) -> None:
    for number in range(1_000):
        await store.execute("ZADD", KEYS.recent_commands, 0, f"{number:018d} 00.{number:022d}")
    await sent(store, "Reset")
    assert await store.execute("ZCARD", KEYS.recent_commands) == 1_000
    assert await listed(store) == [("Reset", None)]
    assert 0 < await store.execute("PTTL", KEYS.recent_commands) <= 48 * 3600 * 1000


async def test_a_repeated_submission_is_listed_once(store: Store) -> None:
    for _ in range(2):
        await commands.submit(
            store,
            TENANT,
            CHARGE_POINT,
            action="Reset",
            payload=b"{}",
            ttl_ms=9_000,
            reply_to="",
            idempotency_key="once",
        )
    assert await listed(store) == [("Reset", None)]
