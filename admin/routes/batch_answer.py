"""Batches as the API shows them: the request, the answers and their members."""

from typing import Annotated, Any, Literal

import msgspec

from admin.batches.filter import BatchFilter
from admin.commands import OnlineWithin
from admin.http import Next, times
from admin.http.times import Time
from admin.routes.members import ChargePointName
from gateway.service.frame_masking import FrameMasker
from state.batches.batches import Batch, ItemState, Phase, When
from state.batches.items import NEVER_RECORDED, Outcome

type Shown = Outcome | Literal["to_do", "waiting"]

OUTCOMES = (
    "- `to_do`: csms has not sent the command yet. In a batch that was cancelled, csms never will.\n"
    "- `waiting`: csms sends the command now, or waits for the answer, or, with `when=online`, for the "
    "charge point.\n"
    "- `accepted`: the charge point agreed, or its answer has no status.\n"
    "- `rejected`: the charge point answered with another status.\n"
    "- `call_error`: the charge point answered with a CALLERROR, or csms could not read the answer.\n"
    "- `no_answer`: the deadline passed without an answer, or the connection ended before the answer came.\n"
    "- `offline`: the charge point was not connected, so csms sent nothing.\n"
    "- `not_sent`: csms sent nothing for another reason."
)
_DETAIL = (
    "The status in the answer if `outcome` is `accepted` or `rejected`, or the error code if it is "
    "`call_error`. For `no_answer` and `not_sent`, the reason: a status of the command (`timeout`, "
    "`unknown`, `busy`, `expired` or `cancelled`), or `not-accepted`, `already-accepted` or `not-found` as "
    "the API would answer a single command, `batch-cancelled` if the batch was cancelled before the command "
    "was recorded, `internal-error`, or `forgotten` if no admin process ran for a day. Otherwise, and if the "
    "answer has no status, null."
)

PerSecond = Annotated[
    float,
    msgspec.Meta(
        ge=0.1, le=100, description="Greatest number of commands that csms sends in a second.", examples=[10]
    ),
]
Timeout = Annotated[
    float,
    msgspec.Meta(
        ge=1, le=600, description="Seconds within which each charge point must answer, from its command on."
    ),
]
_Filter = Annotated[
    BatchFilter,
    msgspec.Meta(
        description="Which charge points get the command. The charge points that pass it when the batch "
        "begins are those of the batch; later changes do not matter."
    ),
]
_Action = Annotated[str, msgspec.Meta(description="The OCPP action.", examples=["Reset"])]


class BatchQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    dry_run: Annotated[
        bool,
        msgspec.Meta(
            description="If this is true, csms begins no batch, but says which charge points it would reach."
        ),
    ] = False


