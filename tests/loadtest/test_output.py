"""What a run leaves if a file or its summary cannot be written."""

import subprocess
from pathlib import Path

import pytest

from loadtest.reports import json_file
from tests.loadtest.run.runs import CLI
from tests.loadtest.small_run import loadtest, write
from tests.support.mutant_server import MutantServer
from tests.support.waiting import GENEROUS_S


def test_a_file_that_cannot_be_written_costs_neither_the_report_nor_the_other_files(
    server: MutantServer, tmp_path: Path
) -> None:
    output, page = tmp_path / "r.json", tmp_path / "r.html"
    (tmp_path / "r.json.part").mkdir()
    files = ("--output", str(output), "--html", str(page))
    done = loadtest("run", write(tmp_path), "--url", server.url, *files)
    assert done.returncode == 2, done.stderr
    assert done.stdout.splitlines()[-1].startswith("PASSED")
    assert page.exists()
    assert f"csms loadtest: {output}: cannot be written: Is a directory; give" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("closed", ["stdout", "stderr"])
def test_a_run_whose_reader_has_left_still_saves_its_results(
    server: MutantServer, tmp_path: Path, closed: str
) -> None:
    output = tmp_path / "r.json"
    argv = [*CLI, "run", write(tmp_path, seconds=2.0), "--url", server.url, "--progress", "jsonl"]
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [*argv, "--output", str(output)],
            timeout=GENEROUS_S,
            check=False,
            **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, closed: full},  # type: ignore[call-overload]
        )
    assert json_file.read(output).ended == "completed"
    assert done.returncode == (2 if closed == "stdout" else 0), done.stderr
    assert b"Traceback" not in (done.stderr or b"")


@pytest.mark.parametrize(
    ("place", "words"), [("nowhere/r.json", "nowhere does not exist; make it"), (".", "this is a directory")]
)
def test_a_place_that_cannot_hold_a_file_is_refused_before_the_run(
    tmp_path: Path, place: str, words: str
) -> None:
    url = ("--url", "ws://127.0.0.1:1/{id}")
    done = loadtest("run", write(tmp_path), *url, "--output", str(tmp_path / place))
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr
