"""One turn of archiving: read what is due, write it into files by tenant and day, and mark it."""

import socket
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from secrets import token_hex
from typing import NamedTuple

import trio

from admin.archive import archive, records
from admin.archive.archive import Archive, Item, NewFile
from admin.archive.failures import ArchiveFailed
from admin.archive.lines import Line
from state.store import Store
from state.transactions import archiving, meter_values
from state.transactions.archiving import ArchiveNote, Finished, Queued

_AT_MOST = 16
"""Transactions of each partition that are read at once: 4,096 of all partitions."""
_TEXT_AT_ONCE = 1 << 18
"""Bytes of text that a thread compresses at once."""


class Turn(NamedTuple):
    """`changed` counts transactions that changed while they were archived. They are due again."""

    files: int
    written: int
    marked: int
    changed: int


class _Due(NamedTuple):
    queued: Queued
    finished: Finished


async def run_turn(store: Store, directory: Path) -> Turn:
    """Archive all that is due. Raises ArchiveFailed, and errors of the store.

    Files that were written before the error count, and the next turn goes on from there.
    """
    total = Turn(0, 0, 0, 0)
    with _writer(directory) as opened:
        await _own(store, opened)
        while queued := await archiving.list_unarchived(store, _AT_MOST):
            turn = await _archive(store, opened, queued)
            total = Turn(*map(sum, zip(total, turn, strict=True)))
            if turn.marked == 0:
                break
    return total


async def _own(store: Store, opened: Archive) -> None:
    """Make sure that the archive is that of the store, and not an empty disk or the archive of another store.

    Raises ArchiveFailed.
    """
    note, known = await archiving.read_note(store), opened.read_id()
    expected = "" if note is None else note.id
    if known != expected and expected:
        raise ArchiveFailed(
            f"{opened.directory} does not have the archive of this store: mount its disk, or restore the"
            f" archive from a backup; to begin a new archive, write {expected} into {archive.ID} there"
        )
    if known and not expected and not opened.is_empty():
        raise ArchiveFailed(
            f"{opened.directory} has the archive of another store: choose another directory; if this store is"
            f" its new store, remove {archive.ID} from this directory"
        )
    if not expected:
        known = known or token_hex(8)
        # A crash between these two leaves an empty archive, which any store may take.
        opened.write_id(known)
        where = ArchiveNote(
            id=known, host=socket.gethostname(), directory=str(opened.directory), through_ms=0
        )
        await archiving.note_archive(store, where)


@contextmanager
def _writer(directory: Path) -> Iterator[Archive]:
    try:
        with archive.open_to_write(directory) as opened:
            yield opened
    except OSError as error:
        raise ArchiveFailed(
            f"the archive {directory} cannot be written: {error.strerror or error}; nothing is dropped"
            " from the store until it can be written again"
        ) from error


async def _archive(store: Store, opened: Archive, queued: Sequence[Queued]) -> Turn:
    groups: defaultdict[tuple[str, str], list[_Due]] = defaultdict(list)
    gone: list[Queued] = []
    for one, finished in zip(queued, await archiving.read(store, queued), strict=True):
        if finished is None:
            gone.append(one)
        else:
            groups[one.tenant, _day_of(finished.finished_ms)].append(_Due(one, finished))
    await archiving.remove_gone(store, gone)
    total = Turn(0, 0, len(gone), 0)
    for (tenant, day), group in sorted(groups.items()):
        group.sort(key=lambda due: due.finished.finished_ms)
        rest: Sequence[_Due] = group
        while rest:
            turn, taken = await _write_file(store, opened, tenant, day, rest)
            total = Turn(*map(sum, zip(total, turn, strict=True)))
            rest = rest[taken:]
    return total


async def _write_file(
    store: Store, opened: Archive, tenant: str, day: str, group: Sequence[_Due]
) -> tuple[Turn, int]:
    """Write one file, and mark its transactions. Returns how many of the group were taken."""
    places: list[str] = []
    with opened.new_file(tenant, day) as file:
        waiting: list[Item] = []
        size = 0
        for due in group:
            waiting.append(await _read_item(store, due, opened.directory))
            size += waiting[-1].line.size
            if size >= _TEXT_AT_ONCE:
                places += await _in_thread(_add, file, waiting)
                waiting, size = [], 0
                if file.is_full:
                    break
        places += await _in_thread(_add, file, waiting)
        entry = await _in_thread(file.commit)
    marks = [(due.queued, due.finished, place) for due, place in zip(group, places, strict=False)]
    outcomes = await archiving.mark(store, marks)
    changed = outcomes.count("changed")
    written = 0 if entry is None else entry.count
    return Turn(int(entry is not None), written, len(outcomes) - changed, changed), len(places)


def _add(file: NewFile, items: Sequence[Item]) -> list[str]:
    """Add records to a file. Returns the name of the file that has each of them."""
    names = []
    for item in items:
        names.append(file.add(item) or file.name)
        item.line.close()
    return names


async def _read_item(store: Store, due: _Due, directory: Path) -> Item:
    queued, (transaction, finished_ms, _) = due
    line = Line([records.encode_head(queued.tenant, transaction, finished_ms)], directory)
    after = None
    while True:
        page = await meter_values.read_page(store, *queued[:3], after=after)
        text = records.encode_page(page.items, first=after is None)
        await _in_thread(line.append, text)
        if (after := page.next) is None:
            break
    line.append(records.END)
    return Item(queued.charge_point, queued.id, transaction.started_ms, finished_ms, line)


def _day_of(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).date().isoformat()


async def _in_thread[**P, T](work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    # A cancelled turn waits for the thread, which still uses the file.
    return await trio.to_thread.run_sync(partial(work, *args, **kwargs))
