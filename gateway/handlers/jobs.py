"""Store the progress of jobs (updates and uploads) from the charge point's answers and notifications."""

from typing import Any

import msgspec

from gateway.handlers.charge_point import ChargePoint, now_ms
from gateway.handlers.handler import Answered
from gateway.ocpp16 import actions
from gateway.service.masking import mask_location
from state.features import job_record, jobs
from state.features.job_record import Kind, Message

_NOT_KEPT = frozenset({"signature", "signingCertificate"})
_TEXT_MAX = 512
"""Number of characters after which a text of the request is cut.

The security extension allows locations of this length.
"""


async def record_job(
    answered: Answered[Any, Any],
    kind: Kind,
    status: str,
    *,
    request_id: int | None = None,
    file_name: str | None = None,
) -> None:
    """Store a job under the id of its command, with the charge point's answer."""
    charge_point = answered.charge_point
    job = job_record.begin(
        answered.command_id,
        kind,
        status,
        now_ms(),
        request_id=request_id,
        payload=msgspec.json.encode(_short(msgspec.json.decode(actions.encode(answered.request)))),
        file_name=None if file_name is None else mask_location(file_name),
    )
    await jobs.record_answer(charge_point.store, charge_point.lease.keys, job)


async def record_status(
    charge_point: ChargePoint, message: Message, status: str, request_id: int | None = None
) -> None:
    """Store the progress of a job. A status is never refused, not even if csms does not know the job."""
    received_ms = now_ms()
    await charge_point.catch_up()
    await jobs.record_status(
        charge_point.store,
        charge_point.lease.keys,
        message,
        status,
        request_id=request_id,
        received_ms=received_ms,
    )


def _short(value: Any) -> Any:
    """Remove the certificate, the signature, and any credentials in URLs. Also cut long texts."""
    if isinstance(value, dict):
        return {name: _short(part) for name, part in value.items() if name not in _NOT_KEPT}
    return mask_location(value)[:_TEXT_MAX] if isinstance(value, str) else value
