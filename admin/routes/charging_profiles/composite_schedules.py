"""Routes that compute a composite schedule and compare it with the charge point's own schedule."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Annotated, Any

import msgspec
import trio
from quart import Response
from quart_schema import document_querystring, document_request, document_response

from admin.commands import PROBLEMS, CommandAnswer, WaitQuery, send
from admin.http import bodies, convert, describes, lookup, new_blueprint, times
from admin.http.times import Time
from admin.routes.charging_profiles.doubts import DoubtAnswer, doubt_answer
from admin.services import current_store, services
from gateway.ocpp16.charging import composite, difference
from gateway.ocpp16.charging.composite import Composite, InstalledProfile, OpenTransaction
from gateway.ocpp16.faults import repairs, timestamps
from gateway.ocpp16.messages.smart_charging import GetCompositeSchedule, GetCompositeScheduleResult
from gateway.ocpp16.messages.types import ChargingProfile, ChargingRateUnit
from state.features import charging_profiles
from state.features.charging_profiles import Mirror
from state.store import Store
from state.transactions.running import list_running

blueprint = new_blueprint("composite_schedules", "Charging profiles")

YEAR_S = 366 * 86_400

Connector = Annotated[
    int,
    msgspec.Meta(
        ge=0,
        le=2**31 - 1,
        description="Number of the connector. 0 means the grid connection, which is all connectors together.",
        examples=[1],
    ),
]
Duration = Annotated[
    int, msgspec.Meta(ge=1, le=YEAR_S, description="Length of the schedule in seconds.", examples=[86400])
]
Unit = Annotated[
    ChargingRateUnit | None,
    msgspec.Meta(
        description="Unit of the limits: A (amperes per phase) or W (watts of all phases together). The "
        "default is A if all profiles that apply are in A, and otherwise W."
    ),
]
Voltage = Annotated[
    float,
    msgspec.Meta(
        ge=1,
        le=1000,
        description="Nominal voltage between a phase and neutral, in volts. csms uses the voltage to convert "
        "between A and W.",
    ),
]


class CompositeQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    connector_id: Connector
    duration: Duration = 86_400
    charging_rate_unit: Unit = None
    from_: Annotated[
        Annotated[datetime, msgspec.Meta(tz=True)] | None,
        msgspec.Meta(
            description="Start of the schedule, as RFC 3339 with a time zone. The default is the present "
            "time.",
            examples=["2026-01-01T00:00:00Z"],
        ),
    ] = msgspec.field(default=None, name="from")
    voltage: Voltage = 230.0


class ComparisonQuery(WaitQuery, frozen=True, forbid_unknown_fields=True):
    voltage: Voltage = 230.0


class ComparisonSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The composite schedule that csms computes, and that it also requests from the charge point."""

    connector_id: Connector
    duration: Duration = 86_400
    charging_rate_unit: Unit = None


class PeriodAnswer(msgspec.Struct, frozen=True):
    """A limit that applies from the start of its period until the start of the next period."""

    start_period: Annotated[
        int, msgspec.Meta(description="Start of the period, in seconds after `schedule_start`.")
    ]
    limit: Annotated[
        float | None,
        msgspec.Meta(
            description="Limit in `charging_rate_unit`. null means that no profile sets a limit, so that "
            "only the hardware limits the charging.",
            examples=[16],
        ),
    ]
    number_phases: Annotated[
        int | None,
        msgspec.Meta(
            description="How many phases may be used. null means that no profile limits the number of phases."
        ),
    ]


class CompositeAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The combined effect of all known charging profiles on a connector."""

    connector_id: Annotated[
        int, msgspec.Meta(description="Number of the connector. 0 is the grid connection.", examples=[1])
    ]
    schedule_start: Annotated[Time, msgspec.Meta(description="Start of the schedule.")]
    duration: Annotated[
        int,
        msgspec.Meta(
            description="Length of the schedule in seconds. The schedule is shorter than requested if it "
            "would have more than 1024 periods, or if it would take too long to compute."
        ),
    ]
    charging_rate_unit: Annotated[
        ChargingRateUnit,
        msgspec.Meta(
            description="Unit of the limits: A (amperes per phase) or W (watts of all phases together)."
        ),
    ]
    periods: Annotated[
        tuple[PeriodAnswer, ...], msgspec.Meta(description="The limits, in the order of their start.")
    ]
    doubts: Annotated[
        tuple[DoubtAnswer, ...],
        msgspec.Meta(
            description="Reasons why the charge point may have other profiles than those from which csms "
            "computed the schedule. The list is empty if csms has no reason to expect other profiles."
        ),
    ]


class DifferenceAnswer(msgspec.Struct, frozen=True):
    """A span of time in which the limit that csms computed differs from the limit of the charge point."""

    start: Annotated[int, msgspec.Meta(description="Start of the span, in seconds after `schedule_start`.")]
    end: Annotated[int, msgspec.Meta(description="End of the span, in seconds after `schedule_start`.")]
    ours: Annotated[
        float | None,
        msgspec.Meta(
            description="Limit that csms computed, in `charging_rate_unit`. null means that csms computed no "
            "limit."
        ),
    ]
    theirs: Annotated[
        float | None,
        msgspec.Meta(
            description="Limit of the charge point, in `charging_rate_unit`. null means that the charge "
            "point named no limit."
        ),
    ]


class ComparisonAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The composite schedule that csms computed and the composite schedule of the charge point.

    Both schedules begin at the scheduleStart of the charge point.
    """

    agrees: Annotated[
        bool | None,
        msgspec.Meta(
            description="Whether the two schedules are the same. null means that the charge point did not "
            "answer Accepted."
        ),
    ]
    ours: Annotated[CompositeAnswer, msgspec.Meta(description="The schedule that csms computed.")]
    theirs: Annotated[
        Any,
        msgspec.Meta(
            description="Payload of the answer to GetCompositeSchedule, as the charge point sent it.",
            extra_json_schema={"type": "object"},
        ),
    ]
    differences: Annotated[
        tuple[DifferenceAnswer, ...],
        msgspec.Meta(
            description="Spans of time in which the limits differ by more than 0.1, for 2 seconds or longer; "
            "256 spans at most. If no profile sets a limit, the charge point may name the limit of its "
            "hardware. Such a limit does not count as a difference."
        ),
    ]
    command: Annotated[CommandAnswer, msgspec.Meta(description="The GetCompositeSchedule that was sent.")]


