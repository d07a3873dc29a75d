"""A transaction as the API shows it."""

from typing import Annotated, Literal

import msgspec

from admin.http import convert, times
from admin.http.times import Time
from admin.routes.members import AsSent, ChargePointName
from state.transactions import listing
from state.transactions.listing import State, Transaction

OfChargePoint = Annotated[
    str | None, msgspec.Meta(description="List only transactions of this charge point.")
]
OfIdTag = Annotated[
    str | None,
    msgspec.Meta(
        description="List only transactions that this id tag started. Upper and lower case are the same."
    ),
]


class EndAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The end of a transaction whose StopTransaction did not come, by an operator or a policy."""

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
        Time,
        msgspec.Meta(
            description="When csms received the request of the operator, or ended the transaction by itself."
        ),
    ]
    api_key: Annotated[
        str | None,
        msgspec.Meta(
            description="Id of the API key of the request. null means that a policy ended the transaction.",
            examples=["Zt1bnqkC"],
        ),
    ]
    policy: Annotated[
        Literal["superseded", "age"] | None,
        msgspec.Meta(
            description="Setting of the tenant because of which csms ended the transaction by itself: "
            "`superseded` is `end_superseded`, and `age` is `end_after_days`. null means that an operator "
            "ended the transaction."
        ),
    ]


class JoinAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """An operator said that an orphaned stop is the stop of this transaction."""

    at: Annotated[Time, msgspec.Meta(description="When csms received the request of the operator.")]
    api_key: Annotated[
        str, msgspec.Meta(description="Id of the API key of the request.", examples=["Zt1bnqkC"])
    ]


class TransactionAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A transaction. Until its StopTransaction comes, the members that come from StopTransaction are null."""

    id: Annotated[
        str,
        msgspec.Meta(
            description="Public id of the transaction, `<charge point>.<ocpp_transaction_id>`. Commands, "
            "events and other records name it `transaction_id`.",
            examples=["CP-1.59791234"],
        ),
    ]
    ocpp_transaction_id: Annotated[
        int, msgspec.Meta(description="transactionId of OCPP messages.", examples=[59791234])
    ]
    state: Annotated[
        State,
        msgspec.Meta(
            description="`open` means that the transaction runs, as far as csms knows. `stopped` means that "
            "the charge point sent its StopTransaction, or that an operator joined an orphaned stop to it. "
            "`ended` means that an operator or a policy ended the transaction, and no StopTransaction has "
            "come.",
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
    started_received_at: Annotated[
        Time | None,
        msgspec.Meta(
            description="When csms received the StartTransaction. null means that a release of csms archived "
            "the transaction that did not note this."
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
    stopped_received_at: Annotated[
        Time | None,
        msgspec.Meta(
            description="When csms received the StopTransaction. null means that no StopTransaction has "
            "come, or that a release of csms archived the transaction that did not note this."
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
    revision: Annotated[
        int,
        msgspec.Meta(
            description="How often the transaction was entered into the list of completed transactions: at "
            "its stop or its end, and at each change after it. 0 means that it is not in this list.",
            examples=[1],
        ),
    ]
    completed_at: Annotated[
        Time | None,
        msgspec.Meta(
            description="When the transaction was last entered into the list of completed transactions, by "
            "the clock of the store. null means that it is not in this list."
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
            description="The end of the transaction by an operator, or by a policy of the tenant. It stays "
            "here if the StopTransaction comes later. null means that nobody ended the transaction."
        ),
    ]
    joined: Annotated[
        JoinAnswer | None,
        msgspec.Meta(
            description="Present if the stop is an orphaned stop that an operator joined to the transaction. "
            "null means that the charge point sent the stop for this transaction, or that there is none."
        ),
    ]
    superseded_by: Annotated[
        str | None,
        msgspec.Meta(
            description="Public id of the transaction that began on the same connector while this one was "
            "open, so the StopTransaction of this one was probably lost. null means that there is none.",
            examples=["CP-1.59791300"],
        ),
    ]


def answer_transaction(transaction: Transaction, *, archived: bool = False) -> TransactionAnswer:
    return convert(
        transaction,
        TransactionAnswer,
        id=listing.public_id(transaction.charge_point, transaction.id),
        ocpp_transaction_id=transaction.id,
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
        joined=None
        if transaction.joined_ms is None
        else JoinAnswer(at=times.text(transaction.joined_ms), api_key=transaction.joined_by or ""),
        superseded_by=None
        if transaction.superseded_by is None
        else listing.public_id(transaction.charge_point, transaction.superseded_by),
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
        policy=transaction.ended_policy,
    )
