"""The one place in which a batch sends a command to a charge point."""

from admin.batches.outcomes import Result, judge
from admin.commands import send
from admin.http.problems import Problem
from admin.services import Services
from gateway.ocpp16.messages.types import Message
from state import commands
from state.batches.batches import Batch
from state.errors import StoreUnavailable

_AWAY = 503


def command_id(batch: Batch, charge_point: str) -> str:
    """Return the id of the command of this charge point, which is the same each time it is sent."""
    return commands.new_id(batch.tenant, charge_point, _key(batch))


async def send_item(services: Services, batch: Batch, request: Message, charge_point: str) -> Result | None:
    """Record and send the command of one charge point, but do not wait for its answer.

    If it was recorded before, it is not sent again. None means that it has not ended. Raises
    StoreUnavailable; the call can be repeated within `commands.KEPT_MS`.
    """
    try:
        sent = await send.send(
            services,
            batch.tenant,
            charge_point,
            request,
            timeout_s=batch.timeout_s,
            wait_s=0.0,
            idempotency_key=_key(batch),
            when=batch.when,
            online_s=batch.online_s,
            by=batch.by,
        )
    except Problem as problem:
        if problem.status == _AWAY:
            raise StoreUnavailable(problem.detail) from None
        return Result("not_sent", problem.kind)
    return judge(sent.command)


def _key(batch: Batch) -> str:
    # The key has a space, so no operator can use it in the header Idempotency-Key.
    return f"batch {batch.id}"
