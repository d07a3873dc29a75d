"""The life of an upgrade request, which ends in a session or in a refusal.

The transport reads the request, repairs two kinds of faults in its head (`http_upgrade.repair`) and calls
`handle`. `handle` makes the checks below in this order. The parentheses hold the status of the HTTP
answer that a charge point gets if the check fails. The text of the answer says why.

    1. The path names a tenant, a token and a charge point (400).
    2. The store is available, and this node is neither full nor draining, and not too many charge points
       connect (503). `rate.py` has the last rule.
    3. The charge point has not failed too often in a minute from this address with this id (429). Then the
       charge point has proved itself (401), with a security profile that is high enough (403). `proof.py`
       has the rules.
    4. The charge point is registered, or its tenant registers new charge points (404).
    5. The request has no Origin header, if the charge point is strict (403).
    6. Nothing in the request had to be repaired, if the charge point is strict (400).
    7. The request offers the subprotocol ocpp1.6 (400).
    8. The charge point gets its lease (404, 429, 503). `serving.py` has this check and what follows it.

Failures of others at the same address never refuse a request. If there are many, the answers to requests that
fail are delayed (`delays.py`). Each refusal is recorded and logged, with a bound on both.

If the store does not answer during check 3 or 4, the status is 503 too. After check 4 csms knows the charge
point, and counts the faults of the request as faults of that charge point. After check 8 the charge point
gets its 101.
"""

import base64
from collections import Counter
from typing import NamedTuple

import trio

from gateway.admission import basic, claims, path, proof
from gateway.admission.credentials import examine
from gateway.admission.proof import Denied, Evidence
from gateway.admission.rate import Place
from gateway.admission.reasons import Reason
from gateway.admission.refusal import Refusal
from gateway.admission.serving import SUBPROTOCOL, Admission, Admitted, Opened, open_session, run
from gateway.node import Node
from gateway.ocpp16.faults.table import FAULTS, FaultName
from gateway.refusal_counts import Note
from gateway.service.attempts import Attempts
from gateway.service.client_certificates import owner_uri
from gateway.service.known_secrets import KnownSecrets
from gateway.websocket.http_upgrade import Upgrade
from state import charge_points
from state.charge_points import ChargePointRecord
from state.charge_points.security import Security
from state.errors import StoreUnavailable
from state.keys import ChargePointKeys
from state.tenants import spellings
from state.tenants.id_tags import fold
from state.tenants.tenants import Tenant


class _Peer(NamedTuple):
    """The address of a request, and the charge point that the peer claims to be.

    Failures count for a charge point of a tenant whatever the case of its id, because csms also finds the
    charge point in any case.
    """

    address: str
    charge_point: str


async def handle(admission: Admission, upgrade: Upgrade) -> None:
    """Answer one upgrade request, and run its session until the connection ends."""
    opened = await _answer(admission, upgrade)
    if opened is not None:
        running = run(admission, *opened)
        del opened  # `run` drops the claim, too.
        await running


async def _answer(admission: Admission, upgrade: Upgrade) -> Opened | None:
    """Return the session, if there is one.

    What only the handshake needs is freed when this coroutine ends, and not with the session.
    """
    node, place = admission.node, None
    try:
        who, peer = _check_quickly(admission, upgrade)
        with admission.attempts.trying(*peer):
            if (place := await _take_place(admission, upgrade)) is None:
                return None
            admitted = await _admit(admission, upgrade, who, peer)
        return await open_session(admission, upgrade, admitted, place)
    except Refusal as refusal:
        if place is not None:
            place.leave(refused=True)
        node.note_refusal(_describe(upgrade, refusal))
        node.fault_counts.write_soon()
        if refusal.reason.counts_as_failure:
            await admission.delays.wait(upgrade.remote[0])
        await _refuse(node, upgrade, refusal)
        return None
    finally:
        if place is not None:
            place.leave()


