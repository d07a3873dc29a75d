"""A change of settings is made only on the settings on which it was decided."""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import pytest

from state.charge_points import charge_points
from state.errors import StoreUnavailable
from state.keys import ChargePointKeys
from state.record import ChargePointRecord, Settings
from state.redis.connection import Arg
from state.store import Store
from state.tenants import id_tags, tenants
from state.tenants.id_tags import IdTag
from state.tenants.tenants import Tenant

KEYS = ChargePointKeys("acme", "CP-1")


async def test_a_change_is_decided_anew_if_another_program_changed_the_settings_meanwhile(
    store: Store,
) -> None:
    await charge_points.put(store, "acme", "CP-1", Settings(description="a"))
    other, seen = store, []

    async def meanwhile() -> None:
        # As an older program does it, which knows nothing of guarded changes.
        await other.execute("HSET", KEYS.record, "description", "b", "registration", "Pending")

    def decide(found: ChargePointRecord) -> Settings:
        seen.append(found.description)
        return Settings(description=found.description + "!", registration=found.registration)

    await charge_points.change(Meddling(store, meanwhile), "acme", "CP-1", decide)  # type: ignore[arg-type]
    found = await charge_points.get(store, "acme", "CP-1")
    assert found is not None
    assert (seen, found.description, found.registration) == (["a", "b"], "b!", "Pending")


async def test_a_change_gives_up_after_some_attempts(store: Store) -> None:
    await id_tags.put(store, "acme", IdTag(tag="T"))
    key, n = "csms:id-tag:{acme/t}", iter(range(100))
    assert await store.execute("EXISTS", key)

    async def meanwhile() -> None:
        await store.execute("SET", key, msgspec.json.encode(IdTag(tag="T", parent_id_tag=str(next(n)))))

    with pytest.raises(StoreUnavailable, match="other callers"):
        await id_tags.change(
            Meddling(store, meanwhile, always=True),  # type: ignore[arg-type]
            "acme",
            "T",
            lambda _: IdTag(tag="T", status="Blocked"),
        )
    found = await id_tags.get(store, "acme", "T")
    assert found is not None
    assert found.status == "Accepted"


async def test_a_deletion_is_checked_anew_if_another_program_changed_the_settings_meanwhile(
    store: Store,
) -> None:
    await charge_points.put(store, "acme", "CP-1", Settings(description="a"))
    await id_tags.put(store, "acme", IdTag(tag="T"))

    async def change_both() -> None:
        await store.execute("HSET", KEYS.record, "description", "b")
        await id_tags.put(store, "acme", IdTag(tag="T", status="Blocked"))

    def refuse_changed(found: ChargePointRecord | IdTag | None) -> None:
        if isinstance(found, ChargePointRecord) and found.description == "b":
            raise Changed
        if isinstance(found, IdTag) and found.status == "Blocked":
            raise Changed

    with pytest.raises(Changed):
        await charge_points.delete(
            Meddling(store, change_both),  # type: ignore[arg-type]
            "acme",
            "CP-1",
            check=refuse_changed,
        )
    assert await charge_points.get(store, "acme", "CP-1") is not None
    await id_tags.put(store, "acme", IdTag(tag="T"))
    with pytest.raises(Changed):
        await id_tags.delete(Meddling(store, change_both), "acme", "T", refuse_changed)  # type: ignore[arg-type]
    assert await id_tags.get(store, "acme", "T") is not None
    assert await charge_points.delete(store, "acme", "CP-1", check=lambda _: None) is True
    assert await id_tags.delete(store, "acme", "T") is True


async def test_nothing_is_changed_that_does_not_exist(store: Store) -> None:
    assert not await charge_points.change(store, "acme", "CP-1", lambda found: found)
    assert not await id_tags.change(store, "acme", "T", lambda found: found)
    assert not await tenants.change(store, "acme", lambda found: found)
    assert await store.execute("EXISTS", KEYS.record, "csms:id-tag:{acme/t}", "csms:tokens:{acme}") == 0


async def test_a_tenant_of_an_older_program_is_changed_and_keeps_what_was_not_changed(store: Store) -> None:
    await store.execute(
        "HSET",
        "csms:tokens:{acme}",
        "name",
        "Acme",
        "auto_register",
        1,
        "created_ms",
        5,
        "security_profile",
        2,
    )

    def decide(found: Tenant) -> Tenant:
        return msgspec.structs.replace(found, end_superseded=True, end_after_days=7)

    assert await tenants.change(store, "acme", decide)
    expected = Tenant(id="acme", name="Acme", auto_register=True, created_ms=5, security_profile=2)
    assert await tenants.get(store, "acme") == decide(expected)
    assert await tenants.change(
        store, "acme", lambda found: msgspec.structs.replace(found, end_after_days=None)
    )
    now = await tenants.get(store, "acme")
    assert now is not None
    assert (now.end_superseded, now.end_after_days) == (True, None)


class Changed(Exception):  # noqa: N818  the word of the test
    """The settings are not those on which the deletion was decided."""


class Meddling:
    """A store in which something happens after the first read, or after each read."""

    def __init__(self, store: Store, meanwhile: Callable[..., object], *, always: bool = False) -> None:
        self._store, self._meanwhile, self._times = store, meanwhile, 100 if always else 1

    async def execute(self, *command: object) -> object:
        reply = await self._store.execute(*command)  # type: ignore[arg-type]
        if self._times:
            self._times -= 1
            await self._meanwhile()  # type: ignore[misc]
        return reply

    async def step(self, *args: object) -> object:
        return await self._store.step(*args)  # type: ignore[arg-type]

    async def pipeline(self, calls: Sequence[Sequence[Arg]]) -> list[Any]:
        return await self._store.pipeline(calls)
