"""One test for each class of weakness that advisories reported for charging systems in 2026.

The classes are missing authentication, takeover of a session by its identity, unlimited attempts, and
identities that can be enumerated. A real gateway serves a real socket.
"""

import hmac
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import msgspec
import pytest
import trio

from gateway.admission import serving
from gateway.websocket.client import UpgradeRefused
from state import charge_points
from state.charge_points import Settings, passwords, refusals, security
from state.errors import StoreUnavailable
from state.features import signing_requests
from state.keys import ChargePointKeys
from state.nodes import leases
from state.store import Store
from state.tenants import refusal_records, tenants, tokens
from state.tenants.credentials import NewSecret
from state.tenants.refusal_records import Filter
from tests.support.certificates import request
from tests.support.charge_point_peer import charge_point
from tests.support.inner_gateway import PEPPER, InnerGateway, inner_gateway
from tests.support.raw_upgrade import Answer, basic, upgrade, upgrade_raw
from tests.support.waiting import until

KEY = bytes.fromhex("5f3a9c17e2d04b86a1c97e30f45d2b6810ce7a94")
RIGHT = basic("CP-1", KEY)
WRONG = basic("CP-1", b"x" * 20)
FAILURES = 5
ALL_WAYS = ("execute", "pipeline", "step", "steps", "step_prepared")


class Scene(NamedTuple):
    """A gateway with two tenants. `strict` demands profile 1, and `open` allows profile 0.

    Each tenant has the charge point CP-1 with a password. `paths` has the paths of CP-1.
    """

    store: Store
    gateway: InnerGateway
    made: dict[str, NewSecret]

    @property
    def root(self) -> str:
        return f"ws://127.0.0.1:{urlsplit(self.gateway.url).port}"

    def path(self, tenant: str = "strict", charge_point: str = "CP-1", token: str | None = None) -> str:
        token = token or self.made[tenant].secret
        return f"/OCPP16/{tenant}/{token}/{charge_point}"

    async def answer(self, path: str, *headers: str) -> Answer:
        return await trio.to_thread.run_sync(partial(upgrade, self.root, path=path, headers=headers))

    async def refused(self, path: str, *headers: str) -> bytes:
        return await trio.to_thread.run_sync(partial(upgrade_raw, self.root, path=path, headers=headers))

    async def reasons(self, tenant: str = "strict", charge_point: str = "CP-1") -> dict[str, int]:
        await self.gateway.node.refusals.write()
        return {one.reason: one.times for one in await refusals.read(self.store, tenant, charge_point)}


@asynccontextmanager
async def scene(store: Store, redis_url: str, failures: int = 1_000) -> AsyncIterator[Scene]:
    made = {}
    for tenant, profile in (("open", 0), ("strict", 1)):
        await tenants.put(
            store,
            tenant,
            name="",
            auto_register=False,
            security_profile=1 if profile else 0,
        )
        made[tenant] = await tokens.create(store, PEPPER.encode(), tenant)
        await charge_points.put(store, tenant, "CP-1", Settings())
        keys = ChargePointKeys(tenant, "CP-1")
        digest = passwords.digest(PEPPER.encode(), keys.member, KEY)
        await security.set_password(store, keys, digest, 1)
    async with inner_gateway(store, redis_url, failures=failures) as gateway:
        yield Scene(store, gateway, made)


@pytest.fixture
async def found(store: Store, redis_url: str) -> AsyncIterator[Scene]:
    async with scene(store, redis_url) as opened:
        yield opened


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


# --- Unlimited attempts ---


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


# --- Identities that can be enumerated ---


class Work(NamedTuple):
    """What one refused request cost: the calls of the store and the hashes."""

    store: tuple[tuple[str, int], ...]
    hashes: int


