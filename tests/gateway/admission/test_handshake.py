"""Nothing but the right credential opens a charge point or takes over its session.

A real gateway serves a real socket.
"""

from typing import Any

import pytest

from gateway.admission import serving
from gateway.websocket.client import UpgradeRefused
from state import charge_points
from state.charge_points import Settings, passwords, security
from state.errors import StoreUnavailable
from state.features import signing_requests
from state.keys import ChargePointKeys
from state.nodes import leases
from state.tenants import tenants, tokens
from tests.gateway.admission.handshake_scene import KEY, RIGHT, WRONG, Scene
from tests.support.certificates import request
from tests.support.charge_point_peer import charge_point
from tests.support.inner_gateway import PEPPER
from tests.support.raw_upgrade import basic
from tests.support.waiting import until

# --- Missing authentication ---


async def test_nothing_but_the_right_password_opens_a_charge_point_from_profile_1_on(found: Scene) -> None:
    retired = await tokens.create(found.store, PEPPER.encode(), "strict")
    await tokens.set_retired(found.store, "strict", retired.id, retired=True)
    bound = await tokens.create(found.store, PEPPER.encode(), "strict", charge_point="CP-2")
    paths = {
        "token alone": found.path(),
        "retired token alone": found.path(token=retired.secret),
        "token of another charge point": found.path(token=bound.secret),
        "token of another tenant": found.path(token=found.made["open"].secret),
        "no token": "/OCPP16/strict/x/CP-1",
        "unknown charge point": found.path(charge_point="CP-9"),
        "unknown tenant": found.path(token="x").replace("strict", "nobody"),
    }
    for what, path in paths.items():
        for headers in ([], [WRONG], [basic("CP-2", KEY)], [basic("", b"")]):
            answer = await found.answer(path, *headers)
            assert answer.status == 401, (what, answer)
    assert list(found.gateway.hub) == []


async def test_the_right_password_opens_even_with_a_retired_token_but_never_without_one(
    found: Scene,
) -> None:
    retired = await tokens.create(found.store, PEPPER.encode(), "strict")
    await tokens.set_retired(found.store, "strict", retired.id, retired=True)
    for path, status in (
        (found.path(), 101),
        (found.path(token=retired.secret), 101),
        (found.path(token="x"), 401),
        (found.path(token=found.made["open"].secret), 401),
    ):
        assert (await found.answer(path, RIGHT)).status == status


@pytest.mark.parametrize(
    "headers",
    [
        ["Authorization:", RIGHT],
        [RIGHT, RIGHT],
        [RIGHT, WRONG],
        ["X-Forwarded-For: 127.0.0.1", "X-Authorization: yes"],
        ["Cookie: session=1"],
        ["Proxy-" + RIGHT],
        [RIGHT.replace("Basic", "Bearer")],
    ],
    ids=range(7),
)
async def test_no_trick_with_headers_replaces_the_password(found: Scene, headers: list[str]) -> None:
    assert (await found.answer(found.path(), *headers)).status == 401


async def test_the_password_of_the_same_id_in_another_tenant_opens_nothing(found: Scene) -> None:
    keys = ChargePointKeys("open", "CP-1")
    other = bytes(range(100, 120))
    await security.set_password(found.store, keys, passwords.digest(PEPPER.encode(), keys.member, other), 1)
    assert (await found.answer(found.path("strict"), basic("CP-1", other))).status == 401
    assert (await found.answer(found.path("open"), basic("CP-1", other))).status == 101


# --- Takeover of a session by its identity ---


async def lease_of(scene: Scene) -> Any:
    return await scene.store.execute("HGETALL", ChargePointKeys("strict", "CP-1").lease)


