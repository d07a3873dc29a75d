"""Log the begin and the end of sessions, with a bound on the number of lines in a second.

When many charge points connect or leave together, a line for each of them would cost more than the sessions.
"""

from collections import Counter

import structlog
import trio

from gateway.websocket.close_codes import Closed
from state.nodes.leases import Attachment, Lease

log = structlog.get_logger()

LINES_PER_SECOND = 20
"""Number of lines about begins that one process writes in a second. The same number counts for ends."""


class SessionLog:
    """Writes the first lines of each second, counts the others, and writes their number a second later."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self._nursery = nursery
        self._lines: Counter[str] = Counter()
        self._counting = False

    def note_opened(self, lease: Lease, attached: Attachment) -> None:
        if self._has_room("opened"):
            log.info(
                "session.opened",
                tenant=lease.keys.tenant,
                charge_point=lease.keys.id,
                address=attached.address,
                tls=attached.tls,
                security_profile=attached.security_profile,
            )

    def note_ended(self, lease: Lease, closed: Closed, lasted_s: float) -> None:
        if self._has_room("ended"):
            log.info(
                "session.ended",
                tenant=lease.keys.tenant,
                charge_point=lease.keys.id,
                code=closed.code,
                reason=closed.reason,
                by=closed.by,
                lasted_s=round(lasted_s, 1),
            )

    def _has_room(self, what: str) -> bool:
        self._lines[what] += 1
        if not self._counting:
            self._counting = True
            self._nursery.start_soon(self._count)
        return self._lines[what] <= LINES_PER_SECOND

    async def _count(self) -> None:
        """Wait until the second is over, and write how many lines were left out."""
        await trio.sleep(1)
        more = {what: max(0, count - LINES_PER_SECOND) for what, count in self._lines.items()}
        self._lines.clear()
        self._counting = False
        if any(more.values()):
            log.info("session.more", opened=more.get("opened", 0), ended=more.get("ended", 0))
