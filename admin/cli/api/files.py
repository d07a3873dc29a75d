"""Files that a command writes: complete or not at all."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

_PRIVATE = 0o600


@contextmanager
def open_result(path: Path | None) -> Iterator[TextIO]:
    """Open the file, or stdout. The file gets its name when the block ends without an error.

    Only its owner may read the file, because it names drivers. Raises OSError.
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
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def reserve_secret(path: Path) -> int:
    """Make a new file that only its owner may read, and return it open. Raises OSError.

    A secret that is shown once needs its file before the server makes it.
    """
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _PRIVATE)
