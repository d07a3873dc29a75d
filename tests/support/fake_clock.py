"""A wall clock of child processes that a test may step. The monotonic clock of the processes stays right."""

import os
from pathlib import Path

_LIBRARIES = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
MISSING = "libfaketime is not installed (apt install libfaketime)"
IS_INSTALLED = bool(_LIBRARIES)


class FakeClock:
    """The clock of the processes that are started with `environment`."""

    def __init__(self, directory: Path) -> None:
        self._file = directory / "clock"
        self._ahead_s = 0
        self.step(0)
        self.environment = os.environ | {
            "LD_PRELOAD": str(_LIBRARIES[0]),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_NO_CACHE": "1",
        }

    def step(self, seconds: int) -> None:
        """Set the clock forward, or back if `seconds` is negative."""
        self._ahead_s += seconds
        written = self._file.with_suffix(".new")
        written.write_text(f"{self._ahead_s:+d}s")
        written.rename(self._file)
