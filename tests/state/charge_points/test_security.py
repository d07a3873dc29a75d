"""Which proofs are right is decided in the store, so that no order of events locks a charge point out."""

import hashlib
from functools import partial
from random import Random
from typing import Any

import msgspec
import pytest
import trio

from state import charge_points
from state.charge_points import Settings, security
from state.charge_points.security import (
    CERTIFICATES,
    NEXT_PASSWORDS,
    CertificateStatus,
    IssuedCertificate,
    NameCheck,
    Proof,
    Security,
    concludes,
)
from state.keys import ChargePointKeys
from state.store import Store
from state.tenants.tenants import SecurityProfile

KEYS = ChargePointKeys("acme", "CP-1")
OLD, NEW, NEWER = (bytes([number]) * 32 for number in (1, 2, 3))


@pytest.fixture
async def registered(store: Store) -> Store:
    await charge_points.put(store, KEYS.tenant, KEYS.id, Settings())
    return store


async def read(store: Store) -> Security:
    return await security.read(store, KEYS.tenant, KEYS.id)


async def right(store: Store) -> set[bytes]:
    return set((await read(store)).digests)


async def told(store: Store) -> list[tuple[str, dict[str, object]]]:
    """Read the events about the security profile and the password."""
    found = []
    for _, fields in await store.execute("XRANGE", KEYS.events, "-", "+"):
        named = dict(zip(fields[::2], fields[1::2], strict=True))
        if named[b"kind"].startswith((b"charge_point.security", b"charge_point.password")):
            found.append((named[b"kind"].decode(), msgspec.json.decode(named[b"data"])))
    return found


def by_password(digest: bytes, *settled: str, profile: int = 1) -> Proof:
    return Proof(profile=2 if profile == 2 else 1, digest=digest, settled=frozenset(settled))


async def test_a_charge_point_of_which_nothing_is_stored_needs_no_proof(registered: Store) -> None:
    assert await read(registered) == Security()
    assert (await read(registered)).digests == ()


async def test_the_floor_rises_by_the_first_connection_with_a_higher_profile_and_never_falls_by_one(
    registered: Store,
) -> None:
    for profile, floor in ((0, 0), (1, 1), (0, 1), (2, 2), (1, 2), (3, 3), (2, 3), (0, 3)):
        proof = Proof(profile=msgspec.convert(profile, SecurityProfile))
        now = await read(registered)
        assert concludes(now, proof) == (profile > now.floor)
        await security.record_proof(registered, KEYS, proof, 5)
        assert (await read(registered)).floor == floor
    changed = [data for _, data in await told(registered)]
    assert changed == [
        {"before": before, "security_profile": before + 1, "by": "charge_point"} for before in range(3)
    ]


async def test_an_operator_may_lower_the_floor(registered: Store) -> None:
    assert await security.set_floor(registered, KEYS, 3) == "changed"
    assert await security.set_floor(registered, KEYS, 3) == "unneeded"
    assert await security.set_floor(registered, KEYS, 0) == "changed"
    assert (await read(registered)).floor == 0
    assert [data["by"] for _, data in await told(registered)] == ["operator"] * 2


async def test_nothing_is_stored_for_a_charge_point_that_is_not_registered(store: Store) -> None:
    certificate = IssuedCertificate(serial_number="1", issuer="CN=ca", issued_ms=1, not_after_ms=2)
    assert await security.set_floor(store, KEYS, 1) == "gone"
    assert await security.set_password(store, KEYS, OLD, 1) == "gone"
    assert await security.expect_password(store, KEYS, NEW, "a", 1) == "gone"
    assert await security.record_proof(store, KEYS, Proof(profile=3), 1) == "gone"
    assert await security.add_certificate(store, KEYS, certificate) == "gone"
    assert await security.change_name_check(store, KEYS, lambda _: NameCheck(organisation=False)) == "gone"
    assert await store.execute("EXISTS", KEYS.security) == 0


async def test_a_password_that_an_operator_sets_is_the_only_one_that_is_right(registered: Store) -> None:
    await security.set_password(registered, KEYS, OLD, 1)
    await security.expect_password(registered, KEYS, NEW, "a", 1)
    await security.set_password(registered, KEYS, NEWER, 2)
    assert await right(registered) == {NEWER}
    assert (await read(registered)).password == security.Password(NEWER.hex(), 2)
    await security.set_password(registered, KEYS, None, 3)
    assert await right(registered) == set()
    assert await security.set_password(registered, KEYS, None, 3) == "unneeded"
    assert [kind for kind, _ in await told(registered)] == [
        *["charge_point.password_changed"] * 2,
        "charge_point.password_removed",
    ]


