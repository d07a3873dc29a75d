"""Requests are signed and sent once, whatever fails in between and however many processes work."""

from typing import Any

import msgspec
import pytest
import trio
from cryptography import x509

from admin.pki import signing
from admin.pki.signing import Signing, advance, work_off
from state.charge_points import Settings, configuration, put, security
from state.charge_points.configuration import ReportedKey
from state.commands.sweep import sweep_overdue
from state.features import issued_certificates, signing_requests
from state.features.signing_requests import SigningRequest
from state.keys import PARTITIONS, ChargePointKeys
from state.nodes import inbox, leases
from state.store import Store
from state.tenants import tenants
from state.tenants.tenants import CertificateSigning, SecurityProfile
from tests.admin.fake_session import Answering, connected, is_silent
from tests.admin.pki.authority import authority
from tests.admin.remembering import remembering
from tests.support.certificates import request
from tests.support.waiting import until

KEYS = ChargePointKeys("acme", "CP-1")


async def prepare(store: Store, how: CertificateSigning = "automatic", **changes: Any) -> SigningRequest:
    """Register the charge point, and let it ask for a certificate."""
    await tenants.put(store, "acme", name="Acme", auto_register=True, certificate_signing=how)
    await put(store, "acme", "CP-1", Settings())
    await security.set_floor(store, KEYS, 2)
    return await ask(store, **changes)


async def ask(store: Store, **changes: Any) -> SigningRequest:
    asked = SigningRequest(
        csr=request(),
        subject="CN=CP-1",
        key="EC",
        received_ms=store.server_time_ms(),
        security_profile=2,
    )
    asked = msgspec.structs.replace(asked, **changes)
    await signing_requests.record(store, KEYS, asked)
    return asked


async def stored(store: Store) -> SigningRequest:
    found = await signing_requests.get(store, "acme", "CP-1")
    assert found is not None
    return found


async def statuses(store: Store) -> list[str]:
    return [one.status for one in (await security.read(store, "acme", "CP-1")).certificates]


def signer(store: Store, **changes: Any) -> Signing:
    return Signing(store, "admin", authority())._replace(**changes)


def charge_point(status: str = "Accepted") -> tuple[Answering, list[Any]]:
    return remembering(lambda _action, _payload: {"status": status})


async def work_until(store: Store, status: str) -> SigningRequest:
    """Work like a process, and wake the session like the housekeeping of a gateway."""

    async def reached() -> bool:
        await advance(signer(store), KEYS)
        held = await leases.get_holding(store, "acme", "CP-1")
        if held is not None and held.node is not None:
            await inbox.wake(store, held.node, inbox.CommandQueued(KEYS.member))
        return (await stored(store)).status == status

    await until(reached)
    return await stored(store)


@pytest.mark.parametrize(("answer", "expected"), [("Accepted", "accepted"), ("Rejected", "rejected")])
async def test_a_request_is_signed_and_sent_and_the_answer_of_the_charge_point_is_recorded(
    store: Store, answer: str, expected: str
) -> None:
    await prepare(store)
    answering, asked = charge_point(answer)
    async with connected(store, "acme", "CP-1", answering):
        assert await work_off(signer(store)) == 1
        sent = await work_until(store, "sent")

        async def settled() -> bool:
            return await statuses(store) == [expected]

        await until(settled)
    [(action, payload)] = asked
    assert (action, payload) == ("CertificateSigned", {"certificateChain": sent.chain})
    leaf = x509.load_pem_x509_certificates(sent.chain.encode())[0]
    assert f"{leaf.serial_number:x}" == sent.serial_number
    [known] = (await security.read(store, "acme", "CP-1")).certificates
    assert (known.serial_number, known.not_after_ms) == (sent.serial_number, sent.not_after_ms)
    page = await issued_certificates.list_(store, "acme", before_ms=1 << 45)
    assert [one.certificate.serial_number for one in page.items] == (
        [sent.serial_number] if expected == "accepted" else []
    )


async def test_a_certificate_stays_sent_while_the_charge_point_does_not_answer(store: Store) -> None:
    await prepare(store)
    async with connected(store, "acme", "CP-1", is_silent):
        await work_until(store, "sent")
        assert await statuses(store) == ["sent"]
        await work_off(signer(store))
    assert await statuses(store) == ["sent"]


async def test_a_request_of_a_tenant_that_signs_manually_waits_until_an_operator_approves_it(
    store: Store,
) -> None:
    asked = await prepare(store, "manual")
    answering, calls = charge_point()
    async with connected(store, "acme", "CP-1", answering):
        assert await work_off(signer(store)) == 1
        assert await work_off(signer(store)) == 0  # The request is no longer in the queue.
        assert (await stored(store)).status == "waiting"
        await signing_requests.approve(store, KEYS, asked.id, 5)
        assert await work_off(signer(store)) == 1
        await work_until(store, "sent")
    assert len(calls) == 1


