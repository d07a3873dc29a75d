"""End a command with one line on stderr if a person can fix the cause of its failure.

Any other failure is a bug and ends the command with a traceback.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar

from admin.cli.child_output import ChildFailed
from admin.cli.data_dir import DataDirUnusable
from admin.cli.ports import PortOccupied
from gateway.service.config import ConfigError
from gateway.service.masking import mask_text
from state.errors import StateError


class CommandRefused(Exception):  # noqa: N818  it is a sentence for a person
    """The command cannot do what the person wants.

    The text of the error is one line that gives the reason.
    """

    exit_code: ClassVar[int] = 1


_EXPECTED = (CommandRefused, ConfigError, DataDirUnusable, PortOccupied, ChildFailed, StateError, OSError)


@contextmanager
def report_failures(command: str) -> Iterator[None]:
    """If the block raises an error that a person can fix, write one line to stderr and exit.

    The exit code is 1, or the one that a CommandRefused names.
    """
    try:
        yield
    except _EXPECTED as error:
        _exit_with(command, error)
    except BaseExceptionGroup as group:
        rest = group.split(_EXPECTED)[1]
        if rest is not None:
            raise
        _exit_with(command, _find_first(group))


def _find_first(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _describe(error: BaseException) -> str:
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return f"cannot use {error.filename}: {error.strerror}"
    return str(error)


def _exit_with(command: str, error: BaseException) -> None:
    text = " ".join(_describe(error).split()) or type(error).__name__
    sys.stderr.write(f"{command}: {mask_text(text)}\n")
    sys.exit(error.exit_code if isinstance(error, CommandRefused) else 1)
