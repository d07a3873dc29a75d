"""The charging profiles that are stored of one charge point."""

from typing import Any

import msgspec

from state import commands, transactions
from state.features import charging_profiles
from state.features.charging_profiles import Mirror, Slot, Which
from state.keys import ChargePointKeys
from state.nodes.leases import Lease
from state.store import Store
from tests.support.transactions import ANSWER, a_start

KEYS = ChargePointKeys("demo", "CP.1")
MAX, DEFAULT, TX = "ChargePointMaxProfile", "TxDefaultProfile", "TxProfile"
COMMAND = commands.command_id(KEYS.partition, "one")


async def read(store: Store) -> Mirror:
    return await charging_profiles.read(store, "demo", "CP.1")


async def ids(store: Store) -> list[int]:
    return [profile.id for profile in (await read(store)).profiles]


async def install(
    store: Store, id_: int, connector: int = 1, purpose: str = DEFAULT, level: int = 0, **more: Any
) -> tuple[int, ...] | None:
    return await charging_profiles.install(
        store, KEYS, id_, Slot(connector, purpose, level), b'{"chargingProfileId":%d}' % id_, **more
    )


async def clear(store: Store, **which: Any) -> list[int]:
    return sorted(await charging_profiles.clear(store, KEYS, Which(**which)))


async def start(store: Store, lease: Lease, **changes: Any) -> int:
    started = await transactions.start(store, lease, a_start(**changes), ANSWER)
    return started.id


async def send(store: Store, lease: Lease, action: str, payload: Any, key: str | None = None) -> str:
    submitted = await commands.submit(
        store,
        "demo",
        "CP.1",
        action=action,
        payload=msgspec.json.encode(payload),
        ttl_ms=60_000,
        reply_to="",
        idempotency_key=key,
    )
    assert isinstance(submitted, commands.Submitted)
    # There is no node, so the command is `offline`. The test sets the status that a session would have given
    # to the command.
    keys = lease.keys
    await store.execute(
        "HSET", keys.command(submitted.command.id), "status", "sent", "sent_ms", 1, "epoch", 1
    )
    return submitted.command.id


def setting(id_: int) -> Any:
    return {"connectorId": 1, "csChargingProfiles": {"chargingProfileId": id_, "stackLevel": 0}}
