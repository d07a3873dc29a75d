"""The machine that a part of a run is on."""

import os
import platform

from loadtest.results import Machine
from loadtest.run.dividing import count_cores


def describe_machine(part: tuple[int, int]) -> Machine:
    """Describe this machine without its name. `part` is the number of its part from 0, and of the parts."""
    number, parts = part
    return Machine(
        name=f"part {number + 1} of {parts}",
        cpus=count_cores(),
        memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        python=platform.python_version(),
        kernel=f"{platform.system()} {platform.release()}",
    )
