"""The command and its exit codes (__main__.py)."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.bench.check import __main__ as command
from tests.bench.check import measuring, recorded
from tests.bench.check.parts import PARTS

type Run = Callable[..., int]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Run the command where every part has the ratio 1, except those in `ratios`. Return its exit code."""
    load, save, file = recorded.load, recorded.save, tmp_path / "recorded.json"
    monkeypatch.setattr(recorded, "load", lambda: load(file))
    monkeypatch.setattr(recorded, "save", lambda made: save(made, file))
    monkeypatch.setattr(measuring, "is_installed", lambda: True)

    def run(*options: str, **ratios: float) -> int:
        def measure(names: Sequence[str]) -> dict[str, float]:
            return {name: ratios.get(name, 1.0) for name in names}

        monkeypatch.setattr(measuring, "measure", measure)
        monkeypatch.setattr(sys, "argv", ["check", *options])
        try:
            command.main()
        except SystemExit as end:
            return int(end.code or 0)
        return 0

    return run


def test_the_same_ratios_as_recorded_are_fine(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--record") == 0
    assert run(stop=1.1) == 0
    out = capsys.readouterr().out
    assert f"Recorded {len(PARTS)} parts" in out
    assert "No part changed by more than 15%." in out
    assert all(part.what in out for part in PARTS.values())


def test_a_dearer_part_fails_and_is_named(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    run("--record")
    assert run(stop=1.2) == 1
    assert "More than 15% dearer: stop." in capsys.readouterr().out
    assert run("--record", stop=1.2) == 0
    assert run(stop=1.2) == 0


def test_a_cheaper_part_is_named_but_does_not_fail(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    run("--record")
    assert run(stop=0.8) == 0
    assert "More than 15% cheaper: stop." in capsys.readouterr().out


def test_only_the_chosen_parts_are_compared(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    run("--record")
    assert run("--parts", "frames,start", stop=1.2) == 0
    assert PARTS["stop"].what not in capsys.readouterr().out


def test_nothing_is_compared_without_recorded_ratios(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run() == 2
    assert "Nothing is recorded" in capsys.readouterr().err


def test_a_part_that_cannot_be_measured_is_an_error_of_its_own(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run("--record")
    monkeypatch.setattr(recorded, "compare", lambda *_: (_ for _ in ()).throw(measuring.NotMeasured("why")))
    assert run() == 2
    assert capsys.readouterr().err == "bench-check: why\n"


def test_a_machine_without_valgrind_is_told_what_to_install(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(measuring, "is_installed", lambda: False)
    assert run("--record") == 3
    assert "apt-get install valgrind" in capsys.readouterr().err


@pytest.mark.parametrize("options", [("--parts", "frames,other"), ("--record", "--parts", "frames")])
def test_options_that_make_no_sense_are_refused(run: Run, options: tuple[str, ...]) -> None:
    assert run(*options) == 2
