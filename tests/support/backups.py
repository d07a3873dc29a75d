"""Manifests and backups for tests."""

from pathlib import Path

from state import keys, meta
from state.backups import directory, manifest, origin, writing
from state.backups.manifest import Backup, Manifest
from state.store import Store


def a_manifest() -> Manifest:
    return Manifest(
        format=manifest.FORMAT,
        written_by="0.1.0",
        store="ab",
        partitions=keys.PARTITIONS,
        readable_from=meta.FORMAT,
        begun_ms=1_000,
        finished_ms=2_000,
        server="Valkey 9",
        run_id="r",
        replication_id="p",
        directory="appendonlydir",
        file_name="appendonly.aof",
        files=(),
        bytes=0,
        cut_bytes=0,
        needed_too=manifest.NEEDED_TOO,
    )


async def back_up(store: Store, store_directory: Path, target: Path) -> Backup:
    async with origin.open_origin(store, store_directory) as opened:
        with directory.lock(target):
            return writing.write(opened, target, lambda _: None)
