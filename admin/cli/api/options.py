"""The options that all commands over the admin API share."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Group, Parameter
from cyclopts.validators import Number

type Form = Literal["table", "json"]

_SERVER = Group("Server", sort_key=10)


@Parameter(name="*", group=_SERVER)
@dataclass(frozen=True)
class Options:
    """Which server a command asks, and how it prints the answer."""

    output: Annotated[
        Form,
        Parameter(
            name=["--output", "-o"], help="`table` is for people. `json` prints one JSON object on each line."
        ),
    ] = "table"
    profile: Annotated[
        str | None,
        Parameter(
            help="A profile of the file that `csms profiles list` shows. The variable CSMS_PROFILE does the "
            "same."
        ),
    ] = None
    data_dir: Annotated[
        Path | None,
        Parameter(
            help="The data directory of a running `csms up`. Without this option and --profile, the command "
            "uses the variables CSMS_PROFILE or CSMS_API_URL, then `csms-data` in the current directory, "
            "then the default profile."
        ),
    ] = None
    tenant: Annotated[
        str | None, Parameter(help="The tenant, if it is not the one of the profile or of CSMS_TENANT.")
    ] = None


DEFAULT = Options()


@Parameter(name="*")
@dataclass(frozen=True)
class Bounds:
    """How many items of a list a command prints."""

    limit: Annotated[
        int, Parameter(help="The greatest number of items to print.", validator=Number(gte=1))
    ] = 100
    all: Annotated[bool, Parameter(negative=(), help="Print all items, however many there are.")] = False


BOUNDS = Bounds()
