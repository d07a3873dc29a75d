"""How many files a process may open."""

import resource
from typing import Final

ANY: Final = 1 << 30
"""Stands for a system without a limit."""


def raise_file_limit() -> int:
    """Raise the soft limit of open files to the hard limit, and return it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return ANY if hard == resource.RLIM_INFINITY else hard
