"""Files that a command writes: complete or not at all."""

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import trio

_PRIVATE = 0o600


@contextmanager
def open_result(path: Path | None, note: Callable[[Path], None] | None = None) -> Iterator[TextIO]:
    """Open the file, or stdout. The file gets its name when the block ends without an error.

    Only its owner may read the file, because it names drivers. `note` is called with the temporary name when
    the file is complete on disk. Raises OSError.
    """
    if path is None:
        try:
            yield sys.stdout
            sys.stdout.flush()
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise SystemExit(128 + 13) from None
        return
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    part = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    _give_name(part, path, note)


@trio.lowlevel.enable_ki_protection
def _give_name(part: Path, path: Path, note: Callable[[Path], None] | None) -> None:
    """Ctrl-C must not fall between the note and the name."""
    if note is not None:
        try:
            note(part)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
    part.replace(path)


def reserve_secret(path: Path) -> int:
    """Make a new file that only its owner may read, and return it open. Raises OSError.

    A secret that is shown once needs its file before the server makes it.
    """
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _PRIVATE)
