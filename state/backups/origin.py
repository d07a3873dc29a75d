"""Opens the files of the server that a store is connected to, and proves that they are its files."""

import os
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic
from typing import NamedTuple

import trio
from redis.exceptions import ResponseError

from state import keys, meta
from state.backups import manifest, note
from state.backups.failures import BackupFailed
from state.backups.manifest import Manifest
from state.backups.source import Source, open_source
from state.errors import StoreUnavailable
from state.redis import checks
from state.store import Store

_ATTEMPTS = 5
_MARK_S = 10.0
_LOOK_EVERY_S = 0.05


class Origin(NamedTuple):
    """The files of a server, which stay open, and the manifest of their backup without its files.

    `sizes` are those that the files had at `draft.begun_ms`, and `began` is that moment on our own clock. If
    the store refuses writes, `mark` is empty: then nothing proves that the files are those of the store.
    """

    source: Source
    sizes: tuple[int, ...]
    began: float
    mark: bytes
    draft: Manifest


@asynccontextmanager
async def open_origin(store: Store, store_directory: Path) -> AsyncIterator[Origin]:
    """Open the files of the store's server. Raises BackupFailed, and errors of the store."""
    directory, file_name = await _read_names(store)
    server, found = await _read_server(store), await meta.check(store.pipeline)
    for _ in range(_ATTEMPTS):
        with open_source(store_directory, directory, file_name) as source:
            marked = await _mark(store, source)
            if marked is None:
                continue
            mark, id_ = marked
            draft = Manifest(
                format=manifest.FORMAT,
                written_by=meta.release(),
                store=id_,
                partitions=keys.PARTITIONS,
                readable_from=found.readable_from,
                begun_ms=store.server_time_ms(),
                finished_ms=0,
                server=server,
                run_id=store.identity[0],
                replication_id=store.identity[1],
                directory=directory,
                file_name=file_name,
                files=(),
                bytes=0,
                cut_bytes=0,
                needed_too=manifest.NEEDED_TOO,
            )
            began, sizes = monotonic(), tuple(file.size for file in source.files)
            if source.is_current():  # Otherwise the server has begun to write to another file.
                yield Origin(source, sizes, began, mark, draft)
                return
    raise BackupFailed(f"the server rewrote its files {_ATTEMPTS} times meanwhile; try again later")


async def _read_names(store: Store) -> tuple[str, str]:
    try:
        found = await store.execute("CONFIG", "GET", "append*")
    except ResponseError as error:
        raise BackupFailed(
            f"the server does not say how its files are named ({error}); allow this user the command CONFIG"
            " GET, and if this is a managed service, use the backups of its provider"
        ) from None
    settings = {name.decode(): value.decode() for name, value in found.items()}
    if settings.get("appendonly") != "yes":
        raise BackupFailed(
            "the server keeps no append-only file that csms could copy; set appendonly to yes, or use the"
            " backups of its provider"
        )
    return settings.get("appenddirname", ""), settings.get("appendfilename", "")


async def _read_server(store: Store) -> str:
    info = checks.read_info(await store.execute("INFO", "server"))
    name = "Valkey" if info.get("server_name") == "valkey" else "Redis"
    return f"{name} {info.get('valkey_version') or info.get('redis_version', 'of an unknown version')}"


async def _mark(store: Store, source: Source) -> tuple[bytes, str] | None:
    """Write a mark into the store, and wait until it is in the last file. Returns it with the store's id.

    Returns None if a rewrite has replaced the file.
    """
    mark, start = secrets.token_hex(16).encode(), source.last.size
    try:
        id_ = await note.write_mark(store, mark.decode())
    except StoreUnavailable:
        if not store.available:
            raise
        return b"", (await note.read(store)).store  # A full store must be backed up too.
    with trio.move_on_after(_MARK_S):
        while not _has(source.last.handle, start, mark):
            if not source.is_current():
                return None
            await trio.sleep(_LOOK_EVERY_S)
        return mark, id_
    raise BackupFailed(
        f"what csms writes to the store does not arrive in {source.directory}, so these are not the files"
        " of this server; give the directory of its setting dir"
    )


def _has(handle: int, start: int, mark: bytes) -> bool:
    return mark in os.pread(handle, os.fstat(handle).st_size - start, start)
