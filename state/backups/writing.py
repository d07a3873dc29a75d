"""Writes a backup of a running server.

The backup has everything that was acknowledged before it began. The server is not stopped, and need not hold
its rewrites off (source.py).
"""

from hashlib import sha256
from mmap import ACCESS_READ, mmap
from pathlib import Path
from time import monotonic

import msgspec

from state.backups import copying, directory, manifest
from state.backups.copying import Report
from state.backups.failures import BackupFailed
from state.backups.manifest import Backup, File, Manifest
from state.backups.origin import Origin
from state.backups.source import read_names
from state.durable import sync_directory, write_private


def write(origin: Origin, target: Path, report: Report) -> Backup:
    """Write a whole backup to the directory `target`, which must be locked. Raises BackupFailed."""
    directory.require_room(target, sum(origin.sizes), "free some, or keep fewer backups (--keep)")
    name = manifest.name_of(origin.draft.begun_ms)
    with directory.unfinished(target, name) as path:
        done = _fill(origin, path, report)
    return Backup(target / name, done)


def _fill(origin: Origin, path: Path, report: Report) -> Manifest:
    source, draft = origin.source, origin.draft
    files = path / draft.directory
    files.mkdir(mode=0o700)
    written = [_write_manifest(origin, files)]
    for file, size in zip(source.files, origin.sizes, strict=True):
        digest = copying.copy(file.handle, files / file.name, size, report)
        written.append(File(f"{draft.directory}/{file.name}", size, digest))
    last = files / source.last.name
    if cut_bytes := copying.cut(last):
        written[-1] = File(written[-1].name, *copying.digest_of(last, lambda _: None))
    if origin.mark and not _has(last, origin.mark):
        raise BackupFailed(f"{last.name} was copied without its end; run the command again")
    sync_directory(files)
    sync_directory(path)
    done = msgspec.structs.replace(
        draft,
        finished_ms=draft.begun_ms + round(1000 * (monotonic() - origin.began)),
        files=tuple(written),
        bytes=sum(file.size for file in written),
        cut_bytes=cut_bytes,
    )
    manifest.write(path, done)
    return done


def _write_manifest(origin: Origin, files: Path) -> File:
    """Write the server's own manifest, without the files that a rewrite has replaced."""
    source = origin.source
    text = "".join(
        f"file {each.name} seq {each.number} type {each.kind}\n"
        for each in read_names(source.manifest_path, source.manifest)
    ).encode()
    write_private(files / source.manifest_path.name, text)
    return File(f"{files.name}/{source.manifest_path.name}", len(text), sha256(text).hexdigest())


def _has(path: Path, mark: bytes) -> bool:
    with path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as data:
        return data.rfind(mark) >= 0
