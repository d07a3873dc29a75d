"""Reports to the parent process that this process is ready to serve.

The report is one line of JSON in the pipe whose descriptor is in CSMS__READY_FD.
"""

import os

import msgspec


def announce(ports: dict[str, int]) -> None:
    """Write the ports and close the pipe. Do nothing if the parent gave no pipe."""
    descriptor = os.environ.pop("CSMS__READY_FD", None)
    if descriptor is not None:
        with open(int(descriptor), "wb") as pipe:  # noqa: PTH123  a descriptor, not a path
            pipe.write(msgspec.json.encode(ports) + b"\n")
