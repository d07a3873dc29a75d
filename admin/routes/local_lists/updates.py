"""Bring a charge point's local list to what is desired: one SendLocalList after the other, each awaited."""

from typing import Annotated, Literal

import msgspec
from quart import Response
from quart_schema import document_querystring, document_request, document_response

from admin.commands import PROBLEMS, CommandAnswer, TimeoutQuery, send
from admin.commands.warnings.local_auth import MESSAGE_LENGTH
from admin.http import Int32, Problem, add_to_problem, bodies, describes, lookup, new_blueprint
from admin.routes.local_lists.plan import Kind, plan
from admin.services import Services, services
from gateway.ocpp16.messages.local_auth import SendLocalList, UpdateType
from state.charge_points import configuration
from state.features import local_lists
from state.features.local_list_entries import ENTRIES
from state.keys import ChargePointKeys

blueprint = new_blueprint("local_list_updates", "Local lists")

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


class SendRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How to bring the charge point's list to what is desired."""

    type: Annotated[
        Kind,
        msgspec.Meta(
            description="full: all entries. differential: what differs from what it last accepted, and be "
            "it nothing. auto: a Differential if what it has is known and that is shorter, else Full; no "
            "message if nothing differs."
        ),
    ] = "auto"
    full_on_failure: Annotated[
        bool,
        msgspec.Meta(
            description="Answer Failed or VersionMismatch by a Full list of a higher version, once."
        ),
    ] = False
    version: Annotated[
        Int32 | None,
        msgspec.Meta(description="Of the first message. By default one more than the last that is known."),
    ] = None
    max_entries: Annotated[
        Annotated[int, msgspec.Meta(ge=1, le=ENTRIES)] | None,
        msgspec.Meta(
            description="Of one message; more are sent in several, with rising versions. By default the "
            "charge point's SendLocalListMaxLength if that is known; never more than 64 KiB."
        ),
    ] = None


class Step(msgspec.Struct, frozen=True):
    """One SendLocalList, and the command that carried it."""

    update_type: UpdateType
    list_version: int
    entries: Annotated[int, msgspec.Meta(description="How many it had.")]
    command: CommandAnswer


class SendAnswer(msgspec.Struct, frozen=True):
    """What was sent, and how it ended."""

    outcome: Annotated[
        Outcome,
        msgspec.Meta(
            description="What the charge point answered to the last step; after anything but accepted no "
            "other step follows. waiting: too many requests wait here, so nobody has seen its answer yet. "
            "not_understood: its answer had no status that OCPP knows."
        ),
    ]
    steps: tuple[Step, ...]


@blueprint.post("/v1/tenants/<name:tenant>/charge-points/<name:charge_point>/local-list/send")
@document_querystring(TimeoutQuery)
@document_request(SendRequest)
@document_response(SendAnswer, 200)
@document_response(SendAnswer, 202)
@describes(
    problems={
        **PROBLEMS,
        409: "The charge point is offline, or no list was ever set for it.",
        429: "Too many commands wait for this charge point. See Retry-After.",
    }
)
async def send_local_list(tenant: str, charge_point: str) -> Response:
    """Bring a charge point's local list to what is desired.

    Sends one SendLocalList, or several if the entries do not fit into one, each after the answer to the one
    before. 200 means that it has answered: look at `outcome`. In a problem, `steps` has those before it.
    """
    asked, wanted, held = bodies.query(TimeoutQuery), await bodies.body(SendRequest), services()
    keys = await lookup.charge_point_keys(held.store, tenant, charge_point)
    answer = await _send_list(held, keys, wanted, asked.timeout)
    return bodies.answer(answer, 202 if answer.outcome == "waiting" else 200)


async def _send_list(
    services: Services, keys: ChargePointKeys, wanted: SendRequest, timeout_s: float
) -> SendAnswer:
    """Send what is needed. A Full list follows upon Failed or VersionMismatch if so asked, and once only.

    Raises Problem: as commands do if a step gets no answer, with the steps before it; 409 if no list was ever
    desired, which would clear the charge point's.
    """
    store, max_entries = services.store, wanted.max_entries
    if max_entries is None:
        max_entries = (await configuration.get(store, keys.tenant, keys.id)).number(MESSAGE_LENGTH) or None
    lists = await local_lists.read(store, keys)
    if lists.heads.desired.revision == 0:
        raise Problem(
            409,
            "no-desired-list",
            "No local list was ever set for this charge point: PUT one first, an empty one to clear it.",
        )
    first = lists.heads.next_version if wanted.version is None else wanted.version
    messages = plan(lists, wanted.type, version=first, max_entries=max_entries)
    steps: list[Step] = []
    with add_to_problem(steps=steps):
        outcome = await _send_all(services, keys, messages, steps, timeout_s)
        if wanted.full_on_failure and outcome in _ANSWERED_BY_FULL:
            lists = await local_lists.read(store, keys)
            above = max(lists.heads.next_version, steps[-1].list_version + 1)
            messages = plan(lists, "full", version=above, max_entries=max_entries)
            outcome = await _send_all(services, keys, messages, steps, timeout_s)
    return SendAnswer(outcome, tuple(steps))


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
