"""Delays the answers to requests that fail, if too many fail from one address or in all.

A delay slows down anyone who tries tokens or passwords. A request with the right credentials is never
delayed, so charge points behind one address do not wait for each other. Only a bounded number of answers is
delayed at the same time, and further ones are sent at once.
"""

import trio

from gateway.service.attempts import Attempts
from gateway.telemetry import Telemetry

DELAY_S = 2.0
DELAYED = 200
"""Greatest number of answers that one process delays at once."""


class Delays:
    """Delays answers, and counts them in `telemetry`."""

    def __init__(self, attempts: Attempts, telemetry: Telemetry) -> None:
        self._attempts = attempts
        self._telemetry = telemetry
        self._waiting = 0

    async def wait(self, address: str) -> None:
        """Wait before the answer to a request of this address that failed."""
        if self._waiting >= DELAYED or not self._attempts.is_crowded(address, trio.current_time()):
            return
        self._waiting += 1
        self._telemetry.delayed_refusals += 1
        try:
            await trio.sleep(DELAY_S)
        finally:
            self._waiting -= 1
