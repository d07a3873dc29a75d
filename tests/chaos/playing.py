"""Plays legs, each on a fresh directory and within a bounded time, and shows what they found."""

import shutil
import tempfile
import time
import traceback
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import trio
from rich.console import Console
from rich.table import Table

from tests.chaos.bench import LEGS, Bench, Leg, Report, Skipped
from tests.system.central import central_system

_LEAST_LIMIT_S = 600.0


@dataclass(frozen=True)
class Played:
    leg: Leg
    report: Report
    seconds: float
    seed: int

    @property
    def passed(self) -> bool:
        return not self.report.failures


def play(name: str, scale: float, seed: int, *, minutes: float | None = None, aloud: bool = False) -> Played:
    """Play one leg. Call this in the main thread, because the leg starts processes."""
    leg, began = LEGS[name], time.monotonic()
    with _fresh_directory() as directory:
        bench = Bench(directory, scale, seed, minutes=minutes, aloud=aloud)
        try:
            if leg.central:
                with central_system(directory / "central") as bench.central:
                    trio.run(_bounded, leg, bench)
                _judge_logs(bench)
            else:
                trio.run(_bounded, leg, bench)
        except Skipped as why:
            bench.report.skipped = str(why)
            bench.say(f"skipped: {why}")
        except Exception as error:  # noqa: BLE001  the other legs are still to be played
            bench.require(False, f"the leg broke off: {_describe(error)}")
            if aloud:
                traceback.print_exception(error)
    return Played(leg, bench.report, time.monotonic() - began, seed)


async def _bounded(leg: Leg, bench: Bench) -> None:
    minutes = leg.minutes if bench.minutes is None else max(leg.minutes, bench.minutes)
    with trio.fail_after(max(_LEAST_LIMIT_S, 3 * 60 * minutes * max(1.0, bench.scale))):
        await leg.play(bench)


def _judge_logs(bench: Bench) -> None:
    """Whatever happened to a process, csms must have handled it without an unexpected error."""
    for log in bench.central.directory.glob("*.log"):
        found = [line for line in log.read_text(errors="replace").splitlines() if "Traceback" in line]
        bench.require(not found, f"{len(found)} tracebacks in {log.name}: {(found or [''])[0][:1000]}")


@contextmanager
def _fresh_directory() -> Iterator[Path]:
    # The path of a unix socket must be short.
    directory = Path(tempfile.mkdtemp(prefix="chaos-"))
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _describe(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}"[:2000]


def show(played: Sequence[Played], console: Console) -> None:
    table = Table("leg", "verdict", "time", "figures", title="chaos")
    for one in played:
        figures = "\n".join(f"{name}: {value}" for name, value in one.report.figures)
        table.add_row(one.leg.name, _verdict(one.report), f"{one.seconds:.0f} s", figures, end_section=True)
    console.print(table)


def _verdict(report: Report) -> str:
    if report.failures:
        return "\n".join(["FAILED", *report.failures])
    return "passed" if report.skipped is None else f"skipped: {report.skipped}"


def describe(legs: Iterable[Leg], console: Console) -> None:
    table = Table("leg", "minutes at scale 1", "what it does", "what must hold")
    for one in legs:
        table.add_row(one.name, f"{one.minutes:g}", one.sentence, one.criterion, end_section=True)
    console.print(table)