class NewBatch(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A batch to begin."""

    action: _Action
    payload: Annotated[
        dict[str, Any],
        msgspec.Meta(
            description="Payload of the OCPP request, which every charge point gets; the payload is "
            "described by the schema that has the same name as the action.",
            examples=[{"type": "Soft"}],
        ),
    ] = {}
    filter: _Filter
    per_second: PerSecond = 10.0
    timeout: Timeout = 30.0
    when: Annotated[
        When,
        msgspec.Meta(
            description="`now` sends nothing to charge points that are offline when their turn comes. With "
            "`online`, the commands for them wait until they are online."
        ),
    ] = "now"
    online_within: Annotated[
        OnlineWithin | None,
        msgspec.Meta(
            description="With `when=online`: seconds for which a command may wait for its charge point, by "
            "default 86,400 (a day)."
        ),
    ] = None


class BatchCounts(msgspec.Struct, frozen=True, kw_only=True):
    """How many charge points of a batch have each outcome."""

    total: Annotated[int, msgspec.Meta(description="All charge points of the batch.")]
    to_do: Annotated[
        int,
        msgspec.Meta(
            description="csms has not sent them the command. In a batch that was cancelled, it never will."
        ),
    ]
    waiting: Annotated[
        int,
        msgspec.Meta(
            description="csms sends them the command within the next seconds, or waits for the answer, or, "
            "with `when=online`, for the charge point."
        ),
    ]
    accepted: Annotated[int, msgspec.Meta(description="They agreed.")]
    rejected: Annotated[int, msgspec.Meta(description="They answered with another status.")]
    rejected_statuses: Annotated[
        dict[str, int],
        msgspec.Meta(
            description="How many of `rejected` answered with each status.", examples=[{"Rejected": 3}]
        ),
    ]
    call_error: Annotated[
        int,
        msgspec.Meta(description="They answered with a CALLERROR, or csms could not read the answer."),
    ]
    no_answer: Annotated[
        int,
        msgspec.Meta(description="They got the command, and no answer came in time."),
    ]
    offline: Annotated[int, msgspec.Meta(description="They were not connected, so csms sent nothing.")]
    not_sent: Annotated[int, msgspec.Meta(description="csms sent nothing for another reason.")]


class BatchAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A batch and its progress."""

    id: Annotated[str, msgspec.Meta(description="Id of the batch.", examples=["Zt1bnqkC9T4Yl2rH0dW5uA"])]
    phase: Annotated[
        Phase,
        msgspec.Meta(
            description="- `running`: csms sends commands, or waits for the last answers.\n"
            "- `finished`: each charge point has an outcome.\n"
            "- `cancelling`: an operator cancelled the batch, and csms waits for the answers to "
            "commands that were sent before.\n"
            "- `cancelled`: the batch was cancelled, and nothing of it is waiting any more."
        ),
    ]
    action: _Action
    payload: Annotated[
        Any,
        msgspec.Meta(
            description="The OCPP request. Secrets, and credentials in URLs, are masked.",
            extra_json_schema={"type": "object"},
        ),
    ]
    filter: _Filter
    per_second: PerSecond
    timeout: Timeout
    when: Annotated[When, msgspec.Meta(description="When each charge point gets the command.")]
    online_within: Annotated[
        OnlineWithin | None,
        msgspec.Meta(
            description="Seconds for which a command may wait for its charge point. null means that commands "
            "do not wait for charge points that are offline."
        ),
    ]
    counts: Annotated[BatchCounts, msgspec.Meta(description="How many charge points have each outcome.")]
    api_key: Annotated[
        str, msgspec.Meta(description="Id of the API key that began the batch.", examples=["Xk20dPq9"])
    ]
    created_at: Annotated[Time, msgspec.Meta(description="When the batch began.")]
    cancelled_at: Annotated[
        Time | None,
        msgspec.Meta(
            description="When an operator cancelled the batch. null means that nobody cancelled it."
        ),
    ]
    cancelled_by: Annotated[
        str | None,
        msgspec.Meta(
            description="Id of the API key that cancelled the batch. null means that nobody cancelled it."
        ),
    ]
    ended_at: Annotated[
        Time | None, msgspec.Meta(description="When the batch ended. null means that it has not ended.")
    ]


class BatchPage(msgspec.Struct, frozen=True):
    """A page of batches, the latest first."""

    items: Annotated[tuple[BatchAnswer, ...], msgspec.Meta(description="The batches of this page.")]
    next: Next


class BatchPreview(msgspec.Struct, frozen=True):
    """What a batch would reach. Nothing was begun or sent."""

    total: Annotated[int, msgspec.Meta(description="Number of charge points that would get the command.")]
    charge_points: Annotated[
        tuple[str, ...], msgspec.Meta(description="The first 100 of them, in the order of sending.")
    ]


class BatchItem(msgspec.Struct, frozen=True, kw_only=True):
    """A charge point of a batch, and what became of its command."""

    charge_point: ChargePointName
    outcome: Annotated[Shown, msgspec.Meta(description=OUTCOMES)]
    detail: Annotated[str | None, msgspec.Meta(description=_DETAIL, examples=["Accepted"])]
    command: Annotated[
        str | None,
        msgspec.Meta(
            description="Id of the command, which can be read for 24 hours after its end. null means that no "
            "command was recorded.",
            examples=["a3.Zt1bnqkC9T4Yl2rH0dW5uA"],
        ),
    ]
    ended_at: Annotated[
        Time | None, msgspec.Meta(description="When csms learned the outcome. null means that there is none.")
    ]


class BatchItemPage(msgspec.Struct, frozen=True):
    """A page of the charge points of a batch, in the order of sending."""

    items: Annotated[tuple[BatchItem, ...], msgspec.Meta(description="The charge points of this page.")]
    next: Next


def answer_of(batch: Batch) -> BatchAnswer:
    counts = batch.counts
    return BatchAnswer(
        id=batch.id,
        phase=batch.phase,
        action=batch.action,
        payload=FrameMasker().mask_json(batch.payload),
        filter=msgspec.json.decode(batch.filter, type=BatchFilter),
        per_second=batch.per_second,
        timeout=batch.timeout_s,
        when=batch.when,
        online_within=batch.online_s if batch.when == "online" else None,
        counts=BatchCounts(
            total=batch.total,
            to_do=batch.total - batch.reserved,
            waiting=batch.reserved - counts.ended,
            **{name: getattr(counts, name) for name in counts.__struct_fields__},
        ),
        api_key=batch.by,
        created_at=times.text(batch.created_ms),
        cancelled_at=times.maybe_text(batch.cancelled_ms),
        cancelled_by=batch.cancelled_by,
        ended_at=times.maybe_text(batch.ended_ms),
    )


def item_of(item: ItemState, command: str) -> BatchItem:
    is_recorded = item.outcome != "to_do" and item.detail not in NEVER_RECORDED
    return BatchItem(
        charge_point=item.charge_point,
        outcome=item.outcome,
        detail=item.detail or None,
        command=command if is_recorded else None,
        ended_at=times.maybe_text(item.ended_ms),
    )
