"""Exports how old the last backup of the store is, by what `csms backup write` noted in the store."""

from collections.abc import Iterator

import trio

from gateway.service.metrics import Reading
from state.backups import note
from state.store import Store
from state.timers import contain, vary

LOOK_S = 30.0


class BackupAge:
    def __init__(self, store: Store) -> None:
        self._store = store
        self._finished_ms = 0

    async def run(self) -> None:
        """Read the note until cancelled."""
        while True:
            await contain("backup_age", self.look)
            await trio.sleep(vary(LOOK_S))

    async def look(self) -> None:
        self._finished_ms = (await note.read(self._store)).finished_ms

    def readings(self) -> Iterator[Reading]:
        yield Reading(
            "csms_backup_age_seconds",
            "Age of the last backup that csms backup write finished. The metric is absent while the store "
            "knows of no backup, for example because a provider makes them.",
            self._age_s(),
            "gauge",
        )

    def _age_s(self) -> float | None:
        if not self._finished_ms:
            return None
        return max(0.0, (self._store.server_time_ms() - self._finished_ms) / 1000)
