"""Transactions as the lines of a file."""

from admin.http.files import Csv, Form, Format, JsonLines, Row
from admin.routes.transaction_answer import TransactionAnswer

DOWNLOAD_PROBLEM = (
    "The store does not answer, the archive cannot be read (`archive-unreadable`), or too many clients "
    "download files (`too-many-downloads`)."
)
_OF_TRANSACTION = (
    "charge_point",
    "ocpp_transaction_id",
    "state",
    "connector_id",
    "id_tag",
    "started_at",
    "started_received_at",
    "meter_start",
    "stopped_at",
    "stopped_received_at",
    "meter_stop",
    "stop_id_tag",
    "reason",
    "energy_wh",
    "ended_at",
    "ended_meter",
    "ended_received_at",
    "reservation_id",
    "contradicting_stops",
    "dropped_meter_values",
    "archived",
)
COLUMNS = ("id", *_OF_TRANSACTION, "revision", "completed_at")
COMPLETED_COLUMNS = ("id", "revision", "changed", "entered_at", *_OF_TRANSACTION)


def row_of(transaction: TransactionAnswer) -> Row:
    ended = transaction.ended
    members = {name: getattr(transaction, name) for name in COLUMNS if not name.startswith("ended_")}
    return {
        **members,
        "ended_at": None if ended is None else ended.at,
        "ended_meter": None if ended is None else ended.meter,
        "ended_received_at": None if ended is None else ended.received_at,
    }


def form_of(format_: Format) -> Form:
    return JsonLines() if format_ == "jsonl" else Csv(COLUMNS, row_of)
