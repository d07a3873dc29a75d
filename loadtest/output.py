"""What a command of the load test leaves: its files, its summary, and its complaints on standard error."""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from rich.console import Console

from loadtest.measuring.verdict import EXIT_CODES
from loadtest.reports import html, json_file, junit, summary
from loadtest.results import Results
from loadtest.run.options import BadOptions

WIDTH = 120
"""Columns of the output, unless a terminal says otherwise."""


def report(results: Results, output: Path | None, html_file: Path | None, junit_file: Path | None) -> int:
    """Write the files first, because the summary fails if nobody reads it any more."""
    unwritten = list(
        write_files(
            (output, partial(json_file.write, results)),
            (html_file, partial(html.write, results)),
            (junit_file, partial(junit.write, results)),
        )
    )
    try:
        summary.show(results, make_console())
        sys.stdout.flush()
    except OSError as error:
        unwritten.append(f"the summary cannot be written: {error.strerror or error}; see the files")
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # The exit of Python writes what is left.
    complained = complain(unwritten)
    return results.exit_code if results.ended == "interrupted" else complained or results.exit_code


def write_files(*files: tuple[Path | None, Callable[[Path], None]]) -> Iterator[str]:
    """Write each file that was asked for. Yield why one could not be written, and go on with the next."""
    for path, write in files:
        try:
            if path is not None:
                write(path)
        except OSError as error:
            yield f"{path}: cannot be written: {error.strerror or error}; give another place"


def complain(unwritten: Sequence[str]) -> int:
    """Return the exit code of files that were asked for and are not there, or 0."""
    for line in unwritten:
        say(line)
    return EXIT_CODES["configuration"] if unwritten else 0


def say(line: str) -> None:
    """Write to standard error, unless nobody reads it any more."""
    with suppress(OSError):
        sys.stderr.write(f"csms loadtest: {line}\n")
        sys.stderr.flush()


def require_directories(*files: Path | None) -> None:
    for file in files:
        if file is None:
            continue
        if not file.parent.is_dir():
            raise BadOptions(f"{file}: the directory {file.parent} does not exist; make it before the run")
        if file.is_dir():
            raise BadOptions(f"{file}: this is a directory; give the name of a file in it")
        if not os.access(file.parent, os.W_OK):
            raise BadOptions(f"{file}: no file can be written into {file.parent}; give another directory")


def make_console() -> Console:
    return Console(width=None if sys.stdout.isatty() else WIDTH)
