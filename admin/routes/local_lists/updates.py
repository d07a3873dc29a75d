"""Route that sends a charge point the local list that it should have, one SendLocalList after the other."""

from typing import Annotated, Literal

import msgspec
from quart import Response
from quart_schema import document_querystring, document_request, document_response

from admin.commands import PROBLEMS, CommandAnswer, TimeoutQuery, send
from admin.commands.warnings.local_auth import MESSAGE_LENGTH
from admin.http import Int32, Problem, add_to_problem, bodies, describes, lookup, new_blueprint
from admin.routes.local_lists.entries import UpdateKind
from admin.routes.local_lists.plan import Kind, plan
from admin.services import Services, services
from gateway.ocpp16.messages.local_auth import SendLocalList
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
    """How to send the list that the charge point should have."""

    type: Annotated[
        Kind,
        msgspec.Meta(
            description="With full, csms sends all entries. With differential, csms sends the differences "
            "from the list that the charge point last accepted, even if there are no differences. With auto, "
            "csms sends a Differential if it knows the list of the charge point and the Differential is not "
            "longer than a Full list. With auto, csms sends a Full list if it does not know the list of the "
            "charge point or if a Differential would be longer. With auto, csms sends nothing if there are "
            "no differences."
        ),
    ] = "auto"
    full_on_failure: Annotated[
        bool,
        msgspec.Meta(
            description="Whether to send one Full list with a higher version if the charge point answers "
            "Failed or VersionMismatch."
        ),
    ] = False
    version: Annotated[
        Int32 | None,
        msgspec.Meta(
            description="listVersion of the first message. The default is one more than the last known "
            "version."
        ),
    ] = None
    max_entries: Annotated[
        Annotated[int, msgspec.Meta(ge=1, le=ENTRIES)] | None,
        msgspec.Meta(
            description="Greatest number of entries that one message may have. If there are more entries, "
            "csms sends several messages with rising versions. The default is SendLocalListMaxLength of the "
            "charge point, if that value is known. No message is larger than 64 KiB."
        ),
    ] = None


class Step(msgspec.Struct, frozen=True):
    """One SendLocalList that was sent."""

    update_type: UpdateKind
    list_version: Annotated[int, msgspec.Meta(description="listVersion of the message.", examples=[7])]
    entries: Annotated[int, msgspec.Meta(description="How many entries the message had.")]
    command: Annotated[CommandAnswer, msgspec.Meta(description="The command that sent the message.")]


class SendAnswer(msgspec.Struct, frozen=True):
    """The messages that were sent, and the outcome."""

    outcome: Annotated[
        Outcome,
        msgspec.Meta(
            description="Answer of the charge point to the last message. csms sends no further message after "
            "an answer other than accepted. `nothing_to_send` means that the charge point already has the "
            "list that it should have. `failed` means that the charge point did not update its list. "
            "`version_mismatch` means that the version does not fit the list of the charge point. "
            "`not_supported` means that the charge point does not support local lists. `waiting` means that "
            "too many API requests wait for answers, so that csms has not waited for this answer. "
            "`not_understood` means that the answer has no status that OCPP defines."
        ),
    ]
    steps: Annotated[tuple[Step, ...], msgspec.Meta(description="The messages, in the order of sending.")]


@blueprint.post("/v1/tenants/<name:tenant>/charge-points/<name:charge_point>/local-list/send")
@document_querystring(TimeoutQuery)
@document_request(SendRequest)
@document_response(SendAnswer, 200)
@document_response(SendAnswer, 202)
@describes(
    problems={
        **PROBLEMS,
        409: "The charge point is offline, or no local list was ever set for it.",
        429: "Too many commands wait for this charge point. The header Retry-After says when to try again.",
    }
)
async def send_local_list(tenant: str, charge_point: str) -> Response:
    """Send to a charge point the local list that it should have.

    csms sends one SendLocalList, or several if the entries do not fit into one message. csms waits for each
    answer before it sends the next message. 200 means that the charge point has answered; `outcome` has the
    answer. If the answer is a problem document, its member `steps` has the messages that the charge point
    answered before the failure.
    """
    asked, wanted, held = bodies.query(TimeoutQuery), await bodies.body(SendRequest), services()
    keys = await lookup.charge_point_keys(held.store, tenant, charge_point)
    answer = await _send_list(held, keys, wanted, asked.timeout)
    return bodies.answer(answer, 202 if answer.outcome == "waiting" else 200)


async def _send_list(
    services: Services, keys: ChargePointKeys, wanted: SendRequest, timeout_s: float
) -> SendAnswer:
    """Send the messages. With `full_on_failure`, send a Full list once after Failed or VersionMismatch.

    If a message gets no answer, raises the same Problem as a single command, with the messages before that
    message in `steps`. Raises Problem (409) if no list was ever set, because then an empty list would be sent
    and would clear the list of the charge point.
    """
    store, max_entries = services.store, wanted.max_entries
    if max_entries is None:
        max_entries = (await configuration.get(store, keys.tenant, keys.id)).number(MESSAGE_LENGTH) or None
    lists = await local_lists.read(store, keys)
    if lists.heads.desired.revision == 0:
        raise Problem(
            409,
            "no-desired-list",
            "No local list was ever set for this charge point; PUT a list first. "
            "To clear the list of the charge point, PUT an empty one.",
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
    """Send the messages until one is not accepted. Return the outcome of the last sent message."""
    outcome: Outcome = "nothing_to_send"
    for message in messages:
        sent = await send.send(services, keys.tenant, keys.id, message, timeout_s=timeout_s)
        finished, entries = send.is_finished(sent), len(message.local_authorization_list or ())
        steps.append(Step(message.update_type, message.list_version, entries, sent.answer))
        if not finished:
            return "waiting"
        outcome = _OUTCOMES.get(sent.command.answer_status, "not_understood")
        if outcome != "accepted":
            break
    return outcome
