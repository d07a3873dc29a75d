"""Why we cannot be sure that a charge point has what it accepted."""

from typing import Annotated

import msgspec

from admin.http import convert
from state.features.charging_profiles import Doubt, Why

_BECAUSE = {
    "timeout": "{action} had no answer before its deadline; the charge point may have acted on it.",
    "unknown": "Our node died after sending {action}; the charge point may have acted on it.",
    "full": "The charge point accepted one more profile than are kept here.",
    "not_found": "The charge point found nothing to clear, though this profile should have matched.",
    "not_running": "The transaction that it is for is not running, as far as we know, and it ends with that.",
}


class DoubtAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Why we cannot be sure. It ends when the profile is set or cleared again, or corrected by hand."""

    charging_profile_id: Annotated[int | None, msgspec.Meta(description="null: any may be concerned.")]
    since: str
    why: Why
    because: Annotated[str, msgspec.Meta(description="The same for people.")]
    command: Annotated[str | None, msgspec.Meta(description="Id of the command, if it is known.")]


def doubt_answer(one: Doubt) -> DoubtAnswer:
    return convert(
        one,
        DoubtAnswer,
        charging_profile_id=one.profile_id,
        because=_BECAUSE[one.why].format(action=one.action),
        command=one.command_id,
    )
