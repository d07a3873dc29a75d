"""Bring a charge point's local list to what is desired: one SendLocalList after the other, each awaited."""

from typing import Annotated, Literal, NamedTuple

import msgspec

from admin.commands import CommandAnswer, send
from admin.http import Problem, add_to_problem
from admin.routes.local_lists.plan import Kind, plan
from admin.services import Services
from gateway.ocpp16.messages.local_auth import SendLocalList, UpdateType
from state.charge_points import configuration
from state.features import local_lists
from state.keys import ChargePointKeys

MOST_KEY = "SendLocalListMaxLength"

type Outcome = Literal[
    "accepted", "nothing_to_send", "failed", "version_mismatch", "not_supported", "waiting", "not_understood"
]

_OUTCOMES: dict[object, Outcome] = {
    "Accepted": "accepted",
    "Failed": "failed",
    "NotSupported": "not_supported",
    "VersionMismatch": "version_mismatch",
}
_ANSWERED_BY_FULL = frozenset({"failed", "version_mismatch"})


class Step(msgspec.Struct, frozen=True):
    """One SendLocalList, and the command that carried it."""

    update_type: UpdateType
    list_version: int
    entries: Annotated[int, msgspec.Meta(description="How many it had.")]
    command: CommandAnswer


class Sending(NamedTuple):
    """`outcome`: of the last step, which is the last that was to be made if it is `accepted`."""

    outcome: Outcome
    steps: list[Step]


async def send_list(
    services: Services,
    keys: ChargePointKeys,
    kind: Kind,
    *,
    full_on_failure: bool,
    version: int | None,
    max_entries: int | None,
    timeout_s: float,
) -> Sending:
    """Send what is needed. A Full list follows upon Failed or VersionMismatch if so asked, and once only.

    Raises Problem: as commands do if a step gets no answer, with the steps before it; 409 if no list was ever
    desired, which would clear the charge point's.
    """
    store = services.store
    if max_entries is None:
        max_entries = (await configuration.get(store, keys.tenant, keys.id)).number(MOST_KEY) or None
    lists = await local_lists.read(store, keys)
    if lists.heads.desired.revision == 0:
        raise Problem(
            409,
            "no-desired-list",
            "No local list was ever set for this charge point: PUT one first, an empty one to clear it.",
        )
    first = lists.heads.next_version if version is None else version
    messages = plan(lists, kind, version=first, max_entries=max_entries)
    steps: list[Step] = []
    with add_to_problem(steps=steps):
        outcome = await _send_all(services, keys, messages, steps, timeout_s)
        if full_on_failure and outcome in _ANSWERED_BY_FULL:
            lists = await local_lists.read(store, keys)
            above = max(lists.heads.next_version, steps[-1].list_version + 1)
            messages = plan(lists, "full", version=above, max_entries=max_entries)
            outcome = await _send_all(services, keys, messages, steps, timeout_s)
    return Sending(outcome, steps)


async def _send_all(
    services: Services,
    keys: ChargePointKeys,
    messages: list[SendLocalList],
    steps: list[Step],
    timeout_s: float,
) -> Outcome:
    """Until one is not accepted."""
    outcome: Outcome = "nothing_to_send"
    for message in messages:
        sent = await send.send(services, keys.tenant, keys.id, message, timeout_s=timeout_s)
        finished, entries = send.is_finished(sent), len(message.local_authorization_list or ())
        steps.append(Step(message.update_type, message.list_version, entries, sent.answer))
        if not finished:
            return "waiting"
        status = (sent.result or {}).get("status")
        outcome = _OUTCOMES.get(status, "not_understood") if isinstance(status, str) else "not_understood"
        if outcome != "accepted":
            break
    return outcome
