"""The data of the events of batches, as JSON."""

import msgspec

from state.batches.batches import Batch, Counts


def event_of_start(id_: str, action: str, charge_points: int, api_key: str) -> bytes:
    return msgspec.json.encode(
        {"batch": id_, "action": action, "charge_points": charge_points, "api_key": api_key}
    )


def event_of_end(batch: Batch, counts: Counts) -> bytes:
    """Return the data of batch.finished, or of batch.cancelled, which also says who cancelled the batch."""
    cancelled = {} if batch.cancelled_by is None else {"cancelled_by": batch.cancelled_by}
    return msgspec.json.encode(
        {
            "batch": batch.id,
            "action": batch.action,
            "charge_points": batch.total,
            "accepted": counts.accepted,
            "rejected": counts.rejected,
            "call_error": counts.call_error,
            "no_answer": counts.no_answer,
            "offline": counts.offline,
            "not_sent": counts.not_sent,
            "to_do": batch.total - counts.ended,
            "api_key": batch.by,
            **cancelled,
        }
    )
