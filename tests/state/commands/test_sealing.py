"""The secret in a command is stored only encrypted, and only until the command was written or has ended."""

import base64

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.ocpp16 import actions
from gateway.ocpp16.errors import PayloadInvalid
from state import commands
from state.commands import record, sealing
from state.commands.sealing import SealBroken, Sealed, seal, unseal
from state.commands.table import Status
from state.store import Store
from tests.support import commands as support
from tests.support.commands import CHARGE_POINT, KEYS, TENANT

PEPPER = b"pepper of the tests"
SECRET = b'{"key":"AuthorizationKey","value":"5f3a9c17e2d04b86a1c97e30f45d2b6810ce7a94"}'
MASKED = b'{"key":"AuthorizationKey","value":"***"}'


def sealed_for(command: str, payload: bytes = SECRET) -> Sealed:
    return seal(PEPPER, command, "ChangeConfiguration", payload)


@given(st.dictionaries(st.text(max_size=9), st.text(max_size=20), max_size=5))
def test_a_payload_comes_back_as_it_was_sealed(fields: dict[str, str]) -> None:
    payload = msgspec.json.encode(fields)
    made = seal(PEPPER, "00.a", "DataTransfer", payload)
    assert unseal(PEPPER, "00.a", made.ciphertext.encode()) == payload


def test_a_sealed_payload_shows_nothing_of_the_secret_and_is_different_each_time() -> None:
    made = [sealed_for("00.a") for _ in range(20)]
    assert len({one.ciphertext for one in made}) == 20
    assert len({one.digest for one in made}) == 1
    for one in made:
        raw = base64.b64decode(one.ciphertext)
        assert b"5f3a9c" not in raw
        assert b"AuthorizationKey" not in raw
        assert "5f3a9c" not in repr(one)


@pytest.mark.parametrize("change", ["pepper", "command", "bit", "cut", "base64"])
def test_a_payload_that_was_sealed_otherwise_or_was_changed_is_not_opened(change: str) -> None:
    ciphertext = sealed_for("00.a").ciphertext.encode()
    pepper, command = PEPPER, "00.a"
    raw = bytearray(base64.b64decode(ciphertext))
    match change:
        case "pepper":
            pepper = b"another pepper"
        case "command":
            command = "00.b"
        case "bit":
            raw[20] ^= 1
            ciphertext = base64.b64encode(raw)
        case "cut":
            ciphertext = base64.b64encode(raw[:10])
        case _:
            ciphertext = b"\xff not base64"
    with pytest.raises(SealBroken) as broken:
        unseal(pepper, command, ciphertext)
    assert "5f3a9c" not in str(broken.value)


def test_the_digest_of_a_sealed_payload_cannot_be_computed_without_the_pepper() -> None:
    """Otherwise the digest of a short secret in the store could be guessed offline."""
    one, spaced = sealed_for("00.a"), sealed_for("00.a", SECRET.replace(b",", b" , "))
    assert one.digest == spaced.digest
    assert one.digest != seal(b"another pepper", "00.a", "ChangeConfiguration", SECRET).digest
    assert one.digest != sealed_for("00.a", SECRET.replace(b"5f", b"60")).digest
    assert one.digest != record.digest("ChangeConfiguration", SECRET)


async def submitted(store: Store) -> str:
    await support.open_inbox(store)
    command = commands.new_id(TENANT, CHARGE_POINT)
    made = await support.submitted(
        store,
        action="ChangeConfiguration",
        payload=MASKED,
        id_=command,
        sealed=sealing.seal(PEPPER, command, "ChangeConfiguration", SECRET),
    )
    return made.id


async def has_ciphertext(store: Store, command: str) -> bool:
    return bool(await store.execute("HEXISTS", KEYS.command(command), "sealed"))


async def test_the_session_gets_the_whole_payload_and_the_record_shows_the_masked_one(store: Store) -> None:
    lease = await support.seat(store)
    command = await submitted(store)
    go = await commands.claim(store, lease, command, "n")
    assert isinstance(go, commands.Go)
    assert unseal(PEPPER, command, go.sealed) == SECRET
    assert "5f3a9c" not in repr(go)
    found = await commands.get(store, TENANT, command)
    assert found is not None
    assert bytes(found.payload) == MASKED


async def test_a_gateway_that_does_not_know_encrypted_payloads_refuses_to_send_the_masked_one(
    store: Store,
) -> None:
    """During a rolling upgrade, such a gateway would otherwise set `***` as the password."""
    await support.seat(store)
    command = await submitted(store)
    payload = await store.execute("HGET", KEYS.command(command), "payload")
    for action in actions.ACTIONS:
        with pytest.raises(PayloadInvalid, match="sealed"):
            actions.decode_request(action, payload)


async def test_the_ciphertext_survives_a_command_that_is_given_back_and_is_deleted_once_it_was_written(
    store: Store,
) -> None:
    lease = await support.seat(store)
    command = await submitted(store)
    assert isinstance(await commands.claim(store, lease, command, "n"), commands.Go)
    assert await commands.give_back(store, KEYS, command, "n")
    again = await commands.claim(store, lease, command, "m")
    assert isinstance(again, commands.Go)
    assert unseal(PEPPER, command, again.sealed) == SECRET
    await commands.forget_secret(store, KEYS, command)
    assert not await has_ciphertext(store, command)
    assert (await support.current(store, await _get(store, command))).status == "sent"


async def _get(store: Store, command: str) -> commands.Command:
    found = await commands.get(store, TENANT, command)
    assert found is not None
    return found


@pytest.mark.parametrize("status", ["answered", "error", "timeout", "unknown", "expired", "offline"])
async def test_the_ciphertext_is_deleted_when_the_command_ends(store: Store, status: Status) -> None:
    lease = await support.seat(store)
    command = await submitted(store)
    assert await has_ciphertext(store, command)
    if status not in {"offline", "expired"}:
        await commands.claim(store, lease, command, "n")
    assert await commands.settle(store, KEYS, command, status=status) == commands.Settled()
    assert not await has_ciphertext(store, command)


async def test_the_ciphertext_is_deleted_when_nobody_took_the_command_before_its_deadline(
    store: Store,
) -> None:
    await support.seat(store)
    command = await submitted(store)
    await support.make_overdue(store, command)
    await commands.end_overdue(store, KEYS, command)
    assert not await has_ciphertext(store, command)


async def test_the_ciphertext_is_deleted_when_a_new_session_finds_the_command_of_a_dead_one(
    store: Store,
) -> None:
    lease = await support.seat(store)
    command = await submitted(store)
    await commands.claim(store, lease, command, "n")
    newer = await support.seat(store, epoch=2)
    assert await commands.mark_unknown(store, newer, [command]) == [command]
    assert not await has_ciphertext(store, command)


async def test_a_command_that_is_never_sent_has_no_ciphertext(store: Store) -> None:
    command = await submitted(store)
    assert (await _get(store, command)).status == "offline"
    assert not await has_ciphertext(store, command)
