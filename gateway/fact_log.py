"""Log every start and stop that was acknowledged, many on a line.

After a restore of the store from a backup, these lines are all that is left of what was acknowledged later
(`csms store missing`). So no fact is left out, and the bound is on the number of lines: one in a second, and
one for each `FACTS_PER_LINE` facts. The entries have no id tag, because an id tag opens a charging session.
"""

import msgspec
import structlog
import trio

from state.transactions.acknowledged import Fact

log = structlog.get_logger()

FACTS_PER_LINE = 50
EVERY_S = 1.0


class FactLog:
    """A crash loses the facts of the last second. A drain writes all of them."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self._nursery = nursery
        self._facts: list[Fact] = []
        self._waiting = False

    def note(self, fact: Fact) -> None:
        self._facts.append(fact)
        if not self._waiting:
            self._waiting = True
            self._nursery.start_soon(self._write_later)
        elif len(self._facts) >= FACTS_PER_LINE:
            self.write()

    def write(self) -> None:
        if self._facts:
            facts, self._facts = self._facts, []
            log.info("facts.acknowledged", facts=[msgspec.structs.astuple(fact) for fact in facts])

    async def _write_later(self) -> None:
        try:
            await trio.sleep(EVERY_S)
        finally:  # The process may end now.
            self._waiting = False
            self.write()
