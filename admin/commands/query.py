"""What routes that send one command of their own have in common: how long to wait, and what may go wrong."""

from typing import Annotated

import msgspec

PROBLEMS = {
    409: "The charge point is offline, or what the specification forbids was asked; nothing was sent.",
    429: "Too many commands wait for this charge point; nothing was sent. See Retry-After.",
    502: "The charge point answered with a CALLERROR: `code`, `description` and `details` are its own. "
    "Or its answer cannot be read: then they say why.",
    504: "No answer before the deadline. `id` names the command: a late answer shows there.",
}


class TimeoutQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    timeout: Annotated[
        float,
        msgspec.Meta(ge=1, le=600, description="Seconds that the charge point has for each of its answers."),
    ] = 30.0


class WaitQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    wait: Annotated[
        Annotated[float, msgspec.Meta(ge=0, le=600)] | None,
        msgspec.Meta(
            description="Seconds to wait for the answer; 0 answers 202 at once. By default `timeout`."
        ),
    ] = None
    timeout: Annotated[
        float,
        msgspec.Meta(
            ge=1, le=600, description="Seconds that the charge point has for its answer: the deadline."
        ),
    ] = 30.0


class DeleteQuery(WaitQuery, frozen=True, forbid_unknown_fields=True):
    only_here: Annotated[
        bool,
        msgspec.Meta(description="true: strike it from this list; the charge point is not asked."),
    ] = False
