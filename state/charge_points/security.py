"""What a charge point must prove when it connects: its security profile, its password and its certificates.

Floor. The lowest security profile with which the charge point may connect. The floor rises by the first
connection with a higher profile. Only an operator can lower it (A00.FR.005).

Password. The keyed hash of the AuthorizationKey. While csms changes the key on the charge point, the new key
is right too. If the charge point accepts the new key, only the new key is right (A01.FR.03). If the outcome
stays unknown, both keys are right until the charge point connects again with one of them.

Certificates. The client certificates that csms issued to the charge point. After the first connection with a
certificate, older ones are replaced and no longer right. Certificates of other issuers are not listed here.

Everything is one hash, so a handshake reads it with one command. Each function that changes the hash emits an
event. Raises StoreUnavailable.
"""

from collections.abc import Callable, Sequence
from typing import Literal

import msgspec

from state import versioned
from state.keys import ChargePointKeys
from state.store import Store
from state.tenants.tenants import SecurityProfile
from state.versioned import Change, Fields, Outcome

CERTIFICATES = 16
"""Greatest number of certificates that are kept for a charge point."""
NEXT_PASSWORDS = 40
"""Greatest number of new passwords whose outcome is not known. The oldest are removed first.

The number is greater than the number of commands that may wait for a charge point, so no password is removed
whose command will still be sent.
"""

type CertificateStatus = Literal["sent", "accepted", "rejected", "replaced", "revoked"]
type CertificateBinding = Literal["identity", "serial_number", "common_name"]
type KeyOutcome = Literal["accepted", "refused", "reboot_required"]

_PASSWORD = "password"  # noqa: S105  The name of a field.
_NEXT = "next_passwords"
_encode = msgspec.json.encode


class Password(msgspec.Struct, frozen=True):
    """The keyed hash of a key, in hexadecimal, and the time at which it became the charge point's key."""

    digest: str
    set_ms: int


class NextPassword(msgspec.Struct, frozen=True):
    """The keyed hash of a key that csms is about to set, is setting, or may have set.

    `command` is the id of the ChangeConfiguration, which is recorded shortly after `expected_ms`. If the
    charge point answered RebootRequired, `reboot_required` is true, and both keys are right until the charge
    point uses this one.
    """

    digest: str
    command: str
    reboot_required: bool = False
    expected_ms: int = 0


class IssuedCertificate(msgspec.Struct, frozen=True, kw_only=True):
    """A client certificate that csms issued. `serial_number` is hexadecimal without leading zeros."""

    serial_number: str
    issuer: str
    issued_ms: int
    not_after_ms: int
    status: CertificateStatus = "sent"

    @property
    def is_right(self) -> bool:
        """Whether the charge point may prove itself with the certificate.

        A certificate that was sent without an answer may have been installed.
        """
        return self.status in {"sent", "accepted"}


class NameCheck(msgspec.Struct, frozen=True, kw_only=True):
    """How the name in a client certificate is compared with the charge point (A00.FR.404, A00.FR.405).

    The common name must be the charge point's id (`identity`), its `serial_number`, or `common_name`. If
    `organisation` is false, the organisations of the tenant are not checked.
    """

    binding: CertificateBinding = "identity"
    serial_number: str = ""
    common_name: str = ""
    organisation: bool = True

    def expected_name(self, identity: str) -> str:
        """Return the common name that a certificate must have. An empty name matches no certificate."""
        return {
            "identity": identity,
            "serial_number": self.serial_number,
            "common_name": self.common_name,
        }[self.binding]


class Security(msgspec.Struct, frozen=True, kw_only=True):
    """What a charge point must prove."""

    floor: SecurityProfile = 0
    name_check: NameCheck = NameCheck()
    password: Password | None = None
    next_passwords: tuple[NextPassword, ...] = ()
    certificates: tuple[IssuedCertificate, ...] = ()

    @property
    def digests(self) -> tuple[bytes, ...]:
        """The hashes of all keys that are right."""
        current = () if self.password is None else (self.password,)
        return tuple(bytes.fromhex(one.digest) for one in (*current, *self.next_passwords))

    def find_certificate(self, serial_number: str) -> IssuedCertificate | None:
        return next((one for one in self.certificates if one.serial_number == serial_number), None)

    @property
    def has_removed_certificates(self) -> bool:
        """Whether certificates may have been removed from the list, because it is full."""
        return len(self.certificates) >= CERTIFICATES


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """How a charge point proved itself with a connection that succeeded.

    `settled` are the commands that ended before the connection. If the charge point had accepted the password
    of such a command, it would use this password by now. A command that is not listed may still be sent.
    """

    profile: SecurityProfile
    digest: bytes | None = None
    """The stored hash that the password matched."""
    settled: frozenset[str] = frozenset()
    serial_number: str | None = None
    """Serial number of the client certificate, if csms issued it."""


