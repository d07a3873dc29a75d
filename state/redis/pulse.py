"""Once a second: read the server's clock and the settings that may change, and ask whether it refuses writes.

The probe of writes is a SET with XX of a key that never exists. The server refuses it whenever it refuses
other writes, and otherwise does nothing, so nothing goes to disk.
"""

from collections.abc import Callable, Sequence
from time import monotonic

import structlog
import trio
from redis.exceptions import ResponseError

from state.clock import ServerClock
from state.errors import StoreRefused, StoreUnavailable
from state.redis import checks
from state.redis.connection import Arg, Ask

PROBE = "csms:probe"
_EVERY_S = 1.0
_REFUSALS = frozenset(("MISCONF", "NOREPLICAS", "OOM", "READONLY"))
_QUESTIONS: Sequence[Sequence[Arg]] = (("TIME",), checks.SETTINGS, ("SET", PROBE, "1", "XX"))

_log = structlog.get_logger()


class Pulse:
    def __init__(
        self, ask: Ask, clock: ServerClock, durability: checks.Durability, refuse: Callable[[str], None]
    ) -> None:
        """`refuse` is called if the server must not be used any more, with the reason."""
        self.refuses: str | None = None
        """The error code with which the server refuses writes now. It is None if writes work."""
        self._ask = ask
        self._clock = clock
        self._durability: checks.Durability = durability
        self._refuse = refuse

    async def run(self) -> None:
        while True:
            await trio.sleep(_EVERY_S)
            try:
                await self._beat()
            except StoreUnavailable:
                continue  # The lane itself reconnects.
            except StoreRefused as error:
                self._refuse(str(error))

    def note_refusal(self, error: ResponseError) -> None:
        """Note that the server refused a command, so that nobody has to wait for the next probe."""
        code = str(error).partition(" ")[0]
        if code in _REFUSALS:
            self._note(code)

    async def _beat(self) -> None:
        asked = monotonic()
        time, settings, probed = await self._ask(_QUESTIONS)
        self._clock.learn(checks.read_time_ms(time), asked, monotonic())
        if isinstance(probed, ResponseError):
            self.note_refusal(probed)
        else:
            self._note(None)
        if isinstance(settings, ResponseError):
            checks.raise_if_passing(settings)
        checks.judge_settings(settings, self._durability)

    def _note(self, code: str | None) -> None:
        if code == self.refuses:
            return
        if code is None:
            _log.warning("store.writes_accepted")
        else:
            _log.warning("store.writes_refused", code=code)
        self.refuses = code
