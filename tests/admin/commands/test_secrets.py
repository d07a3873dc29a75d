"""A command with a secret is stored masked and encrypted. Its password is right before it is sent."""

import msgspec
import pytest
import trio

from admin.commands import secrets
from state import charge_points, commands
from state.charge_points import Settings, passwords, security
from state.commands import Go, sealing
from state.keys import ChargePointKeys
from tests.admin.api import PEPPER, TENANT, Api
from tests.admin.fake_session import FakeSession, connected, is_silent
from tests.admin.problem import is_problem
from tests.admin.remembering import remembering

KEYS = ChargePointKeys(TENANT, "CP-1")
OLD, NEW = "5f3a9c17e2d04b86a1c97e30f45d2b6810ce7a94", "c09e11d87a2b43f6958e7d6c5b4a39281706f5e4"
PATH = f"/v1/tenants/{TENANT}/charge-points/CP-1"
CHANGE = f"{PATH}/commands/ChangeConfiguration"
BODY = {"key": "AuthorizationKey", "value": NEW}


async def is_right(api: Api, key: str) -> bool:
    found = await security.read(api.store, TENANT, "CP-1")
    return passwords.find_match(PEPPER, KEYS.member, bytes.fromhex(key), found.digests) is not None


@pytest.fixture
async def keyed(api: Api) -> Api:
    await charge_points.put(api.store, TENANT, "CP-1", Settings())
    assert (await api.client.put(f"{PATH}/authorization-key", json={"value": OLD})).status_code == 200
    return api


def test_a_payload_without_a_secret_is_stored_as_it_is() -> None:
    payload = b'{"key":"HeartbeatInterval","value":"5"}'
    assert secrets.protect(PEPPER, "00.a", "ChangeConfiguration", payload) == (payload, None)


@pytest.mark.parametrize(
    ("action", "payload"),
    [
        ("ChangeConfiguration", b'{"key":"AuthorizationKey","value":"S3cr3tS3cr3t"}'),
        ("ChangeConfiguration", b'{"key":"Authorizationkey ","value":"S3cr3tS3cr3t"}'),
        ("ChangeConfiguration", b'{"value":"S3cr3tS3cr3t","key":"WifiPassword"}'),
        ("DataTransfer", b'{"vendorId":"v","data":"{\\"password\\":\\"S3cr3tS3cr3t\\"}"}'),
        ("GetDiagnostics", b'{"location":"ftp://u:S3cr3tS3cr3t@h/x"}'),
        ("UpdateFirmware", b'{"location":"https://h/x?sig=S3cr3tS3cr3t","retrieveDate":"2026-01-01"}'),
        ("GetLog", b'{"log":{"remoteLocation":"https://h/x?sig=S3cr3tS3cr3t"},"logType":"SecurityLog"}'),
    ],
    ids=range(7),
)
def test_a_payload_with_a_secret_is_masked_and_can_be_unsealed(action: str, payload: bytes) -> None:
    shown, sealed = secrets.protect(PEPPER, "00.a", action, payload)
    assert b"S3cr3t" not in shown
    assert sealed is not None
    assert "S3cr3t" not in sealed.ciphertext + sealed.digest
    assert sealing.unseal(PEPPER, "00.a", sealed.ciphertext.encode()) == payload


async def test_the_new_password_is_right_before_the_charge_point_can_know_it(keyed: Api) -> None:
    seen = []

    async def look(session: FakeSession, command: str, go: Go) -> None:
        assert msgspec.json.decode(go.payload) == BODY
        seen.append((await is_right(keyed, OLD), await is_right(keyed, NEW)))
        await session.refuse(command, b'{"code":"InternalError"}')

    async with connected(keyed.store, TENANT, "CP-1", look):
        is_problem(await keyed.client.post(CHANGE, json=BODY), 502, "call-error")
    assert seen == [(True, True)]
    assert await is_right(keyed, NEW), "a CALLERROR does not say that the charge point has its old password"


@pytest.mark.parametrize(
    ("status", "old", "new"),
    [
        ("Accepted", False, True),
        ("Rejected", True, False),
        ("NotSupported", True, False),
        ("RebootRequired", True, True),
    ],
)
async def test_the_answer_decides_which_password_is_right(
    keyed: Api, status: str, old: object, new: object
) -> None:
    answering, _ = remembering(lambda _action, _payload: {"status": status})
    async with connected(keyed.store, TENANT, "CP-1", answering):
        assert (await keyed.client.post(CHANGE, json=BODY)).status_code == 200
    assert (await is_right(keyed, OLD), await is_right(keyed, NEW)) == (old, new)


async def test_the_password_of_a_command_that_is_not_sent_is_not_right(keyed: Api) -> None:
    is_problem(await keyed.client.post(CHANGE, json=BODY), 409, "offline")
    assert not await is_right(keyed, NEW)
    assert (await security.read(keyed.store, TENANT, "CP-1")).next_passwords == ()


async def test_the_password_of_a_command_that_finds_a_full_queue_is_not_right(keyed: Api) -> None:
    async with connected(keyed.store, TENANT, "CP-1", is_silent, deaf=True):
        for _ in range(32):
            assert (await keyed.client.post(f"{PATH}/commands/ClearCache?wait=0", json={})).status_code == 202
        is_problem(await keyed.client.post(CHANGE, json=BODY), 429, "busy")
    assert not await is_right(keyed, NEW)


