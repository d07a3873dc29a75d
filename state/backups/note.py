"""What the store knows of its backups: the id by which they belong together, and the last one that succeeded.

The key also proves that a directory is the one of this server: a backup writes a mark into the key, and then
looks for the mark in the append-only file.
"""

import secrets
from typing import NamedTuple

from state import keys
from state.store import Store


class Note(NamedTuple):
    """`finished_ms` is the time of the last backup, by the server's clock, and `bytes` is its size.

    Both are 0 if no backup has succeeded.
    """

    store: str
    finished_ms: int
    bytes: int


async def read(store: Store) -> Note:
    fields: dict[bytes, bytes] = await store.execute("HGETALL", keys.BACKUP)
    return Note(
        fields.get(b"store", b"").decode(), int(fields.get(b"finished_ms", 0)), int(fields.get(b"bytes", 0))
    )


async def write_mark(store: Store, mark: str) -> str:
    """Write a mark into the store, and return the id of the store, which gets one now if it has none."""
    await store.execute("HSETNX", keys.BACKUP, "store", secrets.token_hex(8))
    await store.execute("HSET", keys.BACKUP, "mark", mark)
    return (await read(store)).store


async def write_success(store: Store, finished_ms: int, size: int) -> None:
    """Note a backup. Raises StoreUnavailable."""
    await store.execute("HSET", keys.BACKUP, "finished_ms", finished_ms, "bytes", size)
