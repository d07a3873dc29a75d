"""The types that several messages share (OCPP 1.6 section 7, and the official JSON schemas)."""

from typing import TYPE_CHECKING, Annotated, Any, Literal

from msgspec import Meta, Struct

if TYPE_CHECKING:
    type Maybe[T] = T | None
else:

    class Maybe:
        """A field that may be absent (None in the struct), but must not be null on the wire.

        The decoder sees the bare type and refuses null, as the schemas do. faults/reading.py then drops the
        null and counts the fault. Because None is the default, `omit_defaults` leaves out a field that is
        None.
        """

        def __class_getitem__(cls, item: Any) -> Any:
            return item


class Message(
    Struct,
    kw_only=True,
    gc=False,  # Messages are trees without cycles, and most of them are short-lived.
    rename="camel",
    omit_defaults=True,
    forbid_unknown_fields=True,
):
    """Base of all payloads and their parts. Unknown properties and null are refused."""


type CiString20 = Annotated[str, Meta(max_length=20)]
type CiString25 = Annotated[str, Meta(max_length=25)]
type CiString50 = Annotated[str, Meta(max_length=50)]
type CiString255 = Annotated[str, Meta(max_length=255)]
type CiString500 = Annotated[str, Meta(max_length=500)]
type IdToken = CiString20

type DateTime = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]
"""Time, as the text that was sent.

Only strict reading checks the format; `timestamps.parse` converts the text.
"""

type Integer = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
"""Integer of 64 bits. OCPP sets no bound, but Lua, Redis and most clients of the API read no more."""

type OneDecimal = Annotated[
    float,
    Meta(
        extra_json_schema={
            "multipleOf": 0.1,
            "exclusiveMinimum": -(10**15),
            "exclusiveMaximum": 10**15,
        }
    ),
]
"""Number with at most one decimal.

Only strict reading checks the number of decimals and the bounds, beyond which floats are too inexact. The
check uses Decimal, because the float 16.1 is not a multiple of 0.1.
"""

type AcceptedOrRejected = Literal["Accepted", "Rejected"]
type AuthorizationStatus = Literal["Accepted", "Blocked", "Expired", "Invalid", "ConcurrentTx"]


class IdTagInfo(Message, kw_only=True):
    expiry_date: Maybe[DateTime] = None
    parent_id_tag: Maybe[IdToken] = None
    status: AuthorizationStatus


type ReadingContext = Literal[
    "Interruption.Begin",
    "Interruption.End",
    "Sample.Clock",
    "Sample.Periodic",
    "Transaction.Begin",
    "Transaction.End",
    "Trigger",
    "Other",
]
type ValueFormat = Literal["Raw", "SignedData"]
type Measurand = Literal[
    "Energy.Active.Export.Register",
    "Energy.Active.Import.Register",
    "Energy.Reactive.Export.Register",
    "Energy.Reactive.Import.Register",
    "Energy.Active.Export.Interval",
    "Energy.Active.Import.Interval",
    "Energy.Reactive.Export.Interval",
    "Energy.Reactive.Import.Interval",
    "Power.Active.Export",
    "Power.Active.Import",
    "Power.Offered",
    "Power.Reactive.Export",
    "Power.Reactive.Import",
    "Power.Factor",
    "Current.Import",
    "Current.Export",
    "Current.Offered",
    "Voltage",
    "Frequency",
    "Temperature",
    "SoC",
    "RPM",
]
type Phase = Literal["L1", "L2", "L3", "N", "L1-N", "L2-N", "L3-N", "L1-L2", "L2-L3", "L3-L1"]
type Location = Literal["Cable", "EV", "Inlet", "Outlet", "Body"]
type UnitOfMeasure = Literal[
    "Wh",
    "kWh",
    "varh",
    "kvarh",
    "W",
    "kW",
    "VA",
    "kVA",
    "var",
    "kvar",
    "A",
    "V",
    "K",
    "Celcius",  # The older schemas have this spelling, and errata 2025-04 allow both spellings.
    "Celsius",
    "Fahrenheit",
    "Percent",
    "Hertz",  # The official schemas lack this unit, but many charge points send it.
]


class SampledValue(Message):
    """One reading. Section 7.43 gives the defaults of the absent fields."""

    value: str
    context: Maybe[ReadingContext] = None
    format: Maybe[ValueFormat] = None
    measurand: Maybe[Measurand] = None
    phase: Maybe[Phase] = None
    location: Maybe[Location] = None
    unit: Maybe[UnitOfMeasure] = None


class MeterValue(Message):
    timestamp: DateTime
    sampled_value: tuple[SampledValue, ...]


type ChargingProfilePurpose = Literal["ChargePointMaxProfile", "TxDefaultProfile", "TxProfile"]
type ChargingProfileKind = Literal["Absolute", "Recurring", "Relative"]
type RecurrencyKind = Literal["Daily", "Weekly"]
type ChargingRateUnit = Literal["A", "W"]


class ChargingSchedulePeriod(Message):
    start_period: Integer
    limit: OneDecimal
    number_phases: Maybe[Integer] = None


class ChargingSchedule(Message, kw_only=True):
    duration: Maybe[Integer] = None
    start_schedule: Maybe[DateTime] = None
    charging_rate_unit: ChargingRateUnit
    charging_schedule_period: tuple[ChargingSchedulePeriod, ...]
    min_charging_rate: Maybe[OneDecimal] = None


class ChargingProfile(Message, kw_only=True):
    charging_profile_id: Integer
    transaction_id: Maybe[Integer] = None
    stack_level: Integer
    charging_profile_purpose: ChargingProfilePurpose
    charging_profile_kind: ChargingProfileKind
    recurrency_kind: Maybe[RecurrencyKind] = None
    valid_from: Maybe[DateTime] = None
    valid_to: Maybe[DateTime] = None
    charging_schedule: ChargingSchedule