async def test_a_repeated_idempotency_key_sends_and_changes_nothing_even_after_a_later_change(
    keyed: Api,
) -> None:
    answering, asked = remembering(lambda _action, _payload: {"status": "Accepted"})
    once = {"Idempotency-Key": "one"}
    async with connected(keyed.store, TENANT, "CP-1", answering):
        first = await keyed.client.post(CHANGE, json=BODY, headers=once)
        assert (await keyed.client.post(CHANGE, json=BODY | {"value": OLD})).status_code == 200
        events = await keyed.store.execute("XLEN", KEYS.events)
        again = await keyed.client.post(CHANGE, json=BODY, headers=once)
        assert again.json()["id"] == first.json()["id"]
        is_problem(
            await keyed.client.post(CHANGE, json=BODY | {"value": OLD}, headers=once),
            422,
            "idempotency-key-reused",
        )
    assert len(asked) == 2
    assert await keyed.store.execute("XLEN", KEYS.events) == events
    assert (await is_right(keyed, OLD), await is_right(keyed, NEW)) == (True, False)


async def test_of_two_requests_with_one_idempotency_key_at_once_the_password_that_is_sent_is_right(
    keyed: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first request has expected its password when the second one overtakes it."""
    expect, expected, overtaken = security.expect_password, trio.Event(), trio.Event()

    async def expect_and_wait(*args: object) -> object:
        outcome = await expect(*args)  # type: ignore[arg-type]  # the arguments of the real function
        if not expected.is_set():
            expected.set()
            await overtaken.wait()
        return outcome

    async def change(value: str, status: int) -> None:
        body, once = BODY | {"value": value}, {"Idempotency-Key": "one"}
        answer = await keyed.client.post(f"{CHANGE}?wait=0&timeout=60", json=body, headers=once)
        assert answer.status_code == status

    monkeypatch.setattr(security, "expect_password", expect_and_wait)
    other = NEW[::-1]
    async with connected(keyed.store, TENANT, "CP-1", is_silent, deaf=True), trio.open_nursery() as nursery:
        nursery.start_soon(change, other, 422)
        await expected.wait()
        await change(NEW, 202)
        overtaken.set()
    assert [await is_right(keyed, key) for key in (OLD, NEW, other)] == [True, True, False]


async def test_the_old_password_of_a_repeated_key_is_never_right_again_not_even_for_a_moment(
    keyed: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    answering, _ = remembering(lambda _action, _payload: {"status": "Accepted"})
    once, expected = {"Idempotency-Key": "one"}, []
    expect = security.expect_password

    async def note(*args: object) -> object:
        expected.append(args)
        return await expect(*args)  # type: ignore[arg-type]  # the arguments of the real function

    async with connected(keyed.store, TENANT, "CP-1", answering):
        await keyed.client.post(CHANGE, json=BODY, headers=once)
        await keyed.client.post(CHANGE, json=BODY | {"value": OLD})
        monkeypatch.setattr(security, "expect_password", note)
        await keyed.client.post(CHANGE, json=BODY, headers=once)
    assert expected == []


async def test_a_key_that_can_be_guessed_is_not_sent(keyed: Api) -> None:
    answering, asked = remembering(lambda _action, _payload: {"status": "Accepted"})
    async with connected(keyed.store, TENANT, "CP-1", answering):
        for value in ("0" * 40, "short", "password12345678"):
            for key in ("AuthorizationKey", "authorizationkey", " AUTHORIZATIONKEY "):
                answer = await keyed.client.post(CHANGE, json={"key": key, "value": value})
                problem = is_problem(answer, 422, "bad-authorization-key")
                assert len(value) < 6 or value not in str(problem)
    assert asked == []


async def test_the_store_never_has_the_key_of_a_queued_or_ended_command(keyed: Api) -> None:
    async with connected(keyed.store, TENANT, "CP-1", is_silent, deaf=True):
        made = await keyed.client.post(f"{CHANGE}?wait=0&timeout=60", json=BODY)
        assert made.status_code == 202
        id_ = made.json()["id"]
        record = await keyed.store.execute("HGETALL", KEYS.command(id_))
        assert b"sealed" in record
        assert NEW.encode() not in b" ".join([*record, *record.values()])
        await commands.settle(keyed.store, KEYS, id_, status="expired")
        record = await keyed.store.execute("HGETALL", KEYS.command(id_))
        assert b"sealed" not in record
        shown = (await keyed.client.get(f"{PATH.rpartition('/charge-points')[0]}/commands/{id_}")).text
        assert NEW not in shown


async def test_the_error_of_a_charge_point_that_quotes_the_new_password_does_not_show_it(keyed: Api) -> None:
    async def quote(session: FakeSession, command: str, _: Go) -> None:
        error = {"code": "GenericError", "description": f"bad {NEW}", "details": {"was": NEW}}
        await session.refuse(command, msgspec.json.encode(error))

    async with connected(keyed.store, TENANT, "CP-1", quote):
        answer = await keyed.client.post(CHANGE, json=BODY)
    assert NEW not in answer.text
