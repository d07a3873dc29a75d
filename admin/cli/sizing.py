"""`csms sizing` computes how large the parts of a system must be. It needs no store and no other process."""

from typing import Annotated, Literal

import msgspec
from cyclopts import Parameter
from cyclopts.validators import Number

from admin.sizing.fleet import Fleet
from admin.sizing.report import describe
from admin.sizing.sizes import size

type Count = Annotated[int, Parameter(validator=Number(gte=1, lte=10_000_000))]
type Positive = Annotated[float, Parameter(validator=Number(gt=0, lte=1_000_000))]


def sizing(
    *,
    charge_points: Count,
    transactions_a_day: Positive = 3.0,
    transaction_minutes: Positive = 120.0,
    meter_values_every: Annotated[float, Parameter(validator=Number(gte=1, lte=86_400))] = 60.0,
    heartbeat: Annotated[float, Parameter(validator=Number(gte=1, lte=86_400))] = 300.0,
    reconnect_within: Annotated[float, Parameter(validator=Number(gte=1, lte=86_400))] = 120.0,
    peak: Annotated[float, Parameter(validator=Number(gte=1, lte=24))] = 3.0,
    zones: Annotated[int, Parameter(validator=Number(gte=2, lte=100))] = 3,
    tenants: Count = 10,
    hot_hours: Positive = 48.0,
    fsync_ms: Annotated[float, Parameter(validator=Number(gt=0, lte=1_000))] = 1.0,
    output: Literal["table", "json"] = "table",
) -> None:
    """Compute how many gateways a fleet needs, and how large the store must be.

    The numbers come from measurements on one machine. docs/sizing.md lists them, explains the arithmetic, and
    says what was not measured. So run `csms loadtest` before you rely on the result.

    Parameters
    ----------
    charge_points
        The number of charge points.
    transactions_a_day
        The number of transactions that a charge point has a day.
    transaction_minutes
        The duration of a transaction in minutes.
    meter_values_every
        The number of seconds between two MeterValues of a transaction.
    heartbeat
        The number of seconds between two Heartbeats.
    reconnect_within
        The number of seconds within which all charge points must be back after all connections were lost.
    peak
        How many times as busy the busiest hour is as the average hour.
    zones
        The number of zones over which the gateways are spread evenly. One of them may be lost.
    tenants
        The number of tenants, which share the charge points evenly. The store bounds the events of a tenant.
    hot_hours
        The number of hours for which a finished transaction stays in the store, as
        `retention.transactions_hot_h` says.
    fsync_ms
        The number of milliseconds that an fsync takes on the disk of the store. `csms doctor` measures it.
    output
        `json` prints one JSON object.
    """
    found = size(
        Fleet(
            charge_points=charge_points,
            transactions_a_day=transactions_a_day,
            transaction_minutes=transaction_minutes,
            meter_values_every=meter_values_every,
            heartbeat=heartbeat,
            reconnect_within=reconnect_within,
            peak=peak,
            zones=zones,
            tenants=tenants,
            hot_hours=hot_hours,
            fsync_ms=fsync_ms,
        )
    )
    lines = [msgspec.json.encode(found).decode()] if output == "json" else describe(found)
    print("\n".join(lines))  # noqa: T201  the purpose of the command
