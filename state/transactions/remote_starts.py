"""Remote starts that a charge point accepted and whose transaction has not begun.

RemoteStartTransaction.conf says only that the charge point will try (errata 2025-04, 12). The start that
follows names no command, so csms recognises the start by its id tag and connector, within `LASTS_MS`.
"""

from typing import NamedTuple

import msgspec

from state.keys import ChargePointKeys
from state.nodes import inbox
from state.replies import read_fields
from state.store import Store
from state.tenants.id_tags import fold
from state.transactions.listing import public_id
from state.transactions.starting import Start

LASTS_MS = 600_000
"""How long after a remote start its StartTransaction is expected.

The time is long enough for a driver to plug in, and too short for the same id tag to start another
transaction without a command.
"""
SKEW_MS = 60_000
"""How far a charge point's clock may be behind.

A start with an earlier time happened offline, before the command was sent.
"""
AT_ONCE = 32
"""Greatest number of commands that are remembered.

The oldest command is removed to make room, because the newest is the most likely to lead to a transaction.
"""


class Expected(NamedTuple):
    since_ms: int
    connector_id: int | None
    id_tag: str

    def matches(self, start: Start, now_ms: int) -> bool:
        if now_ms - self.since_ms > LASTS_MS or fold(start.id_tag) != self.id_tag:
            return False
        if self.connector_id not in {None, start.connector_id}:
            return False
        return not start.plausible or start.started_ms >= self.since_ms - SKEW_MS


async def expect(
    store: Store, keys: ChargePointKeys, command_id: str, *, id_tag: str, connector_id: int | None
) -> None:
    """Remember that this command was accepted.

    A repeated call changes nothing, even after the transaction began.
    """
    expected = Expected(store.server_time_ms(), connector_id, fold(id_tag))
    await store.step(
        "transactions/remote_start_expect",
        (keys.remote_starts, keys.command(command_id), keys.record, keys.lease),
        (command_id, msgspec.json.encode(expected), AT_ONCE, LASTS_MS),
    )


async def fulfil(store: Store, keys: ChargePointKeys, start: Start, transaction_id: int) -> str | None:
    """Return the id of the command that asked for this start.

    If the start could answer several commands, the newest is chosen. Returns None if no command requested
    this start, or if the start is a repeat. A transaction answers one command only. The command's record then
    names the transaction, the TxProfile of the command belongs to the transaction, and the request that waits
    for the command is woken.
    """
    expectations = read_fields(await store.execute("HGETALL", keys.remote_starts))
    if not expectations:
        return None
    now_ms = store.server_time_ms()
    read = ((id_, msgspec.json.decode(one, type=Expected)) for id_, one in expectations.items())
    found = sorted(((one.since_ms, id_) for id_, one in read if one.matches(start, now_ms)), reverse=True)
    ids = [id_ for _, id_ in found]
    public = public_id(keys.id, transaction_id)
    for position, id_ in enumerate(ids):
        data = msgspec.json.encode({"command": id_, "transaction_id": public})
        word, *reply_to = await store.step(
            "transactions/remote_start_fulfil",
            (
                keys.remote_starts,
                keys.command(id_),
                keys.events,
                keys.transaction(transaction_id),
                keys.charging_profile_promises,
                keys.charging_profiles,
                keys.charging_profile_doubts,
            ),
            (
                keys.member,
                public,
                data,
                start.received_ms,
                "" if start.connector_id is None else start.connector_id,
                transaction_id,
                *ids[position:],
            ),
        )
        if word == b"fulfilled":
            if reply_to[0]:
                await inbox.wake(store, reply_to[0].decode(), inbox.CommandChanged(id_))
            return id_
    return None
