"""Signs the requests of charge points, and sends each chain to its charge point.

An admin process looks at the queue of the store four times a second. If the tenant signs automatically, or an
operator approved the request, the process signs it, stores the chain, and sends CertificateSigned as a
command. Each part may be repeated: only the first chain of a request is stored, and the command is recorded
under an Idempotency-Key that is made from the request. So a process may die at any time, and several may work
at once.

A certificate raises its charge point to profile 3. So a request is signed automatically only if the charge
point must prove itself with a password or a certificate, and had done so when it sent the request. Otherwise
anyone with the tenant's token could get a certificate and lock the charge point out. A connection stays open
when an operator raises the profile, so what the charge point must prove now does not suffice.

If the charge point is offline, the chain waits for its next connection. After a day csms gives up, and an
operator may approve the request again. A command that the charge point did not answer is not repeated.
"""

from typing import Final, NamedTuple

import structlog

from admin.pki.authority import Authority
from admin.pki.issue import CannotIssue, Owner, issue
from gateway.ocpp16 import actions
from gateway.ocpp16.messages.security import CertificateSigned
from state import charge_points, commands
from state.charge_points import configuration, security
from state.charge_points.security import IssuedCertificate, Security
from state.errors import StateError
from state.features import issued_certificates, signing_requests
from state.features.signing_requests import Due, Issued, SigningRequest
from state.keys import ChargePointKeys
from state.nodes import leases
from state.store import Store
from state.tenants import tenants
from state.timers import every

TURN_S = 0.25
GRACE_MS = 60_000
"""A process without an authority leaves a request to other processes for this time. Then it says why nobody
signs the request.
"""
OFFLINE_MS = 24 * 3600 * 1000
"""Time after which csms no longer sends a chain by itself, because the charge point was offline."""
COMMAND_MS = 60_000
HOURLY_MAX = 8
"""Greatest number of certificates that a charge point gets within an hour without an operator."""

_LOOK_AGAIN_MS: Final = 10_000
_QUEUED_MS: Final = 2_000
_HOUR_MS: Final = 3_600_000
_UNSENT: Final = {"offline", "busy", "expired", "cancelled"}
_NO_AUTHORITY: Final = (
    "No admin process has a certificate authority; set pki.directory, then approve the request."
)
_UNPROVEN: Final = (
    "The charge point may connect with security profile 0, so the request may come from anyone who has the "
    "token; approve the request if it is from the charge point."
)
_TOO_LOW: Final = (
    "The request came over a connection with a lower security profile than the charge point must have now, "
    "so it may come from someone else; approve the request if it is from the charge point."
)
_OFFLINE: Final = "The charge point was offline for a day; approve the request when it is connected."
_UNDELIVERED: Final = "The charge point took none of the commands in time; approve the request to try again."
_REVOKED: Final = "The certificate was revoked; let the charge point ask for another one."
_BUG: Final = (
    "The request could not be signed because of a bug in csms; the logs of the admin process say more."
)

_log = structlog.get_logger("csms.admin")


class Signing(NamedTuple):
    """What the process signs with. `incarnation` is the node that commands wake when they end."""

    store: Store
    incarnation: str
    authority: Authority | None = None
    days: int = 365


async def run(signing: Signing) -> None:
    """Work on the queue until cancelled."""
    await every(TURN_S, "signing", _work_off_all, signing)


async def _work_off_all(signing: Signing) -> None:
    while await work_off(signing) == signing_requests.AT_ONCE:
        pass


async def work_off(signing: Signing) -> int:
    """Do what is due. Return the number of charge points. Raises StateError."""
    grace_ms = GRACE_MS if signing.authority is None else 0
    found = await signing_requests.claim_due(signing.store, grace_ms=grace_ms)
    for due in found:
        await _work_on(signing, due)
    return len(found)


async def _work_on(signing: Signing, due: Due) -> None:
    try:
        after_ms = await advance(signing, due.keys)
    except StateError:
        raise  # The claim ends by itself, and the charge point is due again.
    except Exception:  # noqa: BLE001  One request must not keep the others waiting.
        _log.exception("signing.failed", tenant=due.keys.tenant, charge_point=due.keys.id)
        after_ms = None
        request = await signing_requests.get(signing.store, due.keys.tenant, due.keys.id)
        if request is not None:
            await signing_requests.record_failed(signing.store, due.keys, request.id, _BUG)
    await signing_requests.settle_due(signing.store, due, after_ms)


async def advance(signing: Signing, keys: ChargePointKeys) -> int | None:
    """Do the next parts of the charge point's request. Return after how many ms to look again, or None."""
    store = signing.store
    request = await signing_requests.get(store, keys.tenant, keys.id)
    if request is not None and request.status in {"waiting", "approved"}:
        request = await _sign(signing, keys, request)
    if request is None or request.status != "signed":
        return None
    return await _deliver(signing, keys, request)