def _check_quickly(admission: Admission, upgrade: Upgrade) -> tuple[path.PathNames, _Peer]:
    """Check what costs no time, so that a request which is refused for it takes no turn of another."""
    try:
        who = path.parse(upgrade.path)
    except path.BadPath as error:
        raise Refusal(Reason.BAD_PATH, str(error), detail=str(error)) from None
    _check_available(admission)
    peer = _Peer(upgrade.remote[0], f"{who.tenant}/{fold(who.charge_point)}")
    _check_attempts(admission.attempts, peer, ChargePointKeys(who.tenant, who.charge_point))
    return who, peer


def _check_available(admission: Admission) -> None:
    node = admission.node
    full = len(admission.hub) >= node.config.limits.connections
    if node.draining or full or not node.store.available:
        raise Refusal(Reason.UNAVAILABLE)
    if node.memory.refuses():
        raise Refusal(Reason.MEMORY_FULL)


async def _take_place(admission: Admission, upgrade: Upgrade) -> Place | None:
    """Wait until the request may be served. None means that the peer has left. Raises Refusal."""
    rate = admission.rate
    place = rate.admit(trio.current_time())
    if isinstance(place, Place) and place.wait_s:
        await trio.sleep(place.wait_s)
        if upgrade.has_hung_up():
            rate.give_back()
            return None
        _check_available(admission)
        place = place if rate.start(place) else rate.refuse(trio.current_time())
    if isinstance(place, Place):
        return place
    raise Refusal(Reason.BUSY, place, retry_after_s=place)


def _describe(upgrade: Upgrade, refusal: Refusal) -> Note:
    reason, keys, claim = refusal.reason, refusal.keys, claims.read(upgrade.path)
    if keys is not None and reason is not Reason.TOO_MANY_FAILURES:
        claim = claim._replace(charge_point=keys.id)  # The id is registered, so it is not a token.
    return Note(
        reason=reason.word,
        address=upgrade.remote[0],
        tenant=claim.tenant,
        charge_point=claim.charge_point,
        detail=refusal.detail,
        keys=keys,
        failed=reason.counts_as_failure,
        ours=reason.status == 503,
    )


async def _refuse(node: Node, upgrade: Upgrade, refusal: Refusal) -> None:
    reason = refusal.reason
    node.telemetry.refusals[reason.word] += 1
    headers = []
    if refusal.retry_after_s is not None:
        headers.append(("Retry-After", str(refusal.retry_after_s)))
    if reason.status == 401:
        headers.append(("WWW-Authenticate", 'Basic realm="csms"'))
    await upgrade.refuse(reason.status, refusal.text, headers)


async def _admit(admission: Admission, upgrade: Upgrade, who: path.PathNames, peer: _Peer) -> Admitted:
    node, user = admission.node, who.charge_point
    try:
        shown, record, security = await charge_points.get_with_token(
            node.store, node.pepper, who.tenant, who.token, who.charge_point
        )
        if record is None and shown.token is not None and _may_be_respelled(shown.tenant):
            who, record, security = await _find_by_spelling(node, who, security)
    except StoreUnavailable:
        raise Refusal(Reason.STORE_AWAY) from None
    keys = ChargePointKeys(who.tenant, who.charge_point)
    known = None if record is None else keys
    authorization = basic.read(upgrade.authorization)
    evidence = examine(
        node,
        upgrade,
        keys,
        shown,
        security,
        authorization=authorization,
        user=user,
        registered=record is not None,
    )
    verdict = proof.judge(evidence)
    if isinstance(verdict, Denied):
        raise _deny(admission.attempts, peer, verdict, evidence, known)
    faults: Counter[FaultName] = Counter((*upgrade.repairs, *who.faults, *verdict.ignored))
    try:
        _check(upgrade, record, faults, keys)
    finally:
        node.count_faults(keys, faults)
    if record is None:
        if node.store.headroom.has_reached("scarce"):
            raise Refusal(Reason.STORE_SCARCE)
        await _check_room(node, keys)
    return Admitted(
        keys,
        verdict,
        security,
        evidence.certificate,
        _note_secrets(authorization, who.token, user),
        register=record is None,
        registration=verdict.tenant.registration,
    )


