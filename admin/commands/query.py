"""Parameters and problems that all routes share that send a command: how long to wait, what may go wrong."""

from typing import Annotated

import msgspec

PROBLEMS = {
    409: "The charge point is offline, or the specification forbids the command. Nothing was sent.",
    429: "Too many commands wait for this charge point. Nothing was sent. See Retry-After.",
    502: "The charge point answered with a CALLERROR, whose `code`, `description` and `details` follow. "
    "If its answer cannot be read, these members say why.",
    504: "No answer came before the deadline. Read the command `id` later to see a late answer.",
}


class TimeoutQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    timeout: Annotated[
        float,
        msgspec.Meta(ge=1, le=600, description="Seconds that the charge point has for each answer."),
    ] = 30.0


class WaitQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    wait: Annotated[
        Annotated[float, msgspec.Meta(ge=0, le=600)] | None,
        msgspec.Meta(
            description="Seconds to wait for the answer. 0 means 202 at once. The default is `timeout`."
        ),
    ] = None
    timeout: Annotated[
        float,
        msgspec.Meta(
            ge=1, le=600, description="Seconds until the deadline for the answer of the charge point."
        ),
    ] = 30.0


class DeleteQuery(WaitQuery, frozen=True, forbid_unknown_fields=True):
    only_here: Annotated[
        bool,
        msgspec.Meta(description="true removes the entry from this list and asks the charge point nothing."),
    ] = False
