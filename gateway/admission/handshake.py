"""From an HTTP upgrade request to a session: who it is, whether it may, and the lease, before the 101.

path (400) -> too many attempts (429) -> store and node ready (503) -> tenant and token (401) ->
charge point known (404) -> origin (403) -> repaired though strict (400) -> subprotocol (400) ->
lease (404, 429, 503) -> 101.
After the fifth we know who it is, and what is wrong from then on is counted for it.
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
    """The policy that it is registered under."""


class Admission(NamedTuple):
    """What a handshake needs of its process."""

    node: Node
    hub: Hub
    attempts: Attempts
    takeovers: Takeovers


async def handle(admission: Admission, upgrade: Upgrade) -> None:
    """Serve one connection from its request to its end."""
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
    address = upgrade.remote[0]
    wait = attempts.wait(address, who.charge_point, trio.current_time())
    if wait:
        raise Refusal(429, "Too many failed attempts; wait before the next one.", retry_after_s=wait)
    full = len(admission.hub) >= node.config.limits.connections
    if node.draining or full or not node.store.available:
        raise Refusal(503, "Not ready to serve; try again later.", retry_after_s=RETRY_AFTER_S)
    try:
        verified = await tokens.verify(node.store, node.pepper, who.tenant, who.token)
        if verified is None:
            attempts.record_failure(address, who.charge_point, trio.current_time())
            raise Refusal(401, "Unknown tenant or wrong token.")
        record = await charge_points.get(node.store, who.tenant, who.charge_point)
        if record is None and not verified.tenant.auto_register:
            who, record = await _find_by_spelling(node, who)
    except StoreUnavailable:
        raise _store_away() from None
    if record is None and not verified.tenant.auto_register:
        raise Refusal(404, "This charge point is not known here.")
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


async def _find_by_spelling(
    node: Node, who: path.PathNames
) -> tuple[path.PathNames, ChargePointRecord | None]:
    """Some charge points change the case of their id. Where operators register each, one may be meant."""
    spelt = await spellings.find_only(node.store, who.tenant, who.charge_point)
    if spelt is None:
        return who, None
    record = await charge_points.get(node.store, who.tenant, spelt)
    return who._replace(charge_point=spelt, faults=(*who.faults, "id_case")), record


def _check(upgrade: Upgrade, record: ChargePointRecord | None, faults: Counter[FaultName]) -> None:
    """Raises Refusal, having added the reason to what was wrong."""
    if upgrade.origin is not None and not (record is not None and record.origin_allowed):
        faults["origin"] += 1
        raise Refusal(
            403, "Requests with an Origin header come from browsers, and those are not charge points."
        )
    if record is not None and record.strict and faults:
        wrong = " ".join(FAULTS[name].meaning for name in faults)
        raise Refusal(400, f"This charge point is held to the letter (strict). {wrong}")
    if SUBPROTOCOL not in upgrade.subprotocols:
        faults["no_subprotocol"] += 1
        raise Refusal(400, "Offer the subprotocol ocpp1.6 in Sec-WebSocket-Protocol.")


def _store_away() -> Refusal:
    return Refusal(503, "The store does not answer; try again later.", retry_after_s=RETRY_AFTER_S)


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
    # A peer that is gone must not take the lease from the session that replaced it.
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
        if not confirmed:  # Its outcome is unknown, or its waiter is gone.
            node.release(admitted.keys, holder, "claim not confirmed")
    match claimed:
        case leases.Claimed():
            return claimed
        case leases.LateClaim():
            raise Refusal(503, "The store answered too late; try again later.", retry_after_s=RETRY_AFTER_S)
        case leases.Flapping():
            node.telemetry.flapping += 1
            node.count_faults(admitted.keys, ("flapping",))
            raise Refusal(
                429,
                "Several connections take this charge point from each other; the present one stays.",
                retry_after_s=claimed.retry_after_s,
            )
        case leases.UnknownChargePoint():
            raise Refusal(404, "This charge point is not known here.")
        case _:
            assert_never(claimed)
