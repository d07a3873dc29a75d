"""What a person can mend is said in one line; everything else is a bug and keeps its traceback."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from admin.cli.data_dir import DataDirUnusable
from admin.cli.ports import PortOccupied
from admin.cli.supervisor import ChildFailed
from gateway.service.config import ConfigError
from gateway.service.masking import mask_text
from state.errors import StateError


class Refused(Exception):  # noqa: N818  it is a sentence for a person
    """What the command asks for cannot be done; the text is one line."""


_EXPECTED = (Refused, ConfigError, DataDirUnusable, PortOccupied, ChildFailed, StateError, OSError)


@contextmanager
def said_in_one_line(command: str) -> Iterator[None]:
    """End the process with status 1 and one line on stderr if the block raises what a person can mend."""
    try:
        yield
    except _EXPECTED as error:
        _say(command, error)
    except BaseExceptionGroup as group:
        rest = group.split(_EXPECTED)[1]
        if rest is not None:
            raise
        _say(command, _first(group))


def _first(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _say(command: str, error: BaseException) -> None:
    text = " ".join(str(error).split()) or type(error).__name__
    sys.stderr.write(f"{command}: {mask_text(text)}\n")
    sys.exit(1)