async def _sign(signing: Signing, keys: ChargePointKeys, request: SigningRequest) -> SigningRequest | None:
    store = signing.store
    tenant = await tenants.get(store, keys.tenant)
    now_ms = store.server_time_ms()
    waits = request.status == "waiting"
    if tenant is None or (waits and tenant.certificate_signing == "manual"):
        return None
    known = await security.read(store, keys.tenant, keys.id)
    demanded = max(known.floor, tenant.security_profile)
    if waits and (demanded == 0 or request.security_profile < demanded):
        why = _TOO_LOW if demanded else _UNPROVEN
        return await signing_requests.record_held(store, keys, request.id, why)
    settings = await configuration.get(store, keys.tenant, keys.id)
    owner = Owner(tenant, keys.id, settings.number("CertificateSignedMaxChainSize"))
    try:
        if waits:
            _check_number(known, now_ms)
        issued = _issue(signing, request, owner, now_ms)
    except CannotIssue as error:
        _log.warning("signing.refused", tenant=keys.tenant, charge_point=keys.id, error=str(error))
        return await signing_requests.record_failed(store, keys, request.id, str(error))
    return await signing_requests.record_signed(store, keys, request.id, issued)


def _issue(signing: Signing, request: SigningRequest, owner: Owner, now_ms: int) -> Issued:
    if signing.authority is None:
        raise CannotIssue(_NO_AUTHORITY)
    return issue(signing.authority, request.csr, owner, now_ms, signing.days)


def _check_number(known: Security, now_ms: int) -> None:
    """Raise CannotIssue if the charge point got many certificates within the last hour."""
    recent = sum(now_ms - one.issued_ms < _HOUR_MS for one in known.certificates)
    if recent >= HOURLY_MAX:
        raise CannotIssue(
            f"csms issued {recent} certificates to the charge point within the last hour; approve the "
            "request if the charge point needs one more."
        )


async def _deliver(signing: Signing, keys: ChargePointKeys, request: SigningRequest) -> int | None:
    """Send the chain if the charge point is connected. Return after how many ms to look again, or None."""
    store = signing.store
    if not await _remember(store, keys, request):
        return None
    if await _is_reachable(store, keys):
        return await _send(signing, keys, request)
    age_ms = store.server_time_ms() - request.since_ms
    if age_ms < OFFLINE_MS:
        return min(max(_LOOK_AGAIN_MS, age_ms // 10), signing_requests.LATER_MS_MAX)
    await signing_requests.record_failed(store, keys, request.id, _OFFLINE)
    return None


async def _send(signing: Signing, keys: ChargePointKeys, request: SigningRequest) -> int | None:
    """Send the chain with a command. Return after how many ms to look again, or None."""
    store = signing.store
    # The key has a space, so no operator can use it in the header Idempotency-Key.
    submitted = await commands.submit(
        store,
        keys.tenant,
        keys.id,
        action="CertificateSigned",
        payload=actions.encode(CertificateSigned(certificate_chain=request.chain)),
        ttl_ms=COMMAND_MS,
        reply_to=signing.incarnation,
        idempotency_key=f"certificate-request {request.id} {request.attempt}",
    )
    # Each request has one chain, so the key is never used for another payload.
    status = "busy" if isinstance(submitted, commands.Conflict) else submitted.command.status
    if status == "queued":
        return _QUEUED_MS
    if status in _UNSENT and request.attempt + 1 < signing_requests.ATTEMPTS:
        await signing_requests.begin_attempt(store, keys, request.id, request.attempt)
        return _LOOK_AGAIN_MS
    if status in _UNSENT:
        await signing_requests.record_failed(store, keys, request.id, _UNDELIVERED)
    elif isinstance(submitted, commands.Submitted):
        await signing_requests.record_sent(store, keys, request.id, submitted.command.id)
    return None


async def _remember(store: Store, keys: ChargePointKeys, request: SigningRequest) -> bool:
    """List the certificate among those that the charge point may use, before it can use it.

    Return False if it may not be used.
    """
    await issued_certificates.add(store, keys, request.serial_number, request.not_after_ms)
    new = IssuedCertificate(
        serial_number=request.serial_number,
        issuer=request.issuer,
        issued_ms=store.server_time_ms(),
        not_after_ms=request.not_after_ms,
    )
    if await security.add_certificate(store, keys, new) == "gone":
        return False
    known = (await security.read(store, keys.tenant, keys.id)).find_certificate(request.serial_number)
    if known is not None and known.status == "revoked":
        await signing_requests.record_failed(store, keys, request.id, _REVOKED)
        return False
    return True


async def _is_reachable(store: Store, keys: ChargePointKeys) -> bool:
    """Return whether the charge point is connected, and was not refused by its registration."""
    held = await leases.get_holding(store, keys.tenant, keys.id)
    record = await charge_points.get(store, keys.tenant, keys.id)
    if held is None or not held.online or record is None:
        return False
    return (record.boot_status or record.registration) != "Rejected"