@pytest.mark.parametrize(
    ("outcome", "after"),
    [("accepted", {NEW}), ("refused", {OLD}), ("reboot_required", {OLD, NEW})],
)
async def test_the_answer_to_a_password_change_decides_which_password_is_right(
    registered: Store, outcome: security.KeyOutcome, after: set[bytes]
) -> None:
    await security.set_password(registered, KEYS, OLD, 1)
    assert await security.expect_password(registered, KEYS, NEW, "a", 1) == "changed"
    assert await right(registered) == {OLD, NEW}
    await security.settle_password(registered, KEYS, "a", outcome, 2)
    assert await right(registered) == after
    assert await security.settle_password(registered, KEYS, "a", "accepted", 3) == (
        "changed" if outcome == "reboot_required" else "unneeded"
    )


@pytest.mark.parametrize("used", [OLD, NEW], ids=["the old one", "the new one"])
@pytest.mark.parametrize("outcome", ["unknown", "reboot_required"])
async def test_the_first_connection_after_an_unknown_outcome_decides_which_password_is_right(
    registered: Store, used: bytes, outcome: str
) -> None:
    await security.set_password(registered, KEYS, OLD, 1)
    await security.expect_password(registered, KEYS, NEW, "a", 1)
    if outcome == "reboot_required":
        await security.settle_password(registered, KEYS, "a", "reboot_required", 2)
    await security.record_proof(registered, KEYS, by_password(used, "a"), 5)
    # A charge point that needs a reboot for its new password may connect with the old one before.
    still = {NEW} if outcome == "reboot_required" and used == OLD else set()
    assert await right(registered) == {used} | still


async def test_a_password_whose_command_may_still_be_sent_survives_a_connection_with_the_old_one(
    registered: Store,
) -> None:
    """Otherwise the charge point would accept the new password right after csms has forgotten it."""
    await security.set_password(registered, KEYS, OLD, 1)
    await security.expect_password(registered, KEYS, NEW, "a", 1)
    await security.expect_password(registered, KEYS, NEWER, "b", 1)
    await security.record_proof(registered, KEYS, by_password(OLD, "a"), 5)
    assert await right(registered) == {OLD, NEWER}
    await security.settle_password(registered, KEYS, "b", "accepted", 6)
    assert await right(registered) == {NEWER}


async def test_of_two_changes_the_later_one_stays_right_when_the_earlier_one_is_accepted(
    registered: Store,
) -> None:
    await security.expect_password(registered, KEYS, NEW, "a", 1)
    await security.expect_password(registered, KEYS, NEWER, "b", 1)
    await security.settle_password(registered, KEYS, "a", "accepted", 2)
    assert await right(registered) == {NEW, NEWER}
    await security.settle_password(registered, KEYS, "b", "accepted", 3)
    assert await right(registered) == {NEWER}


async def test_a_later_password_that_is_accepted_replaces_one_that_waits_for_a_reboot(
    registered: Store,
) -> None:
    await security.set_password(registered, KEYS, OLD, 1)
    await security.expect_password(registered, KEYS, NEW, "a", 1)
    await security.expect_password(registered, KEYS, NEWER, "b", 1)
    await security.settle_password(registered, KEYS, "a", "reboot_required", 2)
    await security.settle_password(registered, KEYS, "b", "accepted", 3)
    assert await right(registered) == {NEWER}


@pytest.mark.parametrize("between", ["a reconnect with the old password", "an operator's password"])
async def test_a_password_that_the_charge_point_accepts_after_all_is_the_right_one(
    registered: Store, between: str
) -> None:
    """The command was on its way, so the charge point has the new password whatever csms decided."""
    await security.set_password(registered, KEYS, OLD, 1)
    await security.expect_password(registered, KEYS, NEW, "a", 1)
    if between == "an operator's password":
        await security.set_password(registered, KEYS, NEWER, 2)
    else:
        await security.record_proof(registered, KEYS, by_password(OLD, "a"), 2)
    outcomes: tuple[security.KeyOutcome, ...] = ("refused", "reboot_required")
    for outcome in outcomes:
        assert await security.settle_password(registered, KEYS, "a", outcome, 3, digest=NEW) == "unneeded"
    assert await security.settle_password(registered, KEYS, "a", "accepted", 3, digest=NEW) == "changed"
    assert await right(registered) == {NEW}
    assert await security.settle_password(registered, KEYS, "a", "accepted", 3, digest=NEW) == "unneeded"


