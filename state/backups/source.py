"""The append-only files of a running server, opened so that they stay readable.

The server may rewrite its files at any time. Then it writes new files, and removes the ones before. But a
file that is open keeps its content, so a rewrite does not disturb a copy, and csms need not hold rewrites
off. The base and all files of commands but the last never change, and the last one only grows.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from state.backups.failures import BackupFailed
from state.backups.opening import open_regular
from state.embedded.data_files import DataFile, parse

_ATTEMPTS = 20


class OpenFile(NamedTuple):
    name: str
    handle: int

    @property
    def size(self) -> int:
        return os.fstat(self.handle).st_size


class Source(NamedTuple):
    """The open files in the order in which a server reads them. `manifest` is the text that names them."""

    directory: Path
    manifest_path: Path
    manifest: str
    files: Sequence[OpenFile]

    @property
    def last(self) -> OpenFile:
        """The file to which the server appends, unless a rewrite has begun."""
        return self.files[-1]

    @property
    def size(self) -> int:
        return sum(file.size for file in self.files)

    def is_current(self) -> bool:
        """Return whether no rewrite has changed the files since they were opened. Raises BackupFailed."""
        return _read_manifest(self.manifest_path) == self.manifest


@contextmanager
def open_source(store_directory: Path, directory: str, file_name: str) -> Iterator[Source]:
    """Open the files of a server by its settings appenddirname and appendfilename.

    `store_directory` is the server's directory as this process sees it. Raises BackupFailed.
    """
    path = store_directory / directory
    manifest = path / f"{file_name}.manifest"
    for _ in range(_ATTEMPTS):
        with ExitStack() as stack:
            text = _read_manifest(manifest)
            try:
                files = [_open(stack, path / each.name) for each in read_names(manifest, text)]
            except FileNotFoundError as error:
                if _read_manifest(manifest) == text:
                    raise BackupFailed(
                        f"{error.filename} is missing, which {manifest} names; the store may have lost"
                        " data, so look at the log of its server"
                    ) from None
                continue  # A rewrite has just replaced the files.
            except OSError as error:
                raise _unreadable(error, manifest) from None
            if _read_manifest(manifest) == text:
                yield Source(path, manifest, text, files)
                return
    raise BackupFailed(f"a rewrite replaced the files in {path} {_ATTEMPTS} times meanwhile; try again later")


def read_names(path: Path, text: str) -> list[DataFile]:
    """Return the files that a server reads, by its manifest. Raises BackupFailed."""
    found = parse(text)
    if len(found) != len(text.splitlines()) or not any(each.kind == "i" for each in found):
        raise BackupFailed(
            f"{path} has a form that this release of csms does not know; use a release that supports this"
            " version of the server"
        )
    return [each for each in found if each.kind != "h"]


def _read_manifest(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except (FileNotFoundError, NotADirectoryError):
        raise BackupFailed(
            f"{path} does not exist; give the directory of the server's setting dir, as this process sees it"
        ) from None
    except OSError as error:
        raise _unreadable(error, path) from None


def _unreadable(error: OSError, path: Path) -> BackupFailed:
    return BackupFailed(
        f"{error.filename or path} cannot be read: {error.strerror}; run the command as a user that may read"
        " the files of the server"
    )


def _open(stack: ExitStack, path: Path) -> OpenFile:
    handle = open_regular(path)
    stack.callback(os.close, handle)
    return OpenFile(path.name, handle)
