"""Report to the parent process that we serve: one line of JSON into the pipe that CSMS__READY_FD names."""

import os

import msgspec


def announce(ports: dict[str, int]) -> None:
    """Write the ports and close the pipe. Does nothing if the parent did not ask."""
    descriptor = os.environ.pop("CSMS__READY_FD", None)
    if descriptor is not None:
        with open(int(descriptor), "wb") as pipe:  # noqa: PTH123  a descriptor, not a path
            pipe.write(msgspec.json.encode(ports) + b"\n")
