"""Counts the instructions of each part with callgrind, a tool of valgrind.

Callgrind is switched on only after the imports, because they would take five times as long with it.
"""

import os
import re
import select
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Final

from tests.bench.check.parts import CALIBRATION, PARTS

INSTALL: Final = "valgrind is missing. Install it, for example with `apt-get install valgrind`."
_DEADLINE_S: Final = 300
_TOTALS: Final = re.compile(r"^totals: (\d+)$", re.MULTILINE)


class NotMeasured(Exception):  # noqa: N818  it says what happened
    """The part could not be run, or callgrind did not count it. The text says why."""


def is_installed() -> bool:
    return all(shutil.which(program) for program in ("valgrind", "vgdb"))


def measure(names: Sequence[str]) -> dict[str, float]:
    """Return the instructions of a round of each part, divided by those of a round of the calibration loop.

    Raises NotMeasured.
    """
    parts = [CALIBRATION, *(PARTS[name] for name in names)]
    with tempfile.TemporaryDirectory(prefix="bench-check-") as folder:
        _run(Path(folder), names)
        counts = read_counts(Path(folder), len(parts))
    calibration, *rest = (each / part.rounds for each, part in zip(counts, parts, strict=True))
    return {name: each / calibration for name, each in zip(names, rest, strict=True)}


def read_counts(folder: Path, parts: int) -> list[int]:
    """Read the counts of the parts from the files that callgrind has written in their order.

    Each call of `getppid` ends a file, and a part is between two calls. Raises NotMeasured.
    """
    files = sorted(folder.glob("callgrind.*"), key=lambda file: int(file.suffix[1:]))
    if len(files) != 2 * parts:
        raise NotMeasured(f"callgrind wrote {len(files)} files for {parts} parts instead of {2 * parts}")
    counts = []
    for file in files[1::2]:
        found = _TOTALS.search(file.read_text())
        if found is None or not int(found[1]):
            raise NotMeasured(f"callgrind counted nothing in {file.name}")
        counts.append(int(found[1]))
    return counts


def _run(folder: Path, names: Sequence[str]) -> None:
    prefix = f"--vgdb-prefix={folder}/vgdb"
    command = [
        *(
            "valgrind",
            "--tool=callgrind",
            "--instr-atstart=no",
            "--dump-before=getppid",
            "--vgdb=yes",
            prefix,
        ),
        f"--callgrind-out-file={folder}/callgrind",
        *(sys.executable, "-m", "tests.bench.check.measured", *names),
    ]
    # Sets and dictionaries would have another order in each run.
    environment = os.environ | {"PYTHONHASHSEED": "0"}
    errors = folder / "errors"
    with (
        errors.open("wb") as stderr,
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr, env=environment
        ) as process,
    ):
        try:
            if _is_ready(process.stdout):
                on = ["vgdb", f"--pid={process.pid}", prefix, "instrumentation", "on"]
                subprocess.run(on, check=True, capture_output=True, text=True, timeout=_DEADLINE_S)
                process.communicate(b"go\n", timeout=_DEADLINE_S)
        except subprocess.CalledProcessError as error:
            raise NotMeasured(f"callgrind cannot be switched on: {error.stderr}") from error
        except subprocess.TimeoutExpired as error:
            raise NotMeasured(str(error)) from error
        finally:
            process.kill()
    if process.returncode:
        raise NotMeasured(f"the parts failed:\n{_end_of(errors)}")


def _is_ready(stdout: IO[bytes] | None) -> bool:
    return stdout is not None and bool(select.select([stdout], [], [], _DEADLINE_S)[0] and stdout.readline())


def _end_of(file: Path) -> str:
    return "\n".join(file.read_text(errors="replace").splitlines()[-30:])
