"""Break a copy of csms in many ways, and play the cases that must then fail (`make conformance-mutants`).

The exit code is 1 if a mutant survives, if the text to break is not found exactly once, or if the unbroken
copy fails.
"""

import itertools
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import Literal, NamedTuple

import msgspec

from tests.conformance import playing
from tests.conformance.mutations import MUTATIONS, Mutation
from tests.conformance.recording import Outcome

ROOT = Path(__file__).parents[2]
COPIED = ("admin", "gateway", "loadtest", "state", "tests", "pyproject.toml")
AT_ONCE = 2
PLAY_S = 300.0

type Word = Literal["caught", "SURVIVED", "NO LONGER APPLIES"]


class Verdict(NamedTuple):
    mutation: Mutation
    word: Word
    why: str


class Tree:
    """A copy of the checkout, broken in one place at a time."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._writes = itertools.count(1)
        directory.mkdir()
        for name in COPIED:
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, directory / name)
            else:
                shutil.copy2(ROOT / name, directory / name)

    def try_(self, mutation: Mutation) -> Verdict:
        text = (self.directory / mutation.file).read_text("utf-8")
        if (found := text.count(mutation.old)) != 1:
            return Verdict(mutation, "NO LONGER APPLIES", f"{found} places in {mutation.file}")
        self._write(mutation.file, text.replace(mutation.old, mutation.new))
        try:
            outcomes = self.play(mutation.caught_by)
        finally:
            self._write(mutation.file, text)
        for name, outcome in outcomes.items():
            if outcome.word != "FAILED" or outcome.phase != "call":
                return Verdict(mutation, "SURVIVED", f"{name} {outcome.word} {outcome.why}".strip())
        return Verdict(mutation, "caught", next(iter(outcomes.values())).why)

    def play(self, wanted: Iterable[str]) -> dict[str, Outcome]:
        """Run cases and other tests, and return their outcomes by test name."""
        names = [name for each in wanted for name in playing.tests_of(each) or [each]]
        file = self.directory / "outcomes.json"
        file.unlink(missing_ok=True)
        nodes = [node for name, node in playing.tests().items() if name in names]
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.conformance.playing", str(file), *nodes],
            cwd=self.directory,
            env={**os.environ, "PYTHONPATH": str(self.directory)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            process.wait(PLAY_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        found = msgspec.json.decode(file.read_bytes(), type=dict[str, Outcome]) if file.exists() else {}
        return {name: found.get(name, Outcome("skipped", "was not played")) for name in names}

    def _write(self, name: str, text: str) -> None:
        """Write a file with a new modification time.

        Python treats a file as unchanged if its time and size are the same as before.
        """
        file = self.directory / name
        file.write_text(text, "utf-8")
        at = file.stat().st_mtime + 2 * next(self._writes)
        os.utime(file, (at, at))


def main() -> int:
    trees: SimpleQueue[Tree] = SimpleQueue()

    def try_(mutation: Mutation) -> Verdict:
        tree = trees.get()
        try:
            verdict = tree.try_(mutation)
        finally:
            trees.put(tree)
        return verdict

    with tempfile.TemporaryDirectory(prefix="csms-mutants-") as directory:
        for number in range(AT_ONCE):
            trees.put(Tree(Path(directory) / str(number)))
        tree = trees.get()
        wanted = dict.fromkeys(name for mutation in MUTATIONS for name in mutation.caught_by)
        outcomes = tree.play(wanted)
        trees.put(tree)
        if failing := [f"{name}: {each.why}" for name, each in outcomes.items() if each.word != "passed"]:
            _say("The unbroken product does not pass:", *failing)
            return 1
        with ThreadPoolExecutor(AT_ONCE) as threads:
            verdicts = [_said(verdict) for verdict in threads.map(try_, MUTATIONS)]
    counts = {
        word: sum(each.word == word for each in verdicts)
        for word in ("caught", "SURVIVED", "NO LONGER APPLIES")
    }
    _say(
        f"{len(verdicts)} mutants: {counts['caught']} caught, {counts['SURVIVED']} survived, "
        f"{counts['NO LONGER APPLIES']} no longer apply"
    )
    return 0 if counts["caught"] == len(verdicts) else 1


def _said(verdict: Verdict) -> Verdict:
    mutation = verdict.mutation
    _say(f"{verdict.word:<9} {mutation.breaks:<62} by {', '.join(mutation.caught_by)}: {verdict.why[:160]}")
    return verdict


def _say(*lines: str) -> None:
    print(*lines, sep="\n", flush=True)  # noqa: T201  this is what the command is asked for


if __name__ == "__main__":
    sys.exit(main())
