"""The filters of charge points, which the list of charge points and batches share."""

from typing import Annotated, Literal

import msgspec

from gateway.ocpp16.messages.core import RegistrationStatus
from state.troubles import TroubleKind

Online = Annotated[
    bool | None,
    msgspec.Meta(
        description="true finds only charge points that are connected now, and false finds only charge "
        "points that are not connected now."
    ),
]
WithBootStatus = Annotated[
    RegistrationStatus | None,
    msgspec.Meta(description="Find only charge points whose last BootNotification got this answer."),
]
Prefix = Annotated[
    Annotated[str, msgspec.Meta(max_length=255)] | None,
    msgspec.Meta(description="Find only charge points whose id begins with this text.", examples=["DEPOT-"]),
]
type TroubleOrAny = TroubleKind | Literal["any"]


class BatchFilter(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Which charge points a batch reaches. A charge point must pass each member. `{}` finds all of them."""

    online: Online = None
    boot_status: WithBootStatus = None
    prefix: Prefix = None
    trouble: Annotated[
        TroubleOrAny | None,
        msgspec.Meta(description="Find only charge points with this trouble, or with `any` trouble."),
    ] = None
    charge_points: Annotated[
        Annotated[
            tuple[Annotated[str, msgspec.Meta(min_length=1, max_length=255)], ...],
            msgspec.Meta(min_length=1),
        ]
        | None,
        msgspec.Meta(
            description="Find only these charge points. Each of them must be registered.",
            examples=[["CP-1", "CP-2"]],
        ),
    ] = None
