"""The option `--config` of the commands that are processes of a system."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

type Config = Annotated[
    Path | None,
    Parameter(
        help="TOML file. CSMS__SECTION__KEY variables override the file. Put secrets into variables, or into "
        "files whose paths are in settings with names like `pepper_file`."
    ),
]