class Counter:
    """Counts the store commands and the HMACs of the process."""

    def __init__(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls: list[tuple[str, int]] = []
        self.hashes = 0
        for name in ALL_WAYS:
            monkeypatch.setattr(store, name, self._counted(name, getattr(store, name)))
        real = hmac.digest

        def digest(*args: Any) -> bytes:
            self.hashes += 1
            return real(*args)

        monkeypatch.setattr(hmac, "digest", digest)

    def _counted(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*args: Any, **named: Any) -> Any:
            self.calls.append((name, len(args[0]) if name == "pipeline" else 1))
            return real(*args, **named)

        return counted

    def take(self) -> Work:
        work = Work(tuple(self.calls), self.hashes)
        self.calls.clear()
        self.hashes = 0
        return work


async def test_nobody_can_tell_from_a_refusal_which_tenants_tokens_and_charge_points_exist(
    found: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    counter = Counter(found.store, monkeypatch)
    requests = {
        "unknown_tenant": ("/OCPP16/nobody/" + "x" * 40 + "/CP-1", [WRONG]),
        "wrong_token": (found.path(token="x" * 40), [WRONG]),
        "unproven_unknown": (found.path(charge_point="CP-9"), [basic("CP-9", b"x" * 20)]),
        "wrong_password": (found.path(), [WRONG]),
        "wrong_user": (found.path(), [basic("CP-9", KEY)]),
        "malformed_authorization": (found.path(), ["Authorization: Basic *"]),
        "no_password": (found.path(), []),
    }
    answers, costs = {}, {}
    for reason, (path, headers) in requests.items():
        found.gateway.node.telemetry.refusals.clear()
        counter.take()
        answers[reason] = await found.refused(path, *headers)
        costs[reason] = counter.take()
        assert found.gateway.node.telemetry.refusals == {reason: 1}
    assert len(set(answers.values())) == 1, answers
    assert answers["no_password"].startswith(b"HTTP/1.1 401 ")
    assert b'WWW-Authenticate: Basic realm="csms"' in answers["no_password"]
    assert set(costs.values()) == {Work((("pipeline", 3),), 3)}, costs


async def test_404_tells_an_id_only_to_one_who_shows_the_token_of_a_tenant_that_allows_profile_0(
    found: Scene,
) -> None:
    assert (await found.answer(found.path("open", "CP-9"))).status == 404
    assert (await found.answer(found.path("open", "CP-9"), WRONG)).status == 404
    assert (await found.answer(found.path("open", "CP-9", token="x" * 40))).status == 401
    assert (await found.answer(found.path("strict", "CP-9"))).status == 401
    made = found.made["open"]
    await tokens.set_retired(found.store, "open", made.id, retired=True)
    assert (await found.answer(found.path("open", "CP-9"))).status == 401


async def test_an_id_in_another_case_is_not_found_for_one_who_has_not_proved_himself(found: Scene) -> None:
    """Where profile 0 is allowed, a charge point may change the case of its id, and keeps its password."""
    assert (await found.answer(found.path("open", "cp-1"), basic("cp-1", KEY))).status == 101
    assert (await found.answer(found.path("strict", "cp-1"), basic("cp-1", KEY))).status == 401


# --- Refusals ---


async def test_each_refusal_of_a_charge_point_is_recorded_with_its_true_reason(found: Scene) -> None:
    retired = await tokens.create(found.store, PEPPER.encode(), "open")
    await tokens.set_retired(found.store, "open", retired.id, retired=True)
    bound = await tokens.create(found.store, PEPPER.encode(), "strict", charge_point="CP-2")
    await charge_points.put(found.store, "strict", "CP-2", Settings())
    for path, headers in (
        (found.path(), [WRONG]),
        (found.path(), []),
        (found.path(), [basic("CP-2", KEY)]),
        (found.path(), ["Authorization: Basic *"]),
        (found.path(token="x"), [RIGHT]),
        (found.path(token=bound.secret), [RIGHT]),
        (found.path("open", token=retired.secret), []),
        (found.path(charge_point="CP-2"), [basic("CP-2", KEY)]),
    ):
        assert (await found.answer(path, *headers)).status == 401
    keys = ChargePointKeys("strict", "CP-1")
    await security.set_floor(found.store, keys, 2)
    assert (await found.answer(found.path(), RIGHT)).status == 403
    assert await found.reasons() == dict.fromkeys(
        (
            *("wrong_password", "no_password", "wrong_user", "malformed_authorization", "wrong_token"),
            *("foreign_token", "profile_too_low"),
        ),
        1,
    )
    assert await found.reasons("open") == {"retired_token": 1}
    assert await found.reasons("strict", "CP-2") == {"no_password_set": 1}


async def test_each_refused_request_has_a_record_of_what_it_claimed_and_never_of_its_token(
    found: Scene,
) -> None:
    """A record is with the tenant that the request named, or with nobody."""
    secret = found.made["open"].secret
    await charge_points.put(found.store, "open", "strict", Settings(strict=True))
    for path, headers in (
        (found.path(token=secret), [RIGHT]),
        (f"/OCPP16/strict/CP-1/{secret}", []),
        (f"/OCPP16/open/{secret}", []),
        (found.path("open", "strict"), ["Origin: http://x"]),
        (found.path("open", "CP-9"), []),
        (f"/OCPP16/{secret}/open/CP-1", []),
        (f"/OCPP16/nobody/{secret}/CP-1", []),
        (f"/ocpp/open/{secret}/CP-1", []),
    ):
        assert (await found.answer(path, *headers)).status in {400, 401, 403, 404}
    await found.gateway.node.refusals.write()
    pages = [
        (await refusal_records.list_(found.store, tenant, Filter())).items
        for tenant in ("strict", "open", None)
    ]
    assert secret[8:] not in repr(pages)
    assert [{(one.charge_point, one.reason) for one in page} for page in pages] == [
        {("CP-1", "wrong_token"), ("***", "wrong_token")},
        {(None, "bad_path"), ("strict", "origin"), ("CP-9", "unknown_charge_point")},
        {("CP-1", "unknown_tenant"), (None, "bad_path")},
    ]
    assert {one.tenant for one in pages[2]} == {"***", "nobody", None}


async def test_a_tenant_learns_nothing_of_the_tokens_of_another_tenant(found: Scene) -> None:
    """A token of another tenant leaves the same record as one that no tenant has."""
    records = []
    for token in (found.made["open"].secret, "x" * 40):
        await found.answer(found.path(token=token), RIGHT)
        await found.gateway.node.refusals.write()
        [one] = (await refusal_records.list_(found.store, "strict", Filter())).items
        records.append(msgspec.structs.replace(one, first_ms=0, last_ms=0))
        await refusals.forget(found.store, "strict", "CP-1")
    assert records[0] == records[1]


async def test_a_refusal_is_in_the_store_a_moment_later_without_anybody_asking(found: Scene) -> None:
    await found.answer(found.path(), WRONG)

    async def is_stored() -> bool:
        return [one.reason for one in await refusals.read(found.store, "strict", "CP-1")] == [
            "wrong_password"
        ]

    await until(is_stored)


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
