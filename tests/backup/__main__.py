"""`python -m tests.backup`: restore a backup beneath a charging fleet, and state the time and the loss."""

import sys
import tempfile
from pathlib import Path

import trio
from cyclopts import App

from tests.backup.playing import Played, play
from tests.system.central import central_system

app = App(name="python -m tests.backup", version_flags=[])


@app.default
def main(*, minutes: float = 10, sessions: int = 500, pause_s: float = 20) -> int:
    """Write a backup under load, charge on, restore it beneath all sessions, and judge what is left.

    The exit code is 1 if a session ended, an id came twice, or a lost fact was not listed.

    Parameters
    ----------
    minutes
        How long the fleet charges after the backup.
    sessions
        The number of charge points. Half of them connect after the backup.
    pause_s
        The longest time that a charge point waits before a start, and before a stop.
    """
    with (
        tempfile.TemporaryDirectory(prefix="csms-backup-") as directory,
        central_system(Path(directory)) as central,
    ):

        async def run() -> Played:
            return await play(central, sessions=sessions, minutes=minutes, pause_s=pause_s, say=_say)

        found = trio.run(run)
    for name, value in found._asdict().items():
        _say(f"{name}: {len(value) if isinstance(value, set) else value}")
    _say("passed" if found.passed else "FAILED")
    return 0 if found.passed else 1


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201  the purpose of the command


if __name__ == "__main__":
    sys.exit(app())