async def test_a_repeated_expectation_of_one_command_changes_nothing(registered: Store) -> None:
    assert await security.expect_password(registered, KEYS, NEW, "a", 1) == "changed"
    assert await security.expect_password(registered, KEYS, NEW, "a", 1) == "unneeded"
    assert await right(registered) == {NEW}


@pytest.mark.parametrize("outcome", ["accepted", "reboot_required", "lost"])
async def test_of_two_requests_with_one_idempotency_key_only_the_password_that_was_sent_becomes_right(
    registered: Store, outcome: str
) -> None:
    """Both requests expect their passwords before either knows which one the command sends."""
    await security.set_password(registered, KEYS, OLD, 1)
    await security.expect_password(registered, KEYS, NEW, "a", 1)
    await security.expect_password(registered, KEYS, NEWER, "a", 1)
    if outcome == "accepted":
        await security.settle_password(registered, KEYS, "a", "accepted", 2, digest=NEWER)
        assert await right(registered) == {NEWER}
    elif outcome == "reboot_required":
        await security.settle_password(registered, KEYS, "a", "reboot_required", 2, digest=NEWER)
    await security.settle_password(registered, KEYS, "a", "refused", 3, digest=NEW)
    assert await right(registered) == {NEWER} | ({OLD} if outcome != "accepted" else set())


async def test_a_password_that_was_never_sent_is_forgotten_when_the_other_one_of_its_command_is_accepted(
    registered: Store,
) -> None:
    await security.expect_password(registered, KEYS, NEW, "a", 1)
    await security.expect_password(registered, KEYS, NEWER, "a", 1)
    await security.settle_password(registered, KEYS, "a", "accepted", 2, digest=NEW)
    assert await right(registered) == {NEW}


async def test_the_number_of_new_passwords_is_bounded(registered: Store) -> None:
    digests = [hashlib.sha256(bytes([number])).digest() for number in range(NEXT_PASSWORDS + 5)]
    for number, digest in enumerate(digests):
        await security.expect_password(registered, KEYS, digest, str(number), 1)
    assert await right(registered) == set(digests[-NEXT_PASSWORDS:])


