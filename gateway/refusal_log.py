"""Log refused handshakes, with a bound on the number of lines in a minute.

No address gets more than a part of the lines, so that a flood from one address does not hide the others.
"""

from collections import Counter

import structlog
import trio

from gateway.refusal_counts import Note

log = structlog.get_logger()

LINES_PER_MINUTE = 120
LINES_OF_ADDRESS = 12
"""Number of lines in a minute about one address."""
MINUTE_S = 60


class RefusalLog:
    """Writes the first lines of each minute, counts the others, and writes their number after the minute."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self._nursery = nursery
        self._lines: Counter[str] = Counter()
        self._written = 0
        self._left_out = 0
        self._counting = False

    def note(self, note: Note) -> None:
        if not self._counting:
            self._counting = True
            self._nursery.start_soon(self._count)
        if self._written >= LINES_PER_MINUTE or self._lines[note.address] >= LINES_OF_ADDRESS:
            self._left_out += 1
            return
        self._written += 1
        self._lines[note.address] += 1
        log.info(
            "handshake.refused",
            tenant=note.tenant,
            charge_point=note.charge_point,
            address=note.address,
            reason=note.reason,
            detail=note.detail,
        )

    async def _count(self) -> None:
        """Wait until the minute is over, and write how many lines were left out."""
        await trio.sleep(MINUTE_S)
        left_out = self._left_out
        self._lines.clear()
        self._written = self._left_out = 0
        self._counting = False
        if left_out:
            log.info("handshake.more_refused", refused=left_out)
