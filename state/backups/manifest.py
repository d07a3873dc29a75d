"""The manifest of a backup, and where the backups of a directory are.

A backup is a directory with a name that says when it was begun. It has the append-only directory of the
server, and `manifest.json`, which is written last. While a backup is being written, its directory has another
name, so that nobody takes it for a whole one.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, NamedTuple

import msgspec

from state import keys, meta
from state.backups.failures import BackupFailed
from state.durable import write_private

FORMAT = 1
"""The form of the manifest. A release reads all forms up to its own."""
NAME = "manifest.json"
UNFINISHED = ".unfinished"
_WHOLE = re.compile(r"store-\d{8}T\d{6}\.\d{3}Z")
NEEDED_TOO = (
    "the pepper (security.pepper_file): without it, no token, password or API key of the store works",
    "the configuration files of gateways and admin processes, and of the server of the store",
    "the keys and certificates of the authority for charge points (pki.directory, pki.rsa, pki.ec)",
    "the keys and certificates of the gateways (tls.certificates)",
    "what the gateways trust (tls.client_authorities_file, tls.revocation_list_files)",
    "the archive of finished transactions (archive.directory), if you have one",
)
"""What an operator needs in order to get in again, and no backup has."""


type UnixMs = Annotated[int, msgspec.Meta(ge=0, lt=253_402_300_800_000)]
"""Unix ms before the year 10000, which is what Python can show."""


class File(msgspec.Struct, frozen=True):
    """A file of the backup. `name` is its path below the backup."""

    name: str
    size: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """`store` is the id that the store got with its first backup, and `written_by` the release of csms.

    Everything that was acknowledged before `begun_ms` is in the backup. Both times are those of the server's
    clock, in Unix ms. `partitions` and `readable_from` are those of the meta record of the store, and
    `run_id` and `replication_id` are those of the server. `directory` and `file_name` are the server's
    settings appenddirname and appendfilename. `cut_bytes` is the number of bytes that were left out, because
    they were not a whole command yet. `needed_too` says what else an operator needs.
    """

    format: int
    written_by: str
    store: str
    partitions: int
    readable_from: int
    begun_ms: UnixMs
    finished_ms: UnixMs
    server: str
    run_id: str
    replication_id: str
    directory: str
    file_name: str
    files: tuple[File, ...]
    bytes: int
    cut_bytes: int
    needed_too: tuple[str, ...]


class Backup(NamedTuple):
    path: Path
    manifest: Manifest


def name_of(begun_ms: int) -> str:
    return f"store-{datetime.fromtimestamp(begun_ms / 1000, UTC):%Y%m%dT%H%M%S}.{begun_ms % 1000:03d}Z"


def write(directory: Path, manifest: Manifest) -> None:
    """Write the manifest durably and at once. Raises OSError."""
    write_private(directory / NAME, msgspec.json.format(msgspec.json.encode(manifest)) + b"\n")


def read(path: Path) -> Manifest:
    """Read the manifest of a backup. Raises BackupFailed."""
    if path.name.endswith(UNFINISHED):
        raise BackupFailed(
            f"{path} is not a whole backup, because it failed, was killed or is still being written; csms"
            " backup list names the whole ones"
        )
    try:
        text = (path / NAME).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise BackupFailed(
            f"{path} is not a whole backup, because it has no {NAME}; csms backup list names the whole ones"
        ) from None
    except OSError as error:
        raise BackupFailed(f"{path / NAME} cannot be read: {error.strerror}") from None
    try:
        if (format_ := msgspec.json.decode(text, type=_Form).format) > FORMAT:
            raise BackupFailed(
                f"{path} has the form {format_}, and this release of csms reads forms up to {FORMAT}; use the"
                " release that wrote it or a newer one"
            )
        found = msgspec.json.decode(text, type=Manifest)
    except (ValueError, RecursionError) as error:  # Not each of them is a MsgspecError.
        raise BackupFailed(f"{path / NAME} is damaged: {error}; use another backup") from None
    if not _is_plain(found.directory) or not all(_is_within(found.directory, each) for each in found.files):
        raise BackupFailed(f"{path / NAME} names a file outside the backup; use another backup")
    return found


def _is_within(directory: str, file: File) -> bool:
    return file.name.startswith(f"{directory}/") and _is_plain(file.name.removeprefix(f"{directory}/"))


def _is_plain(name: str) -> bool:
    """Return whether this is the name of one file, and not a path."""
    return name not in {"", ".", ".."} and "/" not in name and "\0" not in name


class _Form(msgspec.Struct):
    format: int


def require_readable(path: Path, manifest: Manifest) -> None:
    """Raise BackupFailed if this release could not use the restored store."""
    if manifest.partitions != keys.PARTITIONS:
        raise BackupFailed(
            f"{path} is of a store with {manifest.partitions} partitions, and this release of csms needs"
            f" {keys.PARTITIONS}; use the release that wrote it, csms {manifest.written_by}"
        )
    if manifest.readable_from > meta.FORMAT:
        raise BackupFailed(
            f"{path} is of a store that can be read from form {manifest.readable_from} on, and this release"
            f" of csms reads forms up to {meta.FORMAT}; use csms {manifest.written_by} or a newer release"
        )


def list_whole(directory: Path) -> list[Backup]:
    """Return the whole backups of a directory, the oldest first. Raises BackupFailed or OSError."""
    found = [Backup(path, read(path)) for path in directory.iterdir() if is_whole(path)]
    return sorted(found, key=lambda one: (one.manifest.begun_ms, one.path.name))


def is_whole(path: Path) -> bool:
    return _WHOLE.fullmatch(path.name) is not None and (path / NAME).exists()


def list_unfinished(directory: Path) -> Iterator[Path]:
    for path in directory.iterdir():
        if _WHOLE.fullmatch(path.name.removesuffix(UNFINISHED)) and path.name.endswith(UNFINISHED):
            yield path