_PATH = "/v1/tenants/<name:tenant>/charge-points/<name:charge_point>/charging-profiles/composite-schedule"


@blueprint.get(_PATH)
@document_querystring(CompositeQuery)
@document_response(CompositeAnswer)
async def get_composite_schedule(tenant: str, charge_point: str) -> Response:
    """Compute what the known charging profiles allow on a connector.

    csms sends nothing to the charge point.
    """
    asked, store = bodies.query(CompositeQuery), current_store()
    await lookup.charge_point(store, tenant, charge_point)
    start_ms = store.server_time_ms() if asked.from_ is None else times.milliseconds(asked.from_)
    wanted = convert(asked, ComparisonSettings)
    found, mirror = await _compute(
        store, tenant, charge_point, wanted, start_ms=start_ms, voltage=asked.voltage
    )
    return bodies.answer(_answer(asked.connector_id, found, mirror))


@blueprint.post(_PATH)
@document_querystring(ComparisonQuery)
@document_request(ComparisonSettings)
@document_response(ComparisonAnswer, 200)
@document_response(CommandAnswer, 202)
@describes(problems=PROBLEMS)
async def compare_composite_schedule(tenant: str, charge_point: str) -> Response:
    """Compare the composite schedule of the charge point with the schedule that csms computes.

    csms sends GetCompositeSchedule. If the schedules differ, the charge point has other profiles than csms
    knows, or has limits of its own, or interprets the rules in another way.
    """
    asked, wanted = bodies.query(ComparisonQuery), await bodies.body(ComparisonSettings)
    request = convert(wanted, GetCompositeSchedule)
    sent = await send.send(
        services(), tenant, charge_point, request, timeout_s=asked.timeout, wait_s=asked.wait
    )
    if sent.command.response is None:
        return send.respond(sent)
    read = repairs.read_and_repair(GetCompositeScheduleResult, bytes(sent.command.response))
    result = msgspec.convert(read.message, GetCompositeScheduleResult)
    theirs, start_ms = result.charging_schedule, sent.command.sent_ms or sent.command.created_ms
    start_ms = timestamps.parse_ms(result.schedule_start) or start_ms
    if theirs is not None:
        # csms computes in the unit of the charge point's schedule. That schedule cannot be converted if it
        # does not give the number of phases.
        wanted = msgspec.structs.replace(wanted, charging_rate_unit=theirs.charging_rate_unit)
    ours, mirror = await _compute(
        current_store(), tenant, charge_point, wanted, start_ms=start_ms, voltage=asked.voltage
    )
    accepted = result.status == "Accepted"
    differences = difference.compare(ours, theirs) if accepted else ()
    return bodies.answer(
        ComparisonAnswer(
            agrees=not differences if accepted else None,
            ours=_answer(wanted.connector_id, ours, mirror),
            theirs=sent.command.response,
            differences=tuple(
                DifferenceAnswer(one.start, one.end, _number(one.ours), _number(one.theirs))
                for one in differences
            ),
            command=sent.answer,
        )
    )


async def _compute(
    store: Store,
    tenant: str,
    charge_point: str,
    wanted: ComparisonSettings,
    *,
    start_ms: int,
    voltage: float,
) -> tuple[Composite, Mirror]:
    mirror = await charging_profiles.read(store, tenant, charge_point)
    transactions = await list_running(store, tenant, charge_point)
    # The computation runs in a thread, because hostile profiles take some tenths of a second.
    compute = partial(
        composite.compute,
        list(_read_profiles(mirror)),
        connector_id=wanted.connector_id,
        start_ms=start_ms,
        duration=wanted.duration,
        running=[
            # If the clock of the charge point is not set, the transaction counts as begun when csms received
            # its StartTransaction.
            OpenTransaction(
                one.connector_id,
                one.id,
                one.started_ms
                if timestamps.is_plausible(one.started_ms, one.received_ms)
                else one.received_ms,
            )
            for one in transactions
        ],
        unit=wanted.charging_rate_unit,
        voltage=Decimal(str(voltage)),
    )
    return await trio.to_thread.run_sync(compute), mirror


def _read_profiles(mirror: Mirror) -> Iterable[InstalledProfile]:
    """Yield the profiles in the order in which they were accepted."""
    for one in sorted(mirror.profiles, key=lambda profile: profile.accepted_ms):
        profile = msgspec.json.decode(one.payload, type=ChargingProfile)
        yield InstalledProfile(one.connector_id, profile, one.transaction_id)


def _answer(connector_id: int, found: Composite, mirror: Mirror) -> CompositeAnswer:
    return CompositeAnswer(
        connector_id=connector_id,
        schedule_start=times.text(found.start_ms),
        duration=found.duration,
        charging_rate_unit=found.unit,
        periods=tuple(
            PeriodAnswer(one.start, None, None)
            if one.rate is None
            else PeriodAnswer(one.start, _number(one.rate.limit), one.rate.number_phases)
            for one in found.periods
        ),
        doubts=tuple(map(doubt_answer, mirror.all_doubts)),
    )


def _number(limit: Decimal | None) -> float | None:
    return None if limit is None else float(limit)