@pytest.mark.parametrize(
    ("floor", "proven", "why"),
    [(0, 2, "may connect with security profile 0"), (1, 0, "a lower security"), (2, 1, "a lower security")],
)
async def test_a_request_that_anyone_with_the_token_may_have_sent_is_signed_only_after_an_approval(
    store: Store, floor: SecurityProfile, proven: SecurityProfile, why: str
) -> None:
    """An operator may have raised the profile after the connection was opened."""
    asked = await prepare(store, security_profile=proven)
    await security.set_floor(store, KEYS, floor)
    answering, calls = charge_point()
    async with connected(store, "acme", "CP-1", answering):
        for _ in range(2):
            await advance(signer(store), KEYS)
            held = await stored(store)
            assert held.status == "waiting"
            assert why in held.problem
        await signing_requests.approve(store, KEYS, asked.id, 5)
        sent = await work_until(store, "sent")
        assert sent.problem == ""
    assert len(calls) == 1


async def test_a_rejected_request_is_never_signed(store: Store) -> None:
    asked = await prepare(store)
    await signing_requests.reject(store, KEYS, asked.id)
    answering, calls = charge_point()
    async with connected(store, "acme", "CP-1", answering):
        await work_off(signer(store))
        assert await statuses(store) == []
    assert calls == []


async def test_two_processes_that_work_at_once_issue_and_send_one_certificate(store: Store) -> None:
    answering, calls = charge_point()
    await tenants.put(
        store, "acme", name="", auto_register=True, certificate_signing="automatic", security_profile=1
    )
    async with connected(store, "acme", "CP-1", answering):
        for number in range(4):
            await ask(store)
            async with trio.open_nursery() as nursery:
                for _ in range(8):
                    nursery.start_soon(advance, signer(store), KEYS)
            await work_until(store, "sent")
            assert len(calls) == number + 1
            assert len(await statuses(store)) == number + 1
    sent = [payload["certificateChain"] for _, payload in calls]
    assert sent[-1] == (await stored(store)).chain
    assert len(set(sent)) == 4


async def test_a_process_that_dies_at_any_moment_leaves_work_that_another_process_finishes(
    store: Store,
) -> None:
    """The work is cancelled after each number of its requests to the store."""
    answering, calls = charge_point()
    await tenants.put(
        store, "acme", name="", auto_register=True, certificate_signing="automatic", security_profile=1
    )
    async with connected(store, "acme", "CP-1", answering):
        dying = Dying(store, 0)
        for number in range(1, 25):
            await store.execute("DEL", KEYS.security)  # The limit for an hour is not meant here.
            await ask(store)
            dying = Dying(store, number)
            with dying.scope:
                await advance(signer(dying), KEYS)  # type: ignore[arg-type]
            await work_until(store, "sent")

            async def answered(number: int = number) -> bool:
                return len(calls) == number

            await until(answered)
            assert len(await statuses(store)) == 1
        assert not dying.scope.cancel_called, "the work needs more requests than the test cancels"


class Dying:
    """A store whose caller dies after a number of requests were carried out."""

    def __init__(self, store: Store, requests: int) -> None:
        self._store, self._left, self.scope = store, requests, trio.CancelScope()

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._store, name)
        if name not in {"execute", "pipeline", "step", "steps"}:
            return found

        async def call(*args: Any, **kwargs: Any) -> Any:
            reply = await found(*args, **kwargs)
            self._left -= 1
            if self._left == 0:
                self.scope.cancel()
                await trio.lowlevel.checkpoint()
            return reply

        return call


async def test_a_chain_waits_for_an_offline_charge_point_and_is_sent_at_its_next_connection(
    store: Store,
) -> None:
    await prepare(store)
    assert await advance(signer(store), KEYS) == 10_000
    first = await stored(store)
    assert (first.status, first.attempt) == ("signed", 0)
    answering, calls = charge_point()
    async with connected(store, "acme", "CP-1", answering):
        sent = await work_until(store, "sent")
    assert sent.chain == first.chain
    assert len(calls) == 1