async def read(store: Store, tenant: str, charge_point: str) -> Security:
    return decode(await store.execute("HGETALL", ChargePointKeys(tenant, charge_point).security))


def decode(reply: dict[bytes, bytes]) -> Security:
    """Read the hash of the key `security`."""
    return _decode({name.decode(): value for name, value in reply.items()})


async def set_floor(store: Store, keys: ChargePointKeys, floor: SecurityProfile) -> Outcome:
    """Raise or lower the floor, as an operator."""

    def decide(now: Security) -> Change | None:
        return None if now.floor == floor else _new_floor(now.floor, floor, "operator")

    return await _change(store, keys, decide)


async def change_name_check(
    store: Store, keys: ChargePointKeys, change: Callable[[NameCheck], NameCheck]
) -> Outcome:
    """Replace the name check by what `change` makes of it. Changes of two operators at once both count."""

    def decide(now: Security) -> Change | None:
        check = change(now.name_check)
        return None if now.name_check == check else Change({"name_check": _encode(check)})

    return await _change(store, keys, decide)


async def set_password(store: Store, keys: ChargePointKeys, digest: bytes | None, now_ms: int) -> Outcome:
    """Replace the password, without telling the charge point. None removes the password."""

    def decide(now: Security) -> Change | None:
        if digest is None:
            if now.password is None and not now.next_passwords:
                return None
            return Change({}, (_PASSWORD, _NEXT), [("charge_point.password_removed", b"{}")])
        return _take(digest.hex(), now_ms, "operator")

    return await _change(store, keys, decide)


async def expect_password(
    store: Store, keys: ChargePointKeys, digest: bytes, command: str, now_ms: int
) -> Outcome:
    """Accept a second password, which the command with this id is about to set on the charge point."""

    def decide(now: Security) -> Change | None:
        if any((one.command, one.digest) == (command, digest.hex()) for one in now.next_passwords):
            return None
        new = NextPassword(digest.hex(), command, expected_ms=now_ms)
        kept = (*now.next_passwords, new)[-NEXT_PASSWORDS:]
        return Change({_NEXT: _encode(kept)})

    return await _change(store, keys, decide)


async def settle_password(
    store: Store,
    keys: ChargePointKeys,
    command: str,
    outcome: KeyOutcome,
    now_ms: int,
    *,
    digest: bytes | None = None,
) -> Outcome:
    """Record the outcome of the command that sets a new password.

    `digest` is that of the password that the command sets, because two requests with the same Idempotency-Key
    may expect different passwords. If an operator set a password while the command was on its way, or a
    connection with the old password came in between, the password is no longer expected.
    """

    def decide(now: Security) -> Change | None:
        following = next(
            (
                one
                for one in now.next_passwords
                if one.command == command and (digest is None or one.digest == digest.hex())
            ),
            None,
        )
        if following is None:
            known = now.password is not None and digest is not None and now.password.digest == digest.hex()
            if outcome != "accepted" or digest is None or known:
                return None
            return _take(digest.hex(), now_ms, "charge_point", now.next_passwords)
        position = now.next_passwords.index(following)
        earlier, later = now.next_passwords[:position], now.next_passwords[position + 1 :]
        match outcome:
            case "accepted":
                undecided = [one for one in later if one.command != command]
                return _take(following.digest, now_ms, "charge_point", undecided)
            case "refused":
                return _keep_next((*earlier, *later))
            case "reboot_required":
                waiting = msgspec.structs.replace(following, reboot_required=True)
                return _keep_next((*earlier, waiting, *later))

    return await _change(store, keys, decide)


async def record_proof(store: Store, keys: ChargePointKeys, proof: Proof, now_ms: int) -> Outcome:
    """Draw the conclusions of a connection that succeeded. Call this only if `concludes` says so."""
    return await _change(store, keys, lambda now: _conclude(now, proof, now_ms))


def concludes(now: Security, proof: Proof) -> bool:
    """Return whether a successful connection changes what the charge point must prove."""
    return _conclude(now, proof, 0) is not None


async def add_certificate(store: Store, keys: ChargePointKeys, new: IssuedCertificate) -> Outcome:
    """Remember a certificate that was issued. A repeated call changes nothing."""

    def decide(now: Security) -> Change | None:
        if now.find_certificate(new.serial_number) is not None:
            return None
        kept = _newest((*now.certificates, new))
        event = {"serial_number": new.serial_number, "not_after_ms": new.not_after_ms}
        return Change({"certificates": _encode(kept)}, (), [("certificate.issued", _encode(event))])

    return await _change(store, keys, decide)


