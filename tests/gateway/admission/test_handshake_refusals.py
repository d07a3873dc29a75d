"""What a refused handshake shows to the peer, and what is recorded of it for the operator.

A real gateway serves a real socket.
"""

import hmac
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec
import pytest

from state import charge_points
from state.charge_points import Settings, refusals, security
from state.keys import ChargePointKeys
from state.store import Store
from state.tenants import refusal_records, tokens
from state.tenants.refusal_records import Filter
from tests.gateway.admission.handshake_scene import KEY, RIGHT, WRONG, Scene
from tests.support.inner_gateway import PEPPER
from tests.support.raw_upgrade import basic
from tests.support.waiting import until

ALL_WAYS = ("execute", "pipeline", "step", "steps", "step_prepared")


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
