"""Start the other packages as processes of the same Python, without importing them."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from gateway.service import interrupts

_ROOT = Path(__file__).resolve().parents[2]


def arguments(room: str, *args: str) -> list[str]:
    """Return the command line of `python -m room args`.

    The option -P keeps Python from importing packages from the current directory.
    """
    return [sys.executable, "-P", "-m", room, *args]


def environment(base: Mapping[str, str], settings: Mapping[str, str]) -> dict[str, str]:
    """Return `base` with the packages of csms in PYTHONPATH.

    `settings` replaces all CSMS__ variables of `base`.
    """
    env = {name: value for name, value in base.items() if not name.startswith("CSMS__")}
    return {**env, **python_path(base), **settings}


def python_path(base: Mapping[str, str]) -> dict[str, str]:
    """Return the PYTHONPATH with which a child finds the same csms packages as this process."""
    paths = [str(_ROOT), *filter(None, base.get("PYTHONPATH", "").split(os.pathsep))]
    return {"PYTHONPATH": os.pathsep.join(dict.fromkeys(paths))}


def become(room: str, *args: str) -> None:
    """Replace this process by `python -m room args`."""
    interrupts.hold()
    os.execve(sys.executable, arguments(room, *args), {**os.environ, **python_path(os.environ)})  # noqa: S606


def csms_command() -> str:
    """Return the command that a person types to run `csms` again.

    The command is a relative path if `csms` is below the current directory.
    """
    beside = Path(sys.executable).with_name("csms")
    if not beside.exists():
        return f"{sys.executable} -m admin"
    try:
        return str(beside.relative_to(Path.cwd()))
    except ValueError:
        return str(beside)