async def test_csms_gives_up_a_chain_after_a_day_until_an_operator_approves_the_request_again(
    store: Store,
) -> None:
    old = store.server_time_ms() - signing.OFFLINE_MS - 1
    asked = await prepare(store, received_ms=old)
    assert await advance(signer(store), KEYS) is None
    failed = await stored(store)
    assert (failed.status, failed.problem) == (
        "failed",
        "The charge point was offline for a day; approve the request when it is connected.",
    )
    answering, calls = charge_point()
    async with connected(store, "acme", "CP-1", answering):
        await advance(signer(store), KEYS)
        assert (await stored(store)).status == "failed"
        await signing_requests.approve(store, KEYS, asked.id, store.server_time_ms())
        sent = await work_until(store, "sent")
    assert sent.chain == failed.chain
    assert len(calls) == 1


async def test_a_command_that_was_never_sent_is_repeated_a_bounded_number_of_times(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signing, "COMMAND_MS", 1)
    await prepare(store)
    async with connected(store, "acme", "CP-1", deaf=True):  # Its session claims no command.

        async def expired() -> bool:
            await advance(signer(store), KEYS)
            await sweep_overdue(store, range(PARTITIONS))
            return (await stored(store)).status == "failed"

        await until(expired)
    failed = await stored(store)
    assert failed.attempt == signing_requests.ATTEMPTS - 1
    assert "took none of the commands" in failed.problem


async def test_an_operator_sees_why_a_request_is_not_signed_and_csms_does_not_try_again(store: Store) -> None:
    await prepare(store)
    assert await work_off(signer(store, authority=None)) == 0  # Another process may have an authority.
    await store.execute("ZADD", "csms:signing-queue", 1, KEYS.member)
    assert await work_off(signer(store, authority=None)) == 1
    failed = await stored(store)
    assert failed.status == "failed"
    assert "set pki.directory" in failed.problem
    assert await store.execute("ZCARD", "csms:signing-queue") == 0
    assert await work_off(signer(store)) == 0


async def test_the_chain_fits_the_size_that_the_charge_point_reported(store: Store) -> None:
    await prepare(store)
    told = [ReportedKey("CertificateSignedMaxChainSize", "100", readonly=True)]
    async with connected(store, "acme", "CP-1") as session:
        await configuration.learn(store, session.lease.keys, told, (), complete=True)
        await advance(signer(store), KEYS)
    assert "takes at most 100" in (await stored(store)).problem


async def test_a_charge_point_gets_few_certificates_an_hour_without_an_operator(store: Store) -> None:
    asked = await prepare(store)
    async with connected(store, "acme", "CP-1"):
        for _ in range(signing.HOURLY_MAX):
            await work_until(store, "sent")
            asked = await ask(store)
        await advance(signer(store), KEYS)
        failed = await stored(store)
        assert (failed.status, len(await statuses(store))) == ("failed", signing.HOURLY_MAX)
        assert "within the last hour" in failed.problem
        await signing_requests.approve(store, KEYS, asked.id, 5)
        await work_until(store, "sent")


async def test_a_revoked_certificate_is_not_sent_again(store: Store) -> None:
    asked = await prepare(store)
    answering, calls = charge_point()
    async with connected(store, "acme", "CP-1", answering):
        sent = await work_until(store, "sent")
        await security.settle_certificate(store, KEYS, sent.serial_number, "revoked")
        await signing_requests.approve(store, KEYS, asked.id, 5)
        await advance(signer(store), KEYS)
    failed = await stored(store)
    assert (failed.status, len(calls)) == ("failed", 1)
    assert "was revoked" in failed.problem


async def test_a_charge_point_that_was_answered_rejected_gets_no_certificate_before_it_is_released(
    store: Store,
) -> None:
    await tenants.put(
        store, "acme", name="", auto_register=True, certificate_signing="automatic", security_profile=1
    )
    await put(store, "acme", "CP-1", Settings(registration="Rejected"))
    await ask(store)
    answering, calls = charge_point()
    async with connected(store, "acme", "CP-1", answering):
        assert await advance(signer(store), KEYS) == 10_000
        assert calls == []
        await put(store, "acme", "CP-1", Settings())
        await work_until(store, "sent")


async def test_a_request_that_meets_a_bug_does_not_keep_the_others_waiting(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_args: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(signing, "issue", broken)
    await prepare(store)
    await signing_requests.enqueue(store, ChargePointKeys("acme", "CP-2"))
    assert await work_off(signer(store)) == 2
    failed = await stored(store)
    assert failed.status == "failed"
    assert "a bug in csms" in failed.problem


async def test_the_work_on_a_deleted_charge_point_ends(store: Store) -> None:
    await signing_requests.enqueue(store, ChargePointKeys("gone", "CP-9"))
    assert await work_off(signer(store)) == 1
    assert await store.execute("ZCARD", "csms:signing-queue") == 0
