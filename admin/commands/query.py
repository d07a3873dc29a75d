"""Parameters and problems of all routes that send a command, for instance how long to wait for the answer."""

from typing import Annotated

import msgspec

PROBLEMS = {
    409: "The charge point is offline, the specification forbids the command, or the command was cancelled. "
    "csms sent nothing to the charge point.",
    429: "Too many commands wait for this charge point. csms sent nothing to the charge point. The header "
    "Retry-After says when to try again.",
    502: "The charge point answered with a CALLERROR, or csms cannot read the answer. The `code`, "
    "`description` and `details` of the problem document are those of the CALLERROR, or say why csms cannot "
    "read the answer.",
    504: "No answer came before the deadline. csms stores a late answer; to see it, read the command by its "
    "`id` later.",
}


ONLINE_S = 24 * 3600.0
"""How long a command waits for its charge point by default, if it may wait."""
OnlineWithin = Annotated[float, msgspec.Meta(ge=1, le=30 * 24 * 3600)]
"""Seconds for which a command may wait until its charge point is online."""


class TimeoutQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    timeout: Annotated[
        float,
        msgspec.Meta(
            ge=1, le=600, description="Seconds within which the charge point must answer each request."
        ),
    ] = 30.0


class WaitQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    wait: Annotated[
        Annotated[float, msgspec.Meta(ge=0, le=600)] | None,
        msgspec.Meta(
            description="Seconds to wait for the answer. With 0, the API answers 202 at once. The default is "
            "the value of `timeout`."
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
        msgspec.Meta(
            description="If this is true, csms only removes the entry from the list in csms, and sends "
            "nothing to the charge point."
        ),
    ] = False
