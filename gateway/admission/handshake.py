"""The life of an upgrade request, which ends in a session or in a refusal.

The transport reads the request, repairs two kinds of faults in its head (`http_upgrade.repair`) and calls
`handle`. `handle` makes the nine checks below in this order. The parentheses hold the status of the HTTP
answer that a charge point gets if the check fails. The text of the answer says why.

    1. The path names a tenant, a token and a charge point (400).
    2. The store is available, and this node is neither full nor draining, and not too many charge points
       connect (503). `rate.py` has the last rule.
    3. The charge point has proved itself (401, or 429 after too many failures in a minute from this address,
       or from this address with this id), with a security profile that is high enough (403). `proof.py` has
       the rules.
    4. The charge point is registered, or its tenant registers new charge points (404).
    5. The request has no Origin header, if the charge point is strict (403).
    6. Nothing in the request had to be repaired, if the charge point is strict (400).
    7. The request offers the subprotocol ocpp1.6 (400).
    8. The charge point gets its lease (404, 429, 503).

If the store does not answer during check 3 or 4, the status is 503 too. After check 4 csms knows the charge
point, and counts the faults of the request as faults of that charge point. After check 8 the charge point
gets its 101, and `handle` runs the session until the connection ends. After the session the node gives the
lease back in the background (`Node.release`).
"""

import base64
from collections import Counter
from functools import partial
from typing import NamedTuple, assert_never

import trio

from gateway.admission import basic, path, proof
from gateway.admission.credentials import examine
from gateway.admission.proof import Denied, Evidence, Proven
from gateway.admission.rate import Place, Rate
from gateway.admission.reasons import RETRY_AFTER_S, Reason
from gateway.admission.takeover import Takeovers
from gateway.handlers.charge_point import now_ms
from gateway.hub import Hub
from gateway.node import Node
from gateway.ocpp16.faults.table import FAULTS, FaultName
from gateway.service.attempts import Attempts
from gateway.service.client_certificates import ClientCertificate
from gateway.service.known_secrets import KnownSecrets
from gateway.session.session import Session
from gateway.websocket.http_upgrade import Upgrade
from state import charge_points, commands
from state.charge_points import BootStatus, ChargePointRecord
from state.charge_points.security import Proof, Security, concludes, record_proof
from state.commands.table import WAITING
from state.errors import StoreUnavailable
from state.keys import ChargePointKeys
from state.nodes import leases
from state.store import Store
from state.tenants import spellings
from state.tenants.id_tags import fold
from state.tenants.tenants import Tenant

SUBPROTOCOL = "ocpp1.6"
CLAIM_S = 5
RECORDED_MS = 3_600_000
"""A command for a new password is recorded within this time after the password was stored."""


class Refusal(Exception):  # noqa: N818  an answer, not an error of ours
    """A handshake that does not become a session. `values` fill the text of the reason.

    `detail` is for the operator. `keys` are those of the charge point, if it is or may be registered.
    """

    def __init__(
        self,
        reason: Reason,
        *values: object,
        retry_after_s: int | None = None,
        detail: str = "",
        keys: ChargePointKeys | None = None,
    ) -> None:
        super().__init__(reason.word)
        self.reason = reason
        self.text = reason.text.format(*values)
        if retry_after_s is None and reason.status == 503:
            retry_after_s = RETRY_AFTER_S
        self.retry_after_s = retry_after_s
        self.detail = detail
        self.keys = keys


class Admitted(NamedTuple):
    keys: ChargePointKeys
    proven: Proven
    security: Security
    certificate: ClientCertificate | None
    secrets: KnownSecrets
    register: bool
    registration: BootStatus
    """Registration status that the tenant gives to a charge point if this handshake registers it."""


class Admission(NamedTuple):
    """The objects of the process that a handshake uses."""

    node: Node
    hub: Hub
    attempts: Attempts
    takeovers: Takeovers
    rate: Rate


