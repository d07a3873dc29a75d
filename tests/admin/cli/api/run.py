"""The type of the fixture `run`, and what tests of files ask."""

import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path

type Run = Callable[..., Awaitable["subprocess.CompletedProcess[str]"]]


def is_empty(directory: Path) -> bool:
    return next(directory.iterdir(), None) is None