async def test_a_second_connection_without_the_right_credential_never_touches_the_live_session(
    found: Scene,
) -> None:
    async with charge_point(found.root + found.path(), header=RIGHT) as live:
        before = await lease_of(found)
        assert await live.call("Heartbeat", {})
        for path, headers in (
            (found.path(), []),
            (found.path(), [WRONG]),
            (found.path(), [basic("CP-2", KEY)]),
            (found.path(token="x"), [RIGHT]),
            (found.path("open"), []),
        ):
            await found.answer(path, *headers)
        assert await live.call("Heartbeat", {})
        assert await lease_of(found) == before
        held = await leases.get_holding(found.store, "strict", "CP-1")
        assert held is not None
        assert held.online
        # The owner itself takes over its own session at once, for example after a change of its network.
        async with charge_point(found.root + found.path(), header=RIGHT) as newer:
            assert await newer.call("Heartbeat", {})
            assert (await live.wait_closed())[1] == "peer"
            assert await lease_of(found) != before


# --- The floor ---


async def test_the_floor_rises_by_the_first_success_and_the_old_profile_is_refused_afterwards(
    found: Scene,
) -> None:
    assert (await found.answer(found.path("open"))).status == 101
    assert (await found.answer(found.path("open"), basic("CP-1", KEY))).status == 101
    now = await security.read(found.store, "open", "CP-1")
    assert now.floor == 1
    assert (await found.answer(found.path("open"))).status == 401
    with pytest.raises(UpgradeRefused):
        async with charge_point(found.root + found.path("open")):
            pass
    await security.set_floor(found.store, ChargePointKeys("open", "CP-1"), 0)
    assert (await found.answer(found.path("open"))).status == 101


async def test_a_wrong_password_leaves_the_floor_as_it_is(found: Scene) -> None:
    assert (await found.answer(found.path("open"), WRONG)).status == 401
    assert (await security.read(found.store, "open", "CP-1")).floor == 0


async def test_a_handshake_that_cannot_store_its_conclusions_keeps_no_lease(
    found: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store goes away after the claim. The charge point would otherwise look online without a session."""

    async def fail(*_: object) -> None:
        raise StoreUnavailable("away")

    keys = ChargePointKeys("strict", "CP-1")
    with monkeypatch.context() as patched:
        patched.setattr(serving, "record_proof", fail)
        assert (await found.answer(found.path(), RIGHT)).status == 503
    assert (await security.read(found.store, "strict", "CP-1")).floor == 0

    async def given_back() -> bool:
        held = await leases.get_holding(found.store, keys.tenant, keys.id)
        return held is not None and not held.online

    await until(given_back)
    assert (await found.answer(found.path(), RIGHT)).status == 101
    assert (await security.read(found.store, "strict", "CP-1")).floor == 1


async def test_a_thief_whose_connection_was_open_when_the_profile_was_raised_gets_no_certificate(
    found: Scene,
) -> None:
    """A request counts for what its own connection has proved. The floor says only what the next one must."""
    csr = request(common_name="CP-1")

    async def proven() -> int:
        asked = await signing_requests.get(found.store, "open", "CP-1")
        assert asked is not None
        return asked.security_profile

    async with charge_point(found.root + found.path("open")) as thief:
        await security.set_floor(found.store, ChargePointKeys("open", "CP-1"), 1)
        assert await thief.call("SignCertificate", {"csr": csr}) == {"status": "Accepted"}
    assert await proven() == 0
    async with charge_point(found.root + found.path("open"), header=RIGHT) as owner:
        assert await owner.call("SignCertificate", {"csr": csr}) == {"status": "Accepted"}
    assert await proven() == 1


async def test_a_tenant_with_too_many_charge_points_registers_no_further_one_by_itself(
    found: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("state.charge_points.charge_points.AUTO_REGISTERED_MOST", 1)
    await tenants.put(found.store, "open", name="", auto_register=True)
    first = "new-1"
    second = next(
        name
        for name in map("new-{}".format, range(2, 10_000))
        if ChargePointKeys("open", name).partition == ChargePointKeys("open", first).partition
    )
    assert (await found.answer(found.path("open", first))).status == 101
    refused = await found.answer(found.path("open", second))
    assert (refused.status, "too many charge points" in refused.body) == (503, True)
    assert await charge_points.get(found.store, "open", second) is None
    await charge_points.put(found.store, "open", second, Settings())
    assert (await found.answer(found.path("open", second))).status == 101