class _Peer(NamedTuple):
    """The address of a request, and the charge point that the peer claims to be.

    Failures count for a charge point of a tenant whatever the case of its id, because csms also finds the
    charge point in any case.
    """

    address: str
    charge_point: str


async def handle(admission: Admission, upgrade: Upgrade) -> None:
    """Answer one upgrade request, and run its session until the connection ends."""
    node, place = admission.node, admission.rate.admit(trio.current_time())
    if isinstance(place, int):
        # The record of refusals has a row for each address, so it would cost more than the answer.
        await _refuse(node, upgrade, Refusal(Reason.BUSY, place, retry_after_s=place))
        return
    try:
        admitted = await _admit(admission, upgrade)
        await _serve(admission, upgrade, admitted, place)
    except Refusal as refusal:
        place.leave(refused=True)
        node.refusals.note(refusal.keys, refusal.reason.word, upgrade.remote[0], refusal.detail)
        node.fault_counts.write_soon()
        await _refuse(node, upgrade, refusal)
    finally:
        place.leave()


async def _refuse(node: Node, upgrade: Upgrade, refusal: Refusal) -> None:
    reason = refusal.reason
    node.telemetry.refused_handshakes[reason.status] += 1
    node.telemetry.refusals[reason.word] += 1
    headers = []
    if refusal.retry_after_s is not None:
        headers.append(("Retry-After", str(refusal.retry_after_s)))
    if reason.status == 401:
        headers.append(("WWW-Authenticate", 'Basic realm="csms"'))
    await upgrade.refuse(reason.status, refusal.text, headers)


async def _admit(admission: Admission, upgrade: Upgrade) -> Admitted:
    node = admission.node
    try:
        who = path.parse(upgrade.path)
    except path.BadPath as error:
        raise Refusal(Reason.BAD_PATH, str(error), detail=str(error)) from None
    full = len(admission.hub) >= node.config.limits.connections
    if node.draining or full or not node.store.available:
        raise Refusal(Reason.UNAVAILABLE)
    if node.memory.refuses():
        raise Refusal(Reason.MEMORY_FULL)
    user, peer = who.charge_point, _Peer(upgrade.remote[0], f"{who.tenant}/{fold(who.charge_point)}")
    _check_attempts(admission.attempts, peer, ChargePointKeys(who.tenant, who.charge_point))
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
    detail = "" if evidence.certificate is None else evidence.certificate.subject
    if not reason.is_failed_authentication:
        return Refusal(reason, *denied.values, detail=detail, keys=keys)
    now = trio.current_time()
    wait = attempts.wait_of_address(peer.address, now)
    attempts.record_failure(peer.address, peer.charge_point, now)
    if wait:
        return Refusal(Reason.TOO_MANY_FAILURES, wait, retry_after_s=wait, detail=reason.word, keys=keys)
    return Refusal(reason, detail=detail, keys=keys)


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
    repaired = [FAULTS[name].meaning for name in faults if not name.endswith("_ignored")]
    if record is not None and record.strict and repaired:
        raise Refusal(Reason.NEEDS_REPAIR, " ".join(repaired), keys=known)
    if SUBPROTOCOL not in upgrade.subprotocols:
        faults["no_subprotocol"] += 1
        raise Refusal(Reason.NO_SUBPROTOCOL, keys=known)


async def _serve(admission: Admission, upgrade: Upgrade, admitted: Admitted, place: Place) -> None:
    node = admission.node
    attached = leases.Attachment(
        address=upgrade.remote[0],
        tls=None if upgrade.tls is None else f"{upgrade.tls.version} {upgrade.tls.cipher}",
        since_ms=now_ms(),
        node=node.incarnation,
        token_id=admitted.proven.token_id,
        security_profile=admitted.proven.profile,
        certificate=None if admitted.certificate is None else admitted.certificate.serial_number,
    )
    # If the peer has hung up, its charge point may have a newer session, which must keep the lease.
    if upgrade.has_hung_up():
        return
    holder = node.next_holder()
    node.attended.add(holder)
    try:
        await _serve_as(admission, upgrade, admitted, attached, holder, place=place)
    finally:
        node.attended.discard(holder)


