"""Copies files durably, with their digests, and cuts a growing file after its last whole command."""

import os
from collections.abc import Callable
from hashlib import sha256
from mmap import ACCESS_READ, mmap
from pathlib import Path

from state.backups.failures import BackupFailed
from state.backups.opening import open_regular
from state.embedded.resp_walk import walk

type Report = Callable[[int], None]
"""Gets the number of bytes of each piece that was copied."""

_PIECE = 1 << 20
_SYNC_EVERY = 16 << 20
"""So many bytes wait for the disk at most. More would delay the fsync of a server on the same disk."""


def copy(source: int, target: Path, size: int, report: Report) -> str:
    """Copy the first `size` bytes of an open file to a new file, and return their SHA-256.

    Raises OSError, and BackupFailed if the source has fewer bytes.
    """
    digest, at = sha256(), 0
    handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb", buffering=0) as file:
        while at < size:
            piece = os.pread(source, min(_PIECE, size - at), at)
            if not piece:
                raise BackupFailed(
                    f"the source of {target.name} became shorter while it was copied: it has {at:,} of"
                    f" {size:,} bytes; look at the log of the server"
                )
            digest.update(piece)
            write_whole(file.fileno(), piece)
            at += len(piece)
            if at % _SYNC_EVERY < len(piece):
                os.fdatasync(file.fileno())
            report(len(piece))
        os.fsync(file.fileno())
    return digest.hexdigest()


def write_whole(handle: int, content: bytes) -> None:
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(handle, rest) :]


def cut(path: Path) -> int:
    """Cut a file of commands after its last whole command, which is not within MULTI and EXEC.

    Returns the number of bytes that were cut off. Raises OSError, and BackupFailed if the file is damaged.
    """
    size = path.stat().st_size
    if not size:
        return 0
    with path.open("r+b") as file:
        with mmap(file.fileno(), 0, access=ACCESS_READ) as data:
            found = walk(data)
        if found.problem == "damaged":
            raise BackupFailed(
                f"{path.name} of the server is damaged at byte {found.at:,} of {size:,}, so its next start"
                " would fail; run BGREWRITEAOF while the server still runs, and then the backup again"
            )
        if found.good < size:
            file.truncate(found.good)
            os.fsync(file.fileno())
    return size - found.good


def digest_of(path: Path, report: Report) -> tuple[int, str]:
    """Return the size and the SHA-256 of a file. Raises OSError."""
    digest, size = sha256(), 0
    with os.fdopen(open_regular(path), "rb", buffering=0) as file:
        while piece := file.read(_PIECE):
            digest.update(piece)
            size += len(piece)
            report(len(piece))
    return size, digest.hexdigest()
