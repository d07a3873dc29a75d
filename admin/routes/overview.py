"""The overview of a tenant: figures about its charge points, and those that most need somebody."""

from datetime import datetime
from typing import Annotated

import msgspec
from quart import Response
from quart_schema import document_querystring, document_response

from admin.http import bodies, convert, new_blueprint, times
from admin.http.times import Time
from admin.routes.members import ChargePointName
from admin.routes.trouble_answer import TroubleAnswer, answers_of
from admin.services import current_store
from gateway.ocpp16.faults.timestamps import AHEAD_MS
from state import troubles

blueprint = new_blueprint("overview", "Charge points")

URGENT = 20
_DAY_MS = 86_400_000


class OverviewQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    since: Annotated[
        Annotated[datetime, msgspec.Meta(tz=True)] | None,
        msgspec.Meta(
            description="Begin of the day for `transactions`. Give midnight in your own time zone. Without "
            "`since`, the day begins at 00:00 UTC.",
            examples=["2026-01-31T00:00:00+01:00"],
        ),
    ] = None


class ChargePointCounts(msgspec.Struct, frozen=True, kw_only=True):
    """How many charge points the tenant has, by their connection."""

    registered: Annotated[int, msgspec.Meta(description="Charge points that are registered now.")]
    online: Annotated[int, msgspec.Meta(description="Charge points that were connected at `as_of`.")]
    offline: Annotated[
        int, msgspec.Meta(description="Charge points that were connected before, but not at `as_of`.")
    ]
    never_connected: Annotated[int, msgspec.Meta(description="Charge points that had never connected.")]
    in_trouble: Annotated[int, msgspec.Meta(description="Charge points with one trouble or more.")]


class TransactionCounts(msgspec.Struct, frozen=True, kw_only=True):
    """How many transactions there are now."""

    since: Annotated[Time, msgspec.Meta(description="Begin of the day.")]
    open: Annotated[int, msgspec.Meta(description="Transactions that are open now.")]
    begun: Annotated[
        int,
        msgspec.Meta(
            description="Transactions that began since `since`, by the clocks of the charge points. A start "
            "with a time before 2015 or more than 5 minutes ahead does not count."
        ),
    ]
    starts_failed: Annotated[
        int,
        msgspec.Meta(
            description="Starts that failed since `since`, by the clock of csms, and within the last two "
            "days: each StartTransaction that was not answered Accepted, and each RemoteStartTransaction "
            "that ended without the answer Accepted. At most 10,000 are counted for each of the 256 "
            "partitions."
        ),
    ]


class UrgentAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A charge point that needs somebody now."""

    charge_point: ChargePointName
    troubles: Annotated[
        tuple[TroubleAnswer, ...], msgspec.Meta(description="Its troubles, the most urgent first.")
    ]


class OverviewAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """All charge points of a tenant in figures."""

    as_of: Annotated[
        Time | None,
        msgspec.Meta(
            description="csms examines all charge points in turn, for counts that are not kept all the time. "
            "This is when the last complete examination began, so no such count is older. null means that no "
            "examination is complete yet, and then these counts are too low."
        ),
    ]
    charge_points: Annotated[
        ChargePointCounts,
        msgspec.Meta(
            description="Counts by connection. Only `registered` is exact, the others are as of `as_of`."
        ),
    ]
    boot_status: Annotated[
        dict[str, int],
        msgspec.Meta(
            description="Charge points by the answer to their last BootNotification as of `as_of`: Accepted, "
            "Pending, Rejected, or none.",
            examples=[{"Accepted": 97, "none": 3}],
        ),
    ]
    connectors: Annotated[
        dict[str, int],
        msgspec.Meta(
            description="Connectors of the charge points that are online, by their last status as of "
            "`as_of`. Connector 0, the whole charge point, does not count.",
            examples=[{"Available": 120, "Charging": 61, "Faulted": 2}],
        ),
    ]
    transactions: Annotated[TransactionCounts, msgspec.Meta(description="Transactions, counted now.")]
    troubles: Annotated[
        dict[str, int],
        msgspec.Meta(
            description="Charge points by the kind of their troubles as of `as_of`. A charge point with two "
            "troubles counts for both.",
            examples=[{"offline": 4, "deaf": 1}],
        ),
    ]
    urgent: Annotated[
        tuple[UrgentAnswer, ...],
        msgspec.Meta(
            description="The twenty charge points that most need somebody, with their troubles as they are "
            "now. The order is that of the kinds in docs/troubles.md, and then the latest trouble first. "
            "A charge point whose trouble began after `as_of` may be missing. If many troubles have ended "
            "since `as_of`, fewer than twenty may be shown."
        ),
    ]


@blueprint.get("/v1/tenants/<name:tenant>/overview")
@document_querystring(OverviewQuery)
@document_response(OverviewAnswer)
async def get_overview(tenant: str) -> Response:
    """Read figures about all charge points of a tenant.

    The answer also has the twenty charge points that most need somebody now, and says why.
    """
    asked, store = bodies.query(OverviewQuery), current_store()
    now_ms = store.server_time_ms()
    since_ms = now_ms - now_ms % _DAY_MS if asked.since is None else times.milliseconds(asked.since)
    found = await troubles.read_overview(store, tenant, since_ms, now_ms + AHEAD_MS)
    urgent = await troubles.list_urgent(store, tenant, URGENT)
    return bodies.answer(
        OverviewAnswer(
            as_of=times.maybe_text(found.examined_ms),
            charge_points=convert(found.counts, ChargePointCounts, registered=found.charge_points),
            boot_status=found.counts.boot_status,
            connectors=found.counts.connectors,
            transactions=TransactionCounts(
                since=times.text(since_ms),
                open=found.open_transactions,
                begun=found.begun,
                starts_failed=found.starts_failed,
            ),
            troubles=found.counts.troubles,
            urgent=tuple(UrgentAnswer(charge_point=id_, troubles=answers_of(of)) for id_, of in urgent),
        )
    )
