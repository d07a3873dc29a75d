"""Stored messages of meter values, read item by item, or raw as the charge point sent them."""

from typing import Annotated, Any

import msgspec

from admin.http import times
from admin.http.times import Time
from admin.routes.members import AsSent, ReceivedAt
from state.transactions.stored_values import StoredValues

Source = Annotated[
    str,
    msgspec.Meta(
        description="Where the values came from: MeterValues (the message MeterValues) or "
        "transactionData (the member of StopTransaction).",
        examples=["MeterValues"],
    ),
]


class MeterValueAnswer(msgspec.Struct, frozen=True):
    """A MeterValue, with the member names of OCPP 1.6, and the message that contained it."""

    timestamp: Annotated[
        Time,
        msgspec.Meta(
            description="When the values were measured, by the clock of the charge point. If the time cannot "
            "be read, the time in `received_at` is used."
        ),
    ]
    sampledValue: Annotated[  # noqa: N815  the name in OCPP
        list[dict[str, Any]],
        msgspec.Meta(
            description="SampledValues as the charge point sent them. A value without `measurand` is "
            "Energy.Active.Import.Register, and energy without `unit` is in Wh (OCPP 1.6 section 7.43).",
            examples=[[{"value": "1520", "measurand": "Energy.Active.Import.Register", "unit": "Wh"}]],
        ),
    ]
    source: Source
    received_at: ReceivedAt


class RawMessageAnswer(msgspec.Struct, frozen=True):
    """The meter values of one message as the charge point sent them."""

    source: Source
    received_at: ReceivedAt
    values: Annotated[
        Any,
        msgspec.Meta(
            description="The member `meterValue` or `transactionData`. It should be a list of MeterValues, "
            "but some charge points send other JSON. csms has repaired only what can mean one thing, such as "
            "a number that must be text or a word in another case."
        ),
    ]
    as_sent: AsSent = None


Raw = Annotated[
    bool,
    msgspec.Meta(
        description="true also returns each message as the charge point sent it, with the parts that are "
        "not in `items` because they cannot be read as MeterValues."
    ),
]


RawMessages = Annotated[
    list[RawMessageAnswer] | None,
    msgspec.Meta(description="The messages as the charge point sent them. null unless `raw` is true."),
]


def read_items(message: StoredValues) -> list[dict[str, Any]]:
    """Return each MeterValue of a message as a MeterValueAnswer. Other parts are left out."""
    received = times.text(message.received_ms)
    return [
        {
            **value,
            "timestamp": _normalise(value.get("timestamp")) or received,
            "sampledValue": _objects(value.get("sampledValue")),
            "source": _source(message),
            "received_at": received,
        }
        for value in map(_read_object, _objects(msgspec.Raw(message.payload)))
    ]


def read_raw(message: StoredValues) -> RawMessageAnswer:
    return RawMessageAnswer(
        source=_source(message),
        received_at=times.text(message.received_ms),
        values=msgspec.Raw(message.payload),
        as_sent=None if message.as_sent is None else msgspec.Raw(message.as_sent),
    )


def _source(message: StoredValues) -> str:
    return "transactionData" if message.of_stop else "MeterValues"


def _objects(written: msgspec.Raw | None) -> list[msgspec.Raw]:
    """Return the objects of a list. A single object counts as a list of one (fault object_for_list)."""
    if written is None:
        return []
    if bytes(written).lstrip()[:1] == b"{":
        return [written]
    try:
        items = msgspec.json.decode(written, type=list[msgspec.Raw])
    except (msgspec.ValidationError, RecursionError):
        return []
    return [item for item in items if bytes(item)[:1] == b"{"]


_read_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def _normalise(sent: msgspec.Raw | None) -> str | None:
    # Only a text is decoded, because the decoder refuses numbers of thousands of digits, and deep lists.
    if sent is None or bytes(sent)[:1] != b'"':
        return None
    return times.normalise(msgspec.json.decode(sent, type=str))
