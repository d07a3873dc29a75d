"""The troubles of a charge point as the API shows them."""

from collections.abc import Iterable
from typing import Annotated

import msgspec
from msgspec import Meta

from admin.http import times
from admin.http.times import Time
from state.troubles import KINDS, Trouble, TroubleKind


class TroubleAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Something that troubles a charge point. It ends by itself when its cause ends."""

    kind: Annotated[
        TroubleKind,
        Meta(
            description="The kind of the trouble. docs/troubles.md says when each kind begins and ends.",
            examples=["deaf"],
        ),
    ]
    since: Annotated[
        Time,
        Meta(
            description="Since when the trouble lasts. docs/troubles.md says how each kind begins. For "
            "`refused` this is the first refusal of those that came one after the other, without a "
            "connection in between."
        ),
    ]
    detail: Annotated[
        str, Meta(description="What csms saw.", examples=["the last 3 commands had no answer in time"])
    ]
    what_to_do: Annotated[str, Meta(description="What an operator should do, in a sentence.")]


def answers_of(troubles: Iterable[Trouble]) -> tuple[TroubleAnswer, ...]:
    return tuple(
        TroubleAnswer(
            kind=one.kind, since=times.text(one.since_ms), detail=one.detail, what_to_do=KINDS[one.kind].do
        )
        for one in troubles
    )
