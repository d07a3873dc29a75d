"""Doubts: why a charge point may not have the charging profiles that it accepted."""

from typing import Annotated

import msgspec

from admin.http import convert
from admin.http.times import Time
from state.features.charging_profiles import Doubt, Why

_BECAUSE = {
    "timeout": "{action} had no answer before its deadline. The charge point may have acted on it.",
    "unknown": "Our gateway process died after it sent {action}. The charge point may have acted on it.",
    "full": "The charge point accepted a profile that is not listed, because 200 others are.",
    "not_found": "The charge point found nothing to clear, although this profile matches.",
    "not_running": "As far as we know, the transaction of this profile is not running. The profile ends with "
    "it.",
}


class DoubtAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Why the charge point may have other profiles than those listed.

    A doubt ends when the profile is set or cleared again, or corrected by hand.
    """

    charging_profile_id: Annotated[
        int | None,
        msgspec.Meta(
            description="chargingProfileId of the profile in doubt. null means that it may be any profile."
        ),
    ]
    since: Annotated[Time, msgspec.Meta(description="When the doubt began.")]
    why: Annotated[
        Why,
        msgspec.Meta(
            description="timeout: a command had no answer before its deadline. unknown: the outcome of a "
            "command is not known. full: the charge point accepted more profiles than are listed. not_found: "
            "the charge point found nothing to clear where a profile is listed. not_running: the transaction "
            "of a TxProfile is not known to run."
        ),
    ]
    because: Annotated[str, msgspec.Meta(description="The reason as a sentence for people.")]
    command: Annotated[
        str | None, msgspec.Meta(description="Id of the command. null means that it is not known.")
    ]


def doubt_answer(one: Doubt) -> DoubtAnswer:
    return convert(
        one,
        DoubtAnswer,
        charging_profile_id=one.profile_id,
        because=_BECAUSE[one.why].format(action=one.action),
        command=one.command_id,
    )