class Station:
    """A charge point that has a password, and what csms asked it."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.key = OLD
        self.after_reboot: bytes | None = None
        self.commands: dict[str, bytes] = {}
        self.ended: set[str] = set()
        self.number = 0

    async def step(self, store: Store) -> None:
        match self.random.choice(["expect", "expect", "answer", "lose", "connect", "reboot"]):
            case "expect":
                self.number += 1
                name = f"c{self.number}"
                self.commands[name] = hashlib.sha256(name.encode()).digest()
                await security.expect_password(store, KEYS, self.commands[name], name, 1)
            case "answer" if self.commands:
                await self.answer(store, lost=False)
            case "lose" if self.commands:
                await self.answer(store, lost=True)
                await self.connect(store)
            case "reboot":
                self.key, self.after_reboot = self.after_reboot or self.key, None
                await self.connect(store)
            case _:
                await self.connect(store)

    async def answer(self, store: Store, *, lost: bool) -> None:
        """Act on the first command. csms does not hear the answer if it is lost."""
        name = next(iter(self.commands))
        key = self.commands.pop(name)
        outcome: security.KeyOutcome = self.random.choice(["accepted", "refused", "reboot_required"])
        if outcome == "reboot_required" and lost:
            outcome = (
                "accepted"  # A lost RebootRequired is not told apart from a refusal by the next connection.
            )
        if outcome == "accepted":
            self.key, self.after_reboot = key, None
        elif outcome == "reboot_required":
            self.after_reboot = key
        if not lost:
            await security.settle_password(store, KEYS, name, outcome, 2)
            if outcome == "accepted":
                assert self.key == OLD or OLD not in await right(store)
        self.ended.add(name)

    async def connect(self, store: Store) -> None:
        now = await read(store)
        assert self.key in now.digests, "the charge point is locked out"
        proof = by_password(self.key, *self.ended)
        if concludes(now, proof):
            await security.record_proof(store, KEYS, proof, 3)
        after = await right(store)
        waiting = {*self.commands.values()} | ({self.after_reboot} if self.after_reboot else set())
        assert self.key in after
        assert waiting <= after
        assert not concludes(await read(store), proof)


@pytest.mark.parametrize("seed", range(25))
async def test_no_order_of_changes_answers_and_connections_locks_a_charge_point_out(
    registered: Store, seed: int
) -> None:
    await security.set_password(registered, KEYS, OLD, 1)
    station = Station(Random(seed))
    for _ in range(40):
        await station.step(registered)
    await station.connect(registered)


def issued(serial: str) -> IssuedCertificate:
    return IssuedCertificate(serial_number=serial, issuer="CN=ca", issued_ms=1, not_after_ms=9)


async def statuses(store: Store) -> dict[str, CertificateStatus]:
    return {one.serial_number: one.status for one in (await read(store)).certificates}


async def test_the_first_connection_with_a_certificate_replaces_the_older_ones(registered: Store) -> None:
    for serial in ("1", "2", "3"):
        await security.add_certificate(registered, KEYS, issued(serial))
    assert await security.add_certificate(registered, KEYS, issued("3")) == "unneeded"
    await security.settle_certificate(registered, KEYS, "1", "accepted")
    await security.record_proof(registered, KEYS, Proof(profile=3, serial_number="2"), 5)
    assert await statuses(registered) == {"1": "replaced", "2": "accepted", "3": "sent"}
    assert not concludes(await read(registered), Proof(profile=3, serial_number="2"))


async def test_a_certificate_of_another_issuer_replaces_nothing(registered: Store) -> None:
    await security.add_certificate(registered, KEYS, issued("1"))
    await security.record_proof(registered, KEYS, Proof(profile=3, serial_number="ff"), 5)
    assert await statuses(registered) == {"1": "sent"}


async def test_a_revoked_certificate_stays_revoked(registered: Store) -> None:
    await security.add_certificate(registered, KEYS, issued("1"))
    assert await security.settle_certificate(registered, KEYS, "1", "revoked") == "changed"
    assert await security.settle_certificate(registered, KEYS, "1", "accepted") == "unneeded"
    assert await security.settle_certificate(registered, KEYS, "2", "accepted") == "unneeded"
    assert await statuses(registered) == {"1": "revoked"}


async def test_the_certificate_that_a_charge_point_uses_is_not_removed_when_it_rejects_all_newer_ones(
    registered: Store,
) -> None:
    await security.add_certificate(registered, KEYS, issued("a"))
    await security.settle_certificate(registered, KEYS, "a", "accepted")
    for number in range(2 * CERTIFICATES):
        await security.add_certificate(registered, KEYS, issued(f"{number:x}f"))
        await security.settle_certificate(registered, KEYS, f"{number:x}f", "rejected")
    for number in range(2 * CERTIFICATES):
        await security.add_certificate(registered, KEYS, issued(f"{number:x}e"))
    found = await statuses(registered)
    assert found["a"] == "accepted"
    assert len(found) == CERTIFICATES
    assert f"{2 * CERTIFICATES - 1:x}e" in found
    assert (await read(registered)).has_removed_certificates


def test_the_name_that_a_certificate_must_have_depends_on_the_binding() -> None:
    check = NameCheck(binding="serial_number", serial_number="S-7", common_name="Hall 3")
    assert check.expected_name("CP-1") == "S-7"
    assert msgspec.structs.replace(check, binding="common_name").expected_name("CP-1") == "Hall 3"
    assert msgspec.structs.replace(check, binding="identity").expected_name("CP-1") == "CP-1"


async def test_the_name_check_is_stored_and_read_again(registered: Store) -> None:
    check = NameCheck(binding="common_name", common_name="Hall ü 3", organisation=False)
    assert await security.change_name_check(registered, KEYS, lambda _: check) == "changed"
    assert await security.change_name_check(registered, KEYS, lambda _: check) == "unneeded"
    assert (await read(registered)).name_check == check


async def test_different_changes_of_the_name_check_at_once_all_count(registered: Store) -> None:
    changes: tuple[dict[str, Any], ...] = (
        {"binding": "serial_number"},
        {"serial_number": "S-7"},
        {"common_name": "Hall 3"},
    )
    async with trio.open_nursery() as nursery:
        for change in changes:
            replaced = partial(msgspec.structs.replace, **change)
            nursery.start_soon(security.change_name_check, registered, KEYS, replaced)
    found = (await read(registered)).name_check
    assert (found.binding, found.serial_number, found.common_name) == ("serial_number", "S-7", "Hall 3")


async def test_the_deletion_of_a_charge_point_removes_what_it_must_prove(registered: Store) -> None:
    await security.set_password(registered, KEYS, OLD, 1)
    await security.set_floor(registered, KEYS, 2)
    await charge_points.delete(registered, KEYS.tenant, KEYS.id)
    await charge_points.put(registered, KEYS.tenant, KEYS.id, Settings())
    assert await read(registered) == Security()