async def _check_room(node: Node, keys: ChargePointKeys) -> None:
    """Refuse to register a charge point of a tenant that has more of them than any fleet."""
    try:
        has_room = await charge_points.has_room(node.store, keys)
    except StoreUnavailable:
        raise Refusal(Reason.STORE_AWAY) from None
    if not has_room:
        raise Refusal(Reason.TENANT_FULL)


def _note_secrets(authorization: basic.Authorization, token: str, user: str) -> KnownSecrets:
    secrets = KnownSecrets()
    secrets.add_text(token.encode())
    if isinstance(authorization, basic.Credentials):
        secrets.add_text(base64.b64encode(authorization.joined).rstrip(b"="))
        secrets.add(authorization.password_of(user) or b"")
    return secrets


def _check_attempts(attempts: Attempts, peer: _Peer, keys: ChargePointKeys) -> None:
    """Refuse an address that failed too often with this charge point id, even if it is right now.

    Without this limit, an attacker could try passwords without end. An address that failed too often with
    other ids is served, because many charge points may share an address.
    """
    wait = attempts.wait_of_name(peer.address, peer.charge_point, trio.current_time())
    if wait:
        raise Refusal(Reason.TOO_MANY_FAILURES, wait, retry_after_s=wait, keys=keys)


def _deny(
    attempts: Attempts, peer: _Peer, denied: Denied, evidence: Evidence, keys: ChargePointKeys | None
) -> Refusal:
    reason = denied.reason
    if reason.is_failed_authentication:
        attempts.record_failure(peer.address, peer.charge_point, trio.current_time())
    return Refusal(reason, *denied.values, detail=_describe_certificate(evidence), keys=keys)


def _describe_certificate(evidence: Evidence) -> str:
    """Return the subject of the certificate, unless csms issued the certificate to another tenant."""
    certificate, tenant = evidence.certificate, evidence.shown.tenant
    if certificate is None:
        return ""
    foreign = certificate.owner is not None and (
        tenant is None or not certificate.owner.startswith(owner_uri(tenant.id, ""))
    )
    return "" if foreign else certificate.subject


def _may_be_respelled(tenant: Tenant | None) -> bool:
    """Return whether an unknown id may be a registered id in another case.

    If the tenant registers new charge points, an id in another case is the id of a new charge point. If the
    tenant allows no profile 0, nobody may learn which ids are registered.
    """
    return tenant is not None and not tenant.auto_register and tenant.security_profile == 0


async def _find_by_spelling(
    node: Node, who: path.PathNames, security: Security
) -> tuple[path.PathNames, ChargePointRecord | None, Security]:
    """Find the one registered charge point whose id differs only in upper and lower case.

    Some charge points change the case of their id.
    """
    spelt = await spellings.find_only(node.store, who.tenant, who.charge_point)
    if spelt is None:
        return who, None, security
    record, found = await charge_points.get_with_security(node.store, who.tenant, spelt)
    return who._replace(charge_point=spelt, faults=(*who.faults, "id_case")), record, found


def _check(
    upgrade: Upgrade, record: ChargePointRecord | None, faults: Counter[FaultName], keys: ChargePointKeys
) -> None:
    """Check the Origin header, the repairs and the subprotocol of the request.

    Raises Refusal. An Origin header and a missing subprotocol are added to `faults`. The header protects
    nothing, because the secret is in the path, and some libraries of charge points always send it.
    """
    known = None if record is None else keys
    if upgrade.origin is not None:
        faults["origin"] += 1
        if record is not None and record.strict:
            raise Refusal(Reason.ORIGIN, keys=known)
    repaired = " ".join(FAULTS[name].meaning for name in faults if not name.endswith("_ignored"))
    if record is not None and record.strict and repaired:
        raise Refusal(Reason.NEEDS_REPAIR, repaired, detail=repaired, keys=known)
    if SUBPROTOCOL not in upgrade.subprotocols:
        faults["no_subprotocol"] += 1
        raise Refusal(Reason.NO_SUBPROTOCOL, keys=known)
