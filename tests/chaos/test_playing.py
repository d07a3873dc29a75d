"""The frame in which the legs are played: verdicts, exit codes, and the page that names all legs."""

import subprocess
import sys
from pathlib import Path

import pytest
import trio
from rich.console import Console

from tests.chaos import bench as benches
from tests.chaos import playing
from tests.chaos.all_legs import LEGS
from tests.chaos.bench import Bench, Skipped, leg

PAGE = Path(__file__).parents[2] / "docs" / "chaos.md"


@pytest.fixture
def only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(benches, "LEGS", {})
    monkeypatch.setattr(playing, "LEGS", benches.LEGS)


@pytest.mark.usefixtures("only")
def test_a_leg_passes_if_all_that_it_requires_holds_and_fails_otherwise() -> None:
    @leg("measures", criterion="2 is below 3", minutes=0, central=False)
    async def _measures(bench: Bench) -> None:
        """Measure something."""
        bench.figure("number", 2.0)
        bench.require(bench.scale < 3, "2 is not below 3")

    @leg("fails", criterion="3 is below 2", minutes=0, central=False)
    async def _fails(bench: Bench) -> None:
        """Fail, and go on."""
        bench.require(bench.scale > 2, "3 is not below 2")
        bench.figure("number", bench.scaled(100))

    passed, failed = playing.play("measures", 1.0, 1), playing.play("fails", 0.1, 1)
    assert passed.passed
    assert (passed.leg.sentence, passed.report.figures) == ("Measure something.", [("number", "2")])
    assert not failed.passed
    assert (failed.report.failures, failed.report.figures) == (["3 is not below 2"], [("number", "10")])


@pytest.mark.usefixtures("only")
def test_a_leg_that_breaks_off_has_failed_and_its_directory_is_removed() -> None:
    seen: list[Path] = []

    @leg("breaks", criterion="", minutes=0, central=False)
    async def _breaks(bench: Bench) -> None:
        """Break off."""
        seen.append(bench.directory)
        (bench.directory / "file").write_text("x")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep, 60)
            raise ValueError("broken")

    played = playing.play("breaks", 1.0, 1)
    assert played.report.failures == ["the leg broke off: ValueError: broken"]
    assert not seen[0].exists()


@pytest.mark.usefixtures("only")
def test_a_leg_that_cannot_be_played_here_is_skipped_with_its_reason_and_is_no_failure() -> None:
    @leg("needs", criterion="", minutes=0, central=False)
    async def _needs(_bench: Bench) -> None:
        """Need what is not there."""
        raise Skipped("there is no history")

    played = playing.play("needs", 1.0, 1)
    assert played.passed
    with (console := Console(width=120)).capture() as shown:
        playing.show([played], console)
    assert "skipped: there is no history" in shown.get()


def chaos(*arguments: str) -> "subprocess.CompletedProcess[str]":
    argv = [sys.executable, "-m", "tests.chaos", *arguments]
    return subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)


def test_an_unknown_leg_is_named_and_nothing_is_played() -> None:
    done = chaos("gateway-kills", "no-such-leg")
    assert done.returncode == 2
    assert "no such leg: no-such-leg" in done.stdout


def test_all_legs_are_listed_with_what_they_do_and_what_must_hold() -> None:
    done = chaos("--list")
    assert done.returncode == 0
    assert [name for name in LEGS if f" {name} " not in done.stdout] == []
    assert all(one.sentence.endswith(".") and one.criterion for one in LEGS.values())


def test_the_page_about_chaos_names_each_leg_and_no_other() -> None:
    rows = [line.split("`")[1] for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    assert sorted(rows) == sorted(LEGS)
