"""Log the begin and the end of sessions."""

import structlog

from gateway.websocket.close_codes import Closed
from state.nodes.leases import Attachment, Lease

log = structlog.get_logger()


def note_opened(lease: Lease, attached: Attachment) -> None:
    log.info(
        "session.opened",
        tenant=lease.keys.tenant,
        charge_point=lease.keys.id,
        address=attached.address,
        tls=attached.tls,
        security_profile=attached.security_profile,
    )


def note_ended(lease: Lease, closed: Closed, lasted_s: float) -> None:
    log.info(
        "session.ended",
        tenant=lease.keys.tenant,
        charge_point=lease.keys.id,
        code=closed.code,
        reason=closed.reason,
        by=closed.by,
        lasted_s=round(lasted_s, 1),
    )