async def settle_certificate(
    store: Store, keys: ChargePointKeys, serial_number: str, status: CertificateStatus
) -> Outcome:
    """Record what became of a certificate. A revoked certificate stays revoked."""

    def decide(now: Security) -> Change | None:
        known = now.find_certificate(serial_number)
        if known is None or known.status in {status, "revoked"}:
            return None
        kept = [
            msgspec.structs.replace(one, status=status) if one is known else one for one in now.certificates
        ]
        event = {"serial_number": serial_number, "status": status}
        return Change({"certificates": _encode(kept)}, (), [("certificate.changed", _encode(event))])

    return await _change(store, keys, decide)


def _newest(certificates: Sequence[IssuedCertificate]) -> list[IssuedCertificate]:
    """Remove the oldest certificates beyond CERTIFICATES, but first those that are no longer right.

    The charge point may still use its oldest certificate, for example if it rejects all newer ones.
    """
    kept = list(certificates)
    while len(kept) > CERTIFICATES:
        gone = next((one for one in kept if not one.is_right), None)
        gone = gone or next((one for one in kept if one.status == "sent"), kept[0])
        kept.remove(gone)
    return kept


def _conclude(now: Security, proof: Proof, now_ms: int) -> Change | None:
    put: dict[str, bytes] = {}
    gone: list[str] = []
    events: list[tuple[str, bytes]] = []
    changes = []
    if proof.profile > now.floor:
        changes.append(_new_floor(now.floor, proof.profile, "charge_point"))
    used = None if proof.digest is None else proof.digest.hex()
    undecided = [
        one
        for one in now.next_passwords
        if (one.reboot_required or one.command not in proof.settled) and one.digest != used
    ]
    if used is not None and any(one.digest == used for one in now.next_passwords):
        changes.append(_take(used, now_ms, "charge_point", undecided))
    elif (
        now.password is not None and used == now.password.digest and len(undecided) < len(now.next_passwords)
    ):
        changes.append(_keep_next(undecided))
    if proof.serial_number is not None and (kept := _replace_older(now, proof.serial_number)) is not None:
        changes.append(Change({"certificates": _encode(kept)}))
    for one in changes:
        put |= one.put
        gone += one.gone
        events += one.events
    return Change(put, gone, events) if changes else None


def _new_floor(before: int, floor: int, by: Literal["operator", "charge_point"]) -> Change:
    event = {"before": before, "security_profile": floor, "by": by}
    return Change(
        {"floor": str(floor).encode()}, (), [("charge_point.security_profile_changed", _encode(event))]
    )


def _take(
    digest: str,
    now_ms: int,
    by: Literal["operator", "charge_point"],
    undecided: Sequence[NextPassword] = (),
) -> Change:
    """Make one password the right one. Beside it, only the `undecided` ones stay right."""
    kept = _keep_next(undecided)
    put = {**kept.put, _PASSWORD: _encode(Password(digest, now_ms))}
    return Change(put, kept.gone, [("charge_point.password_changed", _encode({"by": by}))])


def _keep_next(kept: Sequence[NextPassword]) -> Change:
    return Change({_NEXT: _encode(kept)}) if kept else Change({}, (_NEXT,))


def _replace_older(now: Security, serial_number: str) -> list[IssuedCertificate] | None:
    used = now.find_certificate(serial_number)
    if used is None:
        return None
    position = now.certificates.index(used)
    kept = []
    for index, one in enumerate(now.certificates):
        if index == position and one.status == "sent":
            kept.append(msgspec.structs.replace(one, status="accepted"))
        elif index < position and one.is_right:
            kept.append(msgspec.structs.replace(one, status="replaced"))
        else:
            kept.append(one)
    return kept if kept != list(now.certificates) else None


async def _change(
    store: Store, keys: ChargePointKeys, decide: Callable[[Security], Change | None]
) -> Outcome:
    return await versioned.change(
        store, keys, keys.security, lambda fields: decide(_decode(fields)), registered=True
    )


def _decode(fields: Fields) -> Security:
    read = msgspec.json.decode
    return Security(
        floor=read(fields.get("floor", b"0"), type=SecurityProfile),
        name_check=read(fields.get("name_check", b"{}"), type=NameCheck),
        password=read(fields[_PASSWORD], type=Password) if _PASSWORD in fields else None,
        next_passwords=read(fields.get(_NEXT, b"[]"), type=tuple[NextPassword, ...]),
        certificates=read(fields.get("certificates", b"[]"), type=tuple[IssuedCertificate, ...]),
    )
