"""The release of csms that this process runs."""

from functools import cache
from importlib.metadata import PackageNotFoundError, version


@cache
def release() -> str:
    """Return the version of the installed package, or "" if csms runs from a tree without one."""
    try:
        return version("csms")
    except PackageNotFoundError:
        return ""
