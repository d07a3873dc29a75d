"""What became of a charge point's command, in the words of a batch. Pure."""

from typing import Any, NamedTuple

import msgspec

from gateway.ocpp16.agreement import AGREED
from state.batches.items import Outcome
from state.commands import Command
from state.commands.table import WAITING

_CODE_MAX = 50


class _Failure(msgspec.Struct):
    code: Any = None


class Result(NamedTuple):
    """An outcome. `detail` is the status in the charge point's answer, or why there is no answer."""

    outcome: Outcome
    detail: str = ""


FORGOTTEN = Result("no_answer", "forgotten")
"""No process worked on the batch for so long that the store has forgotten whether the command was sent."""
FAILED = Result("not_sent", "internal-error")
CANCELLED = Result("not_sent", "batch-cancelled")
"""The batch was cancelled before the command was recorded, so there is no command that is cancelled."""


def judge(command: Command) -> Result | None:
    """Return the outcome of a command, or None if it has not ended."""
    if command.status in WAITING:
        return None
    match command.status:
        case "answered":
            return _judge_answer(command)
        case "error":
            return Result("call_error", _code_of(command))
        case "offline":
            return Result("offline")
        case "busy" | "expired" | "cancelled" as status:
            return Result("not_sent", status)
        case status:
            return Result("no_answer", status)


def _judge_answer(command: Command) -> Result:
    status = command.answer_status
    if status is None:
        return Result("accepted")
    return Result("accepted" if status in AGREED else "rejected", status)


def _code_of(command: Command) -> str:
    code = None if command.error is None else msgspec.json.decode(command.error, type=_Failure).code
    return code[:_CODE_MAX] if isinstance(code, str) else ""
