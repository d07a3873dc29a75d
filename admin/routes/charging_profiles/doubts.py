"""Doubts: reasons why a charge point may not have the charging profiles that it accepted."""

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
    """A reason why the charge point may have other profiles than the list.

    A doubt ends when the profile is set or cleared again, or when an operator corrects the list by hand.
    """

    charging_profile_id: Annotated[
        int | None,
        msgspec.Meta(
            description="chargingProfileId of the profile in doubt. null means that any profile may be "
            "affected."
        ),
    ]
    since: Annotated[Time, msgspec.Meta(description="When the doubt began.")]
    why: Annotated[
        Why,
        msgspec.Meta(
            description="`timeout` means that a command had no answer before its deadline. `unknown` means "
            "that the outcome of a command is not known. `full` means that the charge point accepted more "
            "profiles than csms can list. `not_found` means that the charge point found no profile to clear, "
            "although a matching profile is listed. `not_running` means that, as far as csms knows, the "
            "transaction of a TxProfile is not running."
        ),
    ]
    because: Annotated[str, msgspec.Meta(description="The reason as a sentence for people.")]
    command: Annotated[
        str | None,
        msgspec.Meta(
            description="Id of the command that caused the doubt. null means that the command is not known."
        ),
    ]


def doubt_answer(one: Doubt) -> DoubtAnswer:
    return convert(
        one,
        DoubtAnswer,
        charging_profile_id=one.profile_id,
        because=_BECAUSE[one.why].format(action=one.action),
        command=one.command_id,
    )
