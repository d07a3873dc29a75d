"""From an admitted request to the end of its session.

The charge point gets its lease, what its proof settles is stored, and the charge point gets its 101. Then the
session runs until the connection ends. After the session the node gives the lease back in the background
(`Node.release`).
"""

from functools import partial
from typing import NamedTuple, assert_never

import trio

from gateway import session_log
from gateway.admission.delays import Delays
from gateway.admission.proof import Proven
from gateway.admission.rate import Place, Rate
from gateway.admission.reasons import Reason
from gateway.admission.refusal import Refusal
from gateway.admission.takeover import Takeovers
from gateway.handlers.charge_point import now_ms
from gateway.hub import Hub
from gateway.node import Node
from gateway.service.attempts import Attempts
from gateway.service.client_certificates import ClientCertificate
from gateway.service.known_secrets import KnownSecrets
from gateway.session.session import Session
from gateway.telemetry import LeaseChange
from gateway.websocket.http_upgrade import Upgrade
from state import commands
from state.charge_points import BootStatus
from state.charge_points.security import Proof, Security, concludes, record_proof
from state.commands.table import WAITING
from state.errors import StoreUnavailable
from state.keys import ChargePointKeys
from state.nodes import leases
from state.store import Store

SUBPROTOCOL = "ocpp1.6"
CLAIM_S = 5
RECORDED_MS = 3_600_000
"""A command for a new password is recorded within this time after the password was stored."""


class Admission(NamedTuple):
    """The objects of the process that a handshake uses."""

    node: Node
    hub: Hub
    attempts: Attempts
    takeovers: Takeovers
    rate: Rate
    delays: Delays


class Admitted(NamedTuple):
    keys: ChargePointKeys
    proven: Proven
    security: Security
    certificate: ClientCertificate | None
    secrets: KnownSecrets
    register: bool
    registration: BootStatus
    """Registration status that the tenant gives to a charge point if this handshake registers it."""


class Opened(NamedTuple):
    """An open session, for `run`. Its lease is held, and its connection is accepted."""

    session: Session
    claimed: leases.Claimed


async def open_session(
    admission: Admission, upgrade: Upgrade, admitted: Admitted, place: Place
) -> Opened | None:
    """Claim the lease, and send the 101. The caller must `run` the session before anything else.

    None means that the peer has left. Raises Refusal.
    """
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
        return None
    holder = node.next_holder()
    node.attended.add(holder)
    claimed = None
    try:
        claimed = await _claim(node, admitted, holder, attached)
        node.note_token(admitted.keys.tenant, attached.token_id)
        await _conclude(node, admitted)
        connection = await upgrade.accept(SUBPROTOCOL)
        session = Session(node, claimed, connection, attached, admitted.certificate)
    except BaseException:
        if claimed is not None:
            _give_back(node, claimed.lease, attached, "connection lost")
        node.attended.discard(holder)
        raise
    place.leave()
    node.telemetry.accepted += 1
    session.link.secrets = admitted.secrets
    return Opened(session, claimed)


async def run(admission: Admission, session: Session, claimed: leases.Claimed) -> None:
    """Serve a session until it ends, and give its lease back."""
    node, hub, link = admission.node, admission.hub, session.link
    reason, seen_s = "connection lost", None
    try:
        hub.add(session)
        session_log.note_opened(link.lease, link.attached)
        began = trio.current_time()
        after = partial(admission.takeovers.end_predecessor, claimed)
        serving = session.run(claimed.pending, after=after)
        del claimed, after  # An idle session needs neither.
        try:
            closed = await serving
        finally:
            hub.remove(session)
            seen_s = link.unstored_seen_s()
        reason = f"{closed.code} {closed.reason}".strip()
        session_log.note_ended(link.lease, closed, trio.current_time() - began)
    finally:
        _give_back(node, link.lease, link.attached, reason, seen_s)
        node.attended.discard(link.lease.holder)


def _give_back(
    node: Node, lease: leases.Lease, attached: leases.Attachment, reason: str, seen_s: int | None = None
) -> None:
    node.note_token(lease.keys.tenant, attached.token_id)
    node.release(lease.keys, lease.holder, reason, seen_s)


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
    except StoreUnavailable as error:
        # While the store refuses writes, each of many handshakes would add a release that waits for it.
        confirmed = not error.sent
        raise Refusal(Reason.STORE_AWAY) from None
    finally:
        if not confirmed:  # The store may have granted the lease, although this task failed or was cancelled.
            node.release(admitted.keys, holder, "claim not confirmed")
    match claimed:
        case leases.Claimed():
            node.telemetry.leases[_name_change(claimed)] += 1
            return claimed
        case leases.LateClaim():
            raise Refusal(Reason.LATE_CLAIM)
        case leases.Flapping():
            node.count_faults(admitted.keys, ("flapping",))
            wait = claimed.retry_after_s
            raise Refusal(Reason.FLAPPING, wait, retry_after_s=wait, keys=admitted.keys)
        case leases.UnknownChargePoint():
            raise Refusal(Reason.DELETED)
        case _:
            assert_never(claimed)


def _name_change(claimed: leases.Claimed) -> LeaseChange:
    if claimed.previous_lost:
        return "taken_over"
    return "new" if claimed.previous_holder is None else "replaced"
