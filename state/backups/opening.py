"""Opens files, and nothing else that has a name in a directory."""

import errno
import os
import stat
from pathlib import Path


def open_regular(path: Path) -> int:
    """Open a file for reading. Raises OSError, also for a pipe or a device, which might never end."""
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # A pipe must not stop us here.
    if stat.S_ISREG(os.fstat(handle).st_mode):
        return handle
    os.close(handle)
    raise OSError(errno.EINVAL, "it is not a regular file", str(path))
