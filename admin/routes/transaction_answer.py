"""A transaction as the API shows it."""

from typing import Annotated, Literal

import msgspec

from admin.http import convert, times
from admin.http.times import Time
from admin.routes.members import AsSent, ChargePointName
from state.transactions import listing
from state.transactions.listing import State, Transaction


class EndAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The end of a transaction by an operator, because its StopTransaction did not come."""

    at: Annotated[
        Time,
        msgspec.Meta(description="When the transaction ended. `at_source` says where this time is from."),
    ]
    at_source: Annotated[
        Literal["given", "meter_values", "start"],
        msgspec.Meta(
            description="Where `at` is from. `given` is the request of the operator, `meter_values` the last "
            "meter values of the transaction, and `start` the StartTransaction.",
            examples=["meter_values"],
        ),
    ]
    meter: Annotated[
        int | None,
        msgspec.Meta(
            description="Meter reading at the end, in Wh. null means that the reading is unknown.",
            examples=[1600],
        ),
    ]
    meter_source: Annotated[
        Literal["given", "meter_values"] | None,
        msgspec.Meta(
            description="Where `meter` is from. `given` is the request of the operator, and `meter_values` "
            "the last energy register among the meter values of the transaction. null means that `meter` is "
            "null.",
            examples=["meter_values"],
        ),
    ]
    received_at: Annotated[
        Time, msgspec.Meta(description="When csms received the request of the operator, by its own clock.")
    ]
    api_key: Annotated[
        str, msgspec.Meta(description="Id of the API key of the request.", examples=["Zt1bnqkC"])
    ]


class TransactionAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A transaction. Until its StopTransaction comes, the members that come from StopTransaction are null."""

    id: Annotated[
        str,
        msgspec.Meta(
            description="Public id of the transaction, `<charge point>.<transaction_id>`.",
            examples=["CP-1.59791234"],
        ),
    ]
    transaction_id: Annotated[
        int, msgspec.Meta(description="transactionId of OCPP messages.", examples=[59791234])
    ]
    state: Annotated[
        State,
        msgspec.Meta(
            description="`open` means that the transaction runs, as far as csms knows. `stopped` means that "
            "the charge point sent its StopTransaction. `ended` means that an operator ended the "
            "transaction, and no StopTransaction has come.",
            examples=["stopped"],
        ),
    ]
    charge_point: ChargePointName
    connector_id: Annotated[
        int | None,
        msgspec.Meta(
            description="Number of the connector. null means that csms could not read it; `as_sent` shows "
            "what the charge point sent.",
            examples=[1],
        ),
    ]
    id_tag: Annotated[
        str,
        msgspec.Meta(
            description="Id tag that started the transaction. An empty text means that csms could not read "
            "it.",
            examples=["04A2B3C4D5"],
        ),
    ]
    started_at: Annotated[
        Time,
        msgspec.Meta(
            description="When the transaction started, by the clock of the charge point. If the time cannot "
            "be read, the time of receipt is used."
        ),
    ]
    meter_start: Annotated[
        int | None,
        msgspec.Meta(
            description="Meter reading at the start, in Wh. null means that csms could not read it; "
            "`as_sent` shows what the charge point sent."
        ),
    ]
    stopped_at: Annotated[
        Time | None,
        msgspec.Meta(
            description="When the transaction stopped, by the clock of the charge point. If the time cannot "
            "be read, the time of receipt is used. null means that no StopTransaction has come."
        ),
    ]
    meter_stop: Annotated[
        int | None,
        msgspec.Meta(
            description="Meter reading at the stop, in Wh. null means that no StopTransaction has come, or "
            "that csms could not read it; `stop_as_sent` shows what the charge point sent."
        ),
    ]
    stop_id_tag: Annotated[
        str | None,
        msgspec.Meta(
            description="Id tag that stopped the transaction. null means that no StopTransaction has come, "
            "or that the charge point sent no id tag."
        ),
    ]
    reason: Annotated[
        str | None,
        msgspec.Meta(
            description="Reason of OCPP 1.6 for the stop. null means that no StopTransaction has come, or "
            "that the charge point sent no reason, which in OCPP means Local.",
            examples=["EVDisconnected"],
        ),
    ]
    energy_wh: Annotated[
        int | None,
        msgspec.Meta(
            description="Energy in Wh: `meter_stop` minus `meter_start`, even if that is negative. If the "
            "state is `ended`, the meter reading in `ended` is used instead of `meter_stop`. null means that "
            "the transaction is open, or that one of the readings is unknown.",
            examples=[1500],
        ),
    ]
    reservation_id: Annotated[
        int | None,
        msgspec.Meta(
            description="Id of the reservation with which the transaction began. null means that the "
            "transaction began without a reservation."
        ),
    ]
    as_sent: AsSent
    stop_as_sent: AsSent
    contradicting_stops: Annotated[
        int,
        msgspec.Meta(
            description="How many other StopTransactions of this transaction the charge point sent, which "
            "differ from the stop shown here. They are among its orphaned stops."
        ),
    ]
    dropped_meter_values: Annotated[
        int,
        msgspec.Meta(
            description="How many messages of meter values csms did not keep, because the transaction had "
            "100,000 messages, or 32 MiB of long messages. A repeated message counts again."
        ),
    ]
    archived: Annotated[
        bool,
        msgspec.Meta(
            description="true means that the transaction has left the store, and was read from the archive."
        ),
    ]
    ended: Annotated[
        EndAnswer | None,
        msgspec.Meta(
            description="The end of the transaction by an operator. It stays here if the StopTransaction "
            "comes later. null means that no operator ended the transaction."
        ),
    ]


def answer_transaction(transaction: Transaction, *, archived: bool = False) -> TransactionAnswer:
    return convert(
        transaction,
        TransactionAnswer,
        id=listing.public_id(transaction.charge_point, transaction.id),
        transaction_id=transaction.id,
        archived=archived,
        as_sent=None if transaction.as_sent is None else msgspec.Raw(transaction.as_sent.encode()),
        stop_as_sent=None
        if transaction.stop_as_sent is None
        else msgspec.Raw(transaction.stop_as_sent.encode()),
        started_at=times.sent_or(transaction.started_at, transaction.started_ms),
        stopped_at=None
        if transaction.stopped_at is None
        else times.sent_or(transaction.stopped_at, transaction.stopped_ms or 0),
        ended=None if transaction.ended_ms is None else _answer_end(transaction, transaction.ended_ms),
    )


def _answer_end(transaction: Transaction, ended_ms: int) -> EndAnswer:
    return convert(
        transaction,
        EndAnswer,
        at=times.text(ended_ms),
        at_source=transaction.ended_source,
        meter=transaction.ended_meter,
        meter_source=transaction.ended_meter_source,
        received_at=times.maybe_text(transaction.ended_received_ms),
        api_key=transaction.ended_by,
    )
