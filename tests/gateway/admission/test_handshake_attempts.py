"""A password cannot be tried without end. A real gateway serves a real socket."""

from collections.abc import AsyncIterator

import pytest
import trio

from state import charge_points
from state.charge_points import Settings, passwords, security
from state.keys import ChargePointKeys
from state.store import Store
from tests.gateway.admission.handshake_scene import KEY, RIGHT, WRONG, Scene, scene
from tests.support.inner_gateway import PEPPER
from tests.support.raw_upgrade import basic

FAILURES = 5


@pytest.fixture
async def limited(store: Store, redis_url: str) -> AsyncIterator[Scene]:
    async with scene(store, redis_url, FAILURES) as opened:
        yield opened


async def test_a_password_cannot_be_tried_without_end_and_nobody_else_is_locked_out(limited: Scene) -> None:
    found = limited
    for number in range(FAILURES):
        answer = await found.answer(found.path(), basic("CP-1", b"try %016d" % number))
        assert answer.status == 401
    locked = await found.answer(found.path(), RIGHT)
    assert locked.status == 429
    assert 0 < int(locked.headers["retry-after"]) <= 61
    # The same address may still connect another charge point that is right at once.
    keys = ChargePointKeys("strict", "CP-2")
    await charge_points.put(found.store, "strict", "CP-2", Settings())
    await security.set_password(found.store, keys, passwords.digest(PEPPER.encode(), keys.member, KEY), 1)
    assert (await found.answer(found.path(charge_point="CP-2"), basic("CP-2", KEY))).status == 101
    # While the address is over its limit, only the answers to further failures come later.
    delayed = found.gateway.node.telemetry
    for number, path in enumerate(
        (found.path(charge_point="CP-3"), "/OCPP16/nobody/x/CP-4", found.path("open", "CP-5", token="x")),
        delayed.delayed_refusals + 1,
    ):
        assert (await found.answer(path)).status == 401
        assert delayed.delayed_refusals == number
    assert (await found.answer(found.path(charge_point="CP-2"), basic("CP-2", KEY))).status == 101
    assert delayed.delayed_refusals == number
    assert (await found.reasons())["too_many_failures"] == 1


async def test_passwords_that_are_tried_at_the_same_time_are_verified_no_more_often(limited: Scene) -> None:
    statuses: list[int] = []

    async def attempt(number: int) -> None:
        answer = await limited.answer(limited.path(), basic("CP-1", b"try %016d" % number))
        statuses.append(answer.status)

    async with trio.open_nursery() as nursery:
        for number in range(4 * FAILURES):
            nursery.start_soon(attempt, number)
    assert set(statuses) == {401, 429}
    assert statuses.count(401) <= 2 * FAILURES  # On a slow machine, the bucket empties a little meanwhile.


async def test_an_id_in_another_case_gives_no_further_attempts(limited: Scene) -> None:
    await security.set_floor(limited.store, ChargePointKeys("open", "CP-1"), 1)
    for number in range(FAILURES):
        id_ = ("CP-1", "cp-1", "Cp-1", "cP-1")[number % 4]
        assert (await limited.answer(limited.path("open", id_), basic(id_, b"x" * 20))).status == 401
    for id_ in ("cp-1", "CP-1", "Cp-1"):
        assert (await limited.answer(limited.path("open", id_), basic(id_, KEY))).status == 429


async def test_failures_under_the_same_id_of_another_tenant_lock_nobody_out(limited: Scene) -> None:
    """Charge points of several tenants may share an address, and ids such as CP-1 are common."""
    for _ in range(FAILURES):
        await limited.answer(limited.path("strict"), WRONG)
    assert (await limited.answer(limited.path("strict"), RIGHT)).status == 429
    assert (await limited.answer(limited.path("open"), RIGHT)).status == 101
