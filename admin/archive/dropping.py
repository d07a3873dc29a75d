"""Let finished transactions leave the store, once they are in the archive or their time is over."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import trio

from admin.archive.archive import Reader
from state import keys
from state.store import Store
from state.transactions import archiving
from state.transactions.archiving import Queued
from state.transactions.forgetting import forget_many

_AT_ONCE = 100


class Dropped(NamedTuple):
    """How many transactions left the store, and the files that should have others, but are not whole."""

    transactions: int
    missing: frozenset[str] = frozenset()


async def drop_archived(store: Store, directory: Path, before_ms: int) -> Dropped:
    """Drop transactions that were finished before a time, are in the archive, and did not change since then.

    A transaction whose file is not there any more with its size is kept. Raises ArchiveFailed.
    """
    count, missing = 0, frozenset[str]()
    for partition in range(keys.PARTITIONS):
        kept = 0
        while queued := await archiving.list_archived(store, partition, before_ms, kept, _AT_ONCE):
            files = await _files_of(store, queued)
            whole = await trio.to_thread.run_sync(
                Reader(directory).is_whole, sorted(set(filter(None, files)))
            )
            missing |= {file for file, is_whole in whole.items() if not is_whole}
            safe = [one for one, file in zip(queued, files, strict=True) if file is None or whole[file]]
            outcomes = await forget_many(store, [one[:3] for one in safe], only_archived=True)
            count += outcomes.count("forgotten")
            kept += len(queued) - outcomes.count("forgotten") - outcomes.count("unknown")
    return Dropped(count, missing)


async def drop_old(store: Store, before_ms: int) -> Dropped:
    """Drop transactions that were finished before a time, in a system without an archive."""
    count = 0
    for partition in range(keys.PARTITIONS):
        while queued := await archiving.list_finished(store, partition, before_ms, _AT_ONCE):
            outcomes = await forget_many(store, [one[:3] for one in queued], only_archived=False)
            count += outcomes.count("forgotten")
            if "forgotten" not in outcomes and "unknown" not in outcomes:
                break
    return Dropped(count)


async def _files_of(store: Store, queued: Sequence[Queued]) -> list[str | None]:
    return [None if found is None else found.file for found in await archiving.read(store, queued)]
