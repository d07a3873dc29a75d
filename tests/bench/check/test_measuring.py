import subprocess
import sys
from pathlib import Path

import pytest

from tests.bench.check import measuring, recorded
from tests.bench.check.measuring import NotMeasured, read_counts

ROOT = Path(__file__).parents[3]
# Python imports a module of this name at its start, before any other code.
A_FIFTH_MORE_WORK = """
from contextlib import asynccontextmanager

from tests.bench.check import parts

part = parts.PARTS["frames"]


@asynccontextmanager
async def open_dearer():
    async with part.open() as prepare:
        yield lambda rounds: prepare(rounds * 6 // 5)


parts.PARTS["frames"] = part._replace(open=open_dearer)
"""
needs_valgrind = pytest.mark.skipif(not measuring.is_installed(), reason=measuring.INSTALL)


def write(folder: Path, *totals: int) -> None:
    for number, total in enumerate(totals, 1):
        (folder / f"callgrind.{number}").write_text(f"events: Ir\nfn=(1) f\n1 5\n\ntotals: {total}\n")


def test_each_second_file_of_callgrind_has_the_count_of_a_part(tmp_path: Path) -> None:
    write(tmp_path, *(number * 10 for number in range(1, 13)))
    (tmp_path / "callgrind").write_text("totals: 7\n")
    assert read_counts(tmp_path, 6) == [20, 40, 60, 80, 100, 120]


def test_a_missing_file_of_callgrind_is_an_error(tmp_path: Path) -> None:
    write(tmp_path, 10, 20, 30)
    with pytest.raises(NotMeasured, match="3 files for 2 parts"):
        read_counts(tmp_path, 2)


def test_a_part_without_instructions_is_an_error(tmp_path: Path) -> None:
    """Callgrind was not switched on, for example."""
    write(tmp_path, 10, 0)
    with pytest.raises(NotMeasured, match="counted nothing"):
        read_counts(tmp_path, 1)


@pytest.mark.slow
@needs_valgrind
def test_a_fifth_more_work_in_one_part_is_found_in_that_part_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("frames", "protocol-start")
    before = recorded.make(measuring.measure(names))
    (tmp_path / "sitecustomize.py").write_text(A_FIFTH_MORE_WORK)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{ROOT}")
    frames, start = recorded.compare(before, measuring.measure(names))
    assert frames.verdict == "dearer"
    assert frames.ratio == pytest.approx(1.2, abs=0.02)
    assert start.ratio == pytest.approx(1, abs=0.02)


@pytest.mark.slow
@needs_valgrind
def test_a_part_that_fails_is_an_error_that_shows_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "from tests.bench.check import parts\nparts.PARTS['stop'] = parts.PARTS['stop']._replace(open=None)\n"
    )
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{ROOT}")
    with pytest.raises(NotMeasured, match="'NoneType' object is not callable"):
        measuring.measure(("stop",))


@pytest.mark.slow
@needs_valgrind
def test_no_part_is_dearer_than_recorded() -> None:
    done = subprocess.run(
        (sys.executable, "-m", "tests.bench.check"), cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