async def _serve_as(
    admission: Admission,
    upgrade: Upgrade,
    admitted: Admitted,
    attached: leases.Attachment,
    holder: str,
    *,
    place: Place,
) -> None:
    """Claim the lease for the session `holder`, and serve the session until it ends."""
    node, hub = admission.node, admission.hub
    claimed = await _claim(node, admitted, holder, attached)
    reason, seen_s = "connection lost", None
    try:
        await _conclude(node, admitted)
        connection = await upgrade.accept(SUBPROTOCOL)
        place.leave()
        session = Session(node, claimed, connection, attached, admitted.certificate)
        session.link.secrets = admitted.secrets
        hub.add(session)
        node.session_log.note_opened(claimed.lease, attached)
        began = trio.current_time()
        try:
            closed = await session.run(
                claimed.pending, after=partial(admission.takeovers.end_predecessor, claimed)
            )
        finally:
            hub.remove(session)
            seen_s = session.link.unstored_seen_s()
        reason = f"{closed.code} {closed.reason}".strip()
        node.session_log.note_ended(claimed.lease, closed, trio.current_time() - began)
    finally:
        node.release(admitted.keys, holder, reason, seen_s)


async def _conclude(node: Node, admitted: Admitted) -> None:
    """Raise the floor, and settle which password and certificate the charge point uses (A05.FR.09)."""
    proven, store = admitted.proven, node.store
    try:
        made = Proof(
            profile=proven.profile,
            digest=proven.digest,
            serial_number=proven.serial_number,
            settled=await _find_settled(store, admitted),
        )
        if concludes(admitted.security, made):
            await record_proof(store, admitted.keys, made, store.server_time_ms())
    except StoreUnavailable:
        raise Refusal(Reason.STORE_AWAY) from None


async def _find_settled(store: Store, admitted: Admitted) -> frozenset[str]:
    """Return the commands for a new password that have ended.

    A command that is still `sent` may be answered on an older connection, which is not closed yet. A command
    that is not in the store is either about to be recorded or was forgotten long after its end.
    """
    waiting = admitted.security.next_passwords
    statuses = await commands.read_statuses(store, [one.command for one in waiting])
    now_ms = store.server_time_ms()
    return frozenset(
        one.command
        for one, status in zip(waiting, statuses, strict=True)
        if (now_ms - one.expected_ms > RECORDED_MS if status is None else status not in WAITING)
    )


async def _claim(node: Node, admitted: Admitted, holder: str, attached: leases.Attachment) -> leases.Claimed:
    confirmed = False
    try:
        claimed = await leases.claim(
            node.store,
            admitted.keys,
            holder=holder,
            not_after_ms=node.store.server_time_ms() + CLAIM_S * 1000,
            attachment=attached,
            register=admitted.register,
            registration=admitted.registration,
        )
        confirmed = True
    except StoreUnavailable:
        raise Refusal(Reason.STORE_AWAY) from None
    finally:
        if not confirmed:  # The store may have granted the lease, although this task failed or was cancelled.
            node.release(admitted.keys, holder, "claim not confirmed")
    match claimed:
        case leases.Claimed():
            return claimed
        case leases.LateClaim():
            raise Refusal(Reason.LATE_CLAIM)
        case leases.Flapping():
            node.telemetry.flapping += 1
            node.count_faults(admitted.keys, ("flapping",))
            wait = claimed.retry_after_s
            raise Refusal(Reason.FLAPPING, wait, retry_after_s=wait, keys=admitted.keys)
        case leases.UnknownChargePoint():
            raise Refusal(Reason.DELETED)
        case _:
            assert_never(claimed)
