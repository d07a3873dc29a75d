"""The life of an upgrade request, which ends in a session or in a refusal.

The transport reads the request, repairs two kinds of faults in its head (`http_upgrade.repair`) and calls
`handle`. `handle` makes the nine checks below in this order. The parentheses hold the status of the HTTP
answer that a charge point gets if the check fails. The text of the answer says why.

    1. The path names a tenant, a token and a charge point (400).
    2. The store is available, and this node is neither full nor draining (503).
    3. The tenant exists, and the token is one of its tokens (401, or 429 after too many failures in a minute
       from this address, or from this address with this id).
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

from collections import Counter
from functools import partial
from typing import NamedTuple, assert_never

import trio

from gateway.admission import path
from gateway.admission.attempts import Attempts
from gateway.admission.takeover import Takeovers
from gateway.handlers.charge_point import now_ms
from gateway.hub import Hub
from gateway.node import Node
from gateway.ocpp16.faults.table import FAULTS, FaultName
from gateway.session.session import Session
from gateway.websocket.http_upgrade import Upgrade
from state import charge_points
from state.charge_points import BootStatus, ChargePointRecord
from state.errors import StoreUnavailable
from state.keys import ChargePointKeys
from state.nodes import leases
from state.tenants import spellings, tokens

SUBPROTOCOL = "ocpp1.6"
CLAIM_S = 5
RETRY_AFTER_S = 10


class Refusal(Exception):  # noqa: N818  an answer, not an error of ours
    def __init__(self, status: int, text: str, *, retry_after_s: int | None = None) -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        self.retry_after_s = retry_after_s


class Admitted(NamedTuple):
    keys: ChargePointKeys
    token_id: str
    register: bool
    registration: BootStatus
    """Registration status that the tenant gives to a charge point if this handshake registers it."""


class Admission(NamedTuple):
    """The objects of the process that a handshake uses."""

    node: Node
    hub: Hub
    attempts: Attempts
    takeovers: Takeovers


async def handle(admission: Admission, upgrade: Upgrade) -> None:
    """Answer one upgrade request, and run its session until the connection ends."""
    node = admission.node
    try:
        admitted = await _admit(admission, upgrade)
        await _serve(admission, upgrade, admitted)
    except Refusal as refusal:
        node.telemetry.refused_handshakes[refusal.status] += 1
        node.fault_counts.write_soon()
        headers = [] if refusal.retry_after_s is None else [("Retry-After", str(refusal.retry_after_s))]
        await upgrade.refuse(refusal.status, refusal.text, headers)


async def _admit(admission: Admission, upgrade: Upgrade) -> Admitted:
    node, attempts = admission.node, admission.attempts
    try:
        who = path.parse(upgrade.path)
    except path.BadPath as error:
        raise Refusal(400, str(error)) from None
    full = len(admission.hub) >= node.config.limits.connections
    if node.draining or full or not node.store.available:
        raise Refusal(
            503,
            f"This gateway cannot take a new connection now. Try again in {RETRY_AFTER_S} s.",
            retry_after_s=RETRY_AFTER_S,
        )
    try:
        verified = await tokens.verify(node.store, node.pepper, who.tenant, who.token)
        if verified is None:
            raise _refuse_token(attempts, upgrade.remote[0], who.charge_point)
        record = await charge_points.get(node.store, who.tenant, who.charge_point)
        if record is None and not verified.tenant.auto_register:
            who, record = await _find_by_spelling(node, who)
    except StoreUnavailable:
        raise _store_away() from None
    if record is None and not verified.tenant.auto_register:
        raise Refusal(404, "This charge point is not registered. Ask the operator to register it.")
    keys = ChargePointKeys(who.tenant, who.charge_point)
    faults: Counter[FaultName] = Counter((*upgrade.repairs, *who.faults))
    try:
        _check(upgrade, record, faults)
    finally:
        node.count_faults(keys, faults)
    return Admitted(
        keys,
        verified.token_id,
        register=record is None,
        registration=verified.tenant.registration,
    )


def _refuse_token(attempts: Attempts, address: str, charge_point: str) -> Refusal:
    """Count a failed authentication, and return 401, or 429 if there were too many.

    The right token is served in any case, because many charge points may share an address.
    """
    now = trio.current_time()
    wait = attempts.wait(address, charge_point, now)
    attempts.record_failure(address, charge_point, now)
    if wait:
        text = f"Too many connections from this address failed to authenticate. Try again in {wait} s."
        return Refusal(429, text, retry_after_s=wait)
    return Refusal(401, "The tenant is unknown or the token is wrong. Use the URL that the operator issued.")


async def _find_by_spelling(
    node: Node, who: path.PathNames
) -> tuple[path.PathNames, ChargePointRecord | None]:
    """Find the one registered charge point whose id differs only in upper and lower case.

    Some charge points change the case of their id. Call this function only for a tenant that does not
    register new charge points. If a tenant registers new charge points, an id in another case is the id of a
    new charge point.
    """
    spelt = await spellings.find_only(node.store, who.tenant, who.charge_point)
    if spelt is None:
        return who, None
    record = await charge_points.get(node.store, who.tenant, spelt)
    return who._replace(charge_point=spelt, faults=(*who.faults, "id_case")), record


def _check(upgrade: Upgrade, record: ChargePointRecord | None, faults: Counter[FaultName]) -> None:
    """Check the Origin header, the repairs and the subprotocol of the request.

    Raises Refusal. An Origin header and a missing subprotocol are added to `faults`. The header protects
    nothing, because the secret is in the path, and some libraries of charge points always send it.
    """
    if upgrade.origin is not None:
        faults["origin"] += 1
        if record is not None and record.strict:
            raise Refusal(
                403,
                "The request has an Origin header, and this charge point is strict. Leave out the header, "
                "which only browsers send.",
            )
    if record is not None and record.strict and faults:
        wrong = " ".join(FAULTS[name].meaning for name in faults)
        raise Refusal(400, f"This charge point is strict, so its request is not repaired. {wrong}")
    if SUBPROTOCOL not in upgrade.subprotocols:
        faults["no_subprotocol"] += 1
        raise Refusal(
            400, "The request does not offer ocpp1.6. Send the header Sec-WebSocket-Protocol: ocpp1.6."
        )


def _store_away() -> Refusal:
    return Refusal(
        503, f"The store does not answer. Try again in {RETRY_AFTER_S} s.", retry_after_s=RETRY_AFTER_S
    )


async def _serve(admission: Admission, upgrade: Upgrade, admitted: Admitted) -> None:
    node, hub = admission.node, admission.hub
    attached = leases.Attachment(
        address=upgrade.remote[0],
        tls=None if upgrade.tls is None else f"{upgrade.tls.version} {upgrade.tls.cipher}",
        since_ms=now_ms(),
        node=node.incarnation,
        token_id=admitted.token_id,
    )
    holder = node.next_holder()
    # If the peer has hung up, its charge point may have a newer session, which must keep the lease.
    if upgrade.has_hung_up():
        return
    claimed = await _claim(node, admitted, holder, attached)
    reason = "connection lost"
    try:
        connection = await upgrade.accept(SUBPROTOCOL)
        session = Session(node, claimed, connection, attached)
        hub.add(session)
        try:
            closed = await session.run(
                claimed.pending, after=partial(admission.takeovers.end_predecessor, claimed)
            )
        finally:
            hub.remove(session)
        reason = f"{closed.code} {closed.reason}".strip()
    finally:
        node.release(admitted.keys, holder, reason)


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
        raise _store_away() from None
    finally:
        if not confirmed:  # The store may have granted the lease, although this task failed or was cancelled.
            node.release(admitted.keys, holder, "claim not confirmed")
    match claimed:
        case leases.Claimed():
            return claimed
        case leases.LateClaim():
            raise Refusal(
                503,
                f"The store answered too late. Try again in {RETRY_AFTER_S} s.",
                retry_after_s=RETRY_AFTER_S,
            )
        case leases.Flapping():
            node.telemetry.flapping += 1
            node.count_faults(admitted.keys, ("flapping",))
            raise Refusal(
                429,
                "Connections of this charge point replaced each other too often. The open connection stays. "
                f"Try again in {claimed.retry_after_s} s.",
                retry_after_s=claimed.retry_after_s,
            )
        case leases.UnknownChargePoint():
            raise Refusal(404, "This charge point was deleted while it connected.")
        case _:
            assert_never(claimed)
