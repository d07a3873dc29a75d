"""Refused handshakes, kept in memory until the store has them.

An attack therefore costs the store only a few writes. They go by the connection that reads whole lists for
operators, so they hold up no message of a charge point.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

import trio

from gateway.handlers.charge_point import now_ms
from state.charge_points import refusals
from state.charge_points.refusals import Gathered
from state.crowds import Crowded, find_dropped
from state.errors import StoreUnavailable
from state.keys import ChargePointKeys
from state.store import Store
from state.tenants.refusal_records import Refusals

GATHERED = 2_000
"""Greatest number of records that wait for the store. If there are more, those of the largest crowd are
dropped (`state.crowds`), and only the metric counts them."""
SPARE = 200
SOON_S = 1.0
"""Time for which a refusal waits for others before it is written.

The answer to a charge point is then sent before the store is asked again, so the time of the answer does not
say whether the charge point is registered.
"""
SOON_RECORDS = 100
"""When so many records were written between two turns of housekeeping, strangers wait for the next turn."""
EVENTS_PER_MINUTE = 20
"""Greatest number of events about charge points under attack that one process emits in a minute."""
DETAIL_CHARACTERS = 300


class Note(NamedTuple):
    """A refused handshake. `tenant` and `charge_point` are what the peer claimed, as operators may see it.

    `keys`, `failed` and `ours` are those of `Gathered`.
    """

    reason: str
    address: str
    tenant: str | None = None
    charge_point: str | None = None
    detail: str = ""
    keys: ChargePointKeys | None = None
    failed: bool = False
    ours: bool = False


type _Key = tuple[str | None, str | None, str, str]


class RefusalCounts:
    """Refusals by claimed tenant, claimed charge point, address and reason.

    `note` is cheap and may be called from anywhere. Refusals are written a second later. In a flood, those of
    strangers wait for the next `turn`, which housekeeping calls every 10 s.
    """

    def __init__(self, store: Store, background: Callable[..., None]) -> None:
        self._store = store
        self._background = background
        self._gathered: dict[_Key, Gathered] = {}
        self._soon = False
        self._written_soon = 0
        self._minute = 0
        self._emitted = 0
        self._writing = trio.Lock()

    def note(self, note: Note) -> None:
        at = now_ms()
        refused = Refusals(
            *(note.tenant, note.charge_point, note.address, note.reason),
            *(1, at, at, note.detail[:DETAIL_CHARACTERS]),
        )
        self._add(Gathered(refused, note.keys, note.failed, note.ours))
        if not self._soon and (note.keys is not None or self._written_soon < SOON_RECORDS):
            self._soon = True
            self._background(self._write_soon)

    async def turn(self) -> None:
        """Write everything that was gathered, and let strangers be written soon again."""
        self._written_soon = 0
        await self.write()

    async def write(self) -> None:
        """Write everything that was gathered.

        If this raises StoreUnavailable, the next call writes the refusals that were not sent to the store.
        Refusals that were sent, but whose reply was lost, are not written again. A write that runs already is
        over when this one returns, so the last write of a drain leaves nothing behind.
        """
        async with self._writing:
            await self._write()

    async def _write(self) -> None:
        now, self._gathered = list(self._gathered.values()), {}
        if not now:
            return
        minute = int(trio.current_time() // 60)
        if minute != self._minute:
            self._minute, self._emitted = minute, 0
        try:
            self._emitted += await refusals.record(self._store, now, events=EVENTS_PER_MINUTE - self._emitted)
        except StoreUnavailable as error:
            if not error.sent:
                for one in now:
                    self._add(one)
            raise

    def _add(self, new: Gathered) -> None:
        refused = new.refused
        key = refused[:4]
        before = self._gathered.get(key)
        if before is not None:
            old = before.refused
            latest = old if old.last_ms > refused.last_ms else refused
            times, first_ms = old.times + refused.times, min(old.first_ms, refused.first_ms)
            new = new._replace(refused=latest._replace(times=times, first_ms=first_ms))
        self._gathered[key] = new
        if len(self._gathered) > GATHERED:
            self._make_room()

    def _make_room(self) -> None:
        crowded = [
            Crowded(key, (one.keys is None, one.ours), one.refused.address, key[:2], one.refused.last_ms)
            for key, one in self._gathered.items()
        ]
        for key in find_dropped(crowded, SPARE):
            del self._gathered[key]

    async def _write_soon(self) -> None:
        await trio.sleep(SOON_S)
        self._soon = False
        self._written_soon += len(self._gathered)
        with suppress(StoreUnavailable):
            await self.write()
