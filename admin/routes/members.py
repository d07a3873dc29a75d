"""Members that several answers share, so that each has one description."""

from typing import Annotated, Any

from msgspec import Meta

from admin.http.times import Time

ChargePointName = Annotated[str, Meta(description="Identity of the charge point.", examples=["CP-1"])]
CommandId = Annotated[
    str,
    Meta(
        description="Id of the command; use it to read the command.", examples=["a3.Zt1bnqkC9T4Yl2rH0dW5uA"]
    ),
]
ConnectorId = Annotated[
    int,
    Meta(description="Number of the connector, from 1. 0 is the charge point as a whole.", examples=[1]),
]
AsSent = Annotated[
    Any,
    Meta(
        description="Members of the message that csms repaired or could not read, as the charge point sent "
        "them. A long value is cut. The member `frame` is the whole frame, if its JSON was repaired. null "
        "means that csms read the message as it was sent.",
        examples=[{"meterStop": "26,008"}],
    ),
]
ReceivedAt = Annotated[Time, Meta(description="When the gateway received the message from the charge point.")]
