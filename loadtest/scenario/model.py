"""What a load test does. A scenario is a TOML file, and these Structs are its tables.

Times and durations are seconds. A share is a number from 0 to 1.
"""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

type Seconds = Annotated[float, Meta(ge=0, le=30 * 86_400)]
type Positive = Annotated[float, Meta(ge=0.001, le=30 * 86_400)]
"""No time is shorter than a millisecond, so that whatever repeats after it comes to an end."""
type Share = Annotated[float, Meta(ge=0, le=1)]
type Name = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,39}$")]
type Span = tuple[Seconds, Seconds]
"""The least and the greatest number of seconds of a random time."""

type HowCut = Literal["reset", "close", "freeze"]
"""A TCP RST, a CLOSE frame, or silence: a frozen connection stays open, and neither reads nor writes."""
type Action = Literal["Authorize", "DataTransfer", "Heartbeat", "MeterValues", "StatusNotification"]
"""Actions that a charge point may send at any time, outside of a transaction too."""
type FaultName = Literal[
    "no_subprotocol", "many_subprotocols", "origin", "double_slash", "trailing_slash", "id_twice",
    "empty_frame", "id_short", "id_not_text", "call_unanswered",
    "early_heartbeat", "repeated_start", "repeated_stop", "available_while_charging", "values_after_stop",
    "connector_zero", "finishing_error",
    "time_no_zone", "time_format", "time_seven_digits", "time_before_2015", "no_status_time",
    "null_for_absent", "null_payload", "empty_value", "number_for_text", "empty_samples", "wrong_context",
    "wrong_unit", "wrong_phase", "unknown_enum", "object_for_list", "required_absent", "transaction_zero",
    "reservation_zero",
]  # fmt: skip
"""Faults of real charge points. The guide has a table of them."""


class Target(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The central system, and where the credentials are. Options of the command line replace these values.

    `url` has `{id}` in the place of the charge point's id, and may have `{token}`.
    `admin_url` is the address of the admin API of csms. `certificates` names a directory, and all other texts
    name files. `credentials_file` is a CSV file with a header of the columns `id`, `password`, `token`,
    `id_tag`, `certificate` and `key`, of which only `id` is necessary. Its rows are then the charge points.

    With `tls_resumption`, a charge point that connects again resumes its TLS session, if the central system
    allows it.
    """

    url: str | None = None
    ca_file: str | None = None
    token_file: str | None = None
    passwords_file: str | None = None
    certificates: str | None = None
    credentials_file: str | None = None
    admin_url: str | None = None
    api_key_file: str | None = None
    tls_resumption: bool = False


class Reconnect(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When a charge point connects again.

    `fixed` waits `first_s`. `exponential` doubles the wait from `first_s` up to `longest_s`, and adds a
    random part of up to `first_s`. `jitter` waits a random time from `first_s` to `longest_s`. `at_once` does
    not wait. `never` gives up. The count begins anew after a BootNotification that was accepted.
    """

    model: Literal["fixed", "exponential", "jitter", "at_once", "never"] = "jitter"
    first_s: Seconds = 1.0
    longest_s: Seconds = 30.0


class Charging(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Transactions one after the other. The first begins a random part of `pause_s` after the connection.

    `values_s` is the time between two MeterValues. With `starts` `remote`, only a RemoteStartTransaction
    begins a transaction.
    """

    charge_s: Span = (600.0, 3600.0)
    pause_s: Span = (60.0, 600.0)
    values_s: Positive = 60.0
    starts: Literal["local", "remote"] = "local"
    outlet: Literal["ac_one_phase", "ac_three_phases", "dc"] = "ac_three_phases"


class Arrival(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Sends of one action at a rate, whatever the central system does. The charge points share the rate."""

    action: Action
    per_second: Annotated[float, Meta(gt=0, le=1_000_000)]
    pattern: Literal["poisson", "even"] = "poisson"


class Cut(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Every charge point loses its connection once in `every_s`, at its own moment.

    It connects again `away_s` later.
    """

    every_s: Positive
    away_s: Seconds = 2.0
    how: HowCut = "reset"


class Retries(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a transaction message is repeated, and how much is kept while the charge point is offline.

    `attempts` and `interval_s` are TransactionMessageAttempts and TransactionMessageRetryInterval.
    """

    attempts: Annotated[int, Meta(ge=1, le=100)] = 3
    interval_s: Seconds = 60.0
    queue: Annotated[int, Meta(ge=1, le=10_000)] = 500


class Group(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Charge points that behave alike. The groups share the fleet in the proportion of their weights.

    Without `heartbeat_s`, a charge point takes the interval of the central system. With 0, it sends no
    Heartbeat of its own. `answers` `never` makes charge points that never answer a call. `reboot_s` is the
    time from a Reset until the next connection. `connectors` is the number of connectors, of which the first
    one charges.
    """

    name: Name
    weight: Annotated[float, Meta(gt=0, le=1_000_000)] = 1.0
    heartbeat_s: Seconds | None = None
    charging: Charging | None = None
    arrivals: tuple[Arrival, ...] = ()
    cut: Cut | None = None
    reconnect: Reconnect = field(default_factory=Reconnect)
    retries: Retries = field(default_factory=Retries)
    answers: Literal["always", "never"] = "always"
    connectors: Annotated[int, Meta(ge=1, le=16)] = 1
    reboot_s: Seconds = 5.0
    faults: tuple[FaultName, ...] = ()


class Fleet(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The charge points. `answer_s` is how long they wait for an answer, and `connect_s` for a connection.

    Their ids are `prefix` and a number of six digits. `id_tags` are shared in turn.
    """

    charge_points: Annotated[int, Meta(ge=1, le=1_000_000)] = 10
    prefix: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.-]{1,14}$")] = "LT"
    id_tags: Annotated[tuple[Annotated[str, Meta(min_length=1, max_length=20)], ...], Meta(min_length=1)] = (
        "DEMO",
    )
    answer_s: Positive = 30.0
    connect_s: Positive = 20.0


class Stage(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part of the run. The stages follow each other.

    `ramp` moves the share of connected charge points to `connected`, evenly over its time. `step` does so
    when it begins. `hold` and `soak` change nothing; the growth of a soak is reported. `spike` multiplies the
    rates of all arrivals by `rate`. A stage without `connected` keeps the share of the stage before. A share
    above 0 is at least one charge point.

    `in_sequence` is a number of calls. Each charge point sends so many, each after the answer to the one
    before, in the place of its arrivals, and with their actions in the proportion of their rates. What is
    left at the end of the stage is left out.
    """

    name: Name
    kind: Literal["ramp", "hold", "spike", "step", "soak"]
    seconds: Positive
    connected: Share | None = None
    rate: Annotated[float, Meta(ge=0, le=1_000)] = 1.0
    in_sequence: Annotated[int, Meta(ge=0, le=1_000_000)] = 0


class StageSpan(Struct, frozen=True):
    """When a stage is, in seconds since the begin of the run."""

    name: str
    begin: float
    end: float


class When(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A time in a run: `after_s` after the begin of a stage."""

    stage: Name
    after_s: Seconds = 0.0


class Storm(When, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A share of the connections is lost within `within_s`. The charge points return as their group does."""

    share: Share = 1.0
    how: HowCut = "reset"
    within_s: Seconds = 0.0


class ShellAction(When, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A command for the shell of the machine that runs the test. It needs the option --allow-actions."""

    name: Name
    shell: str
    timeout_s: Positive = 60.0


class Commands(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Commands to random connected charge points, through the admin API of csms, at a rate.

    They are timed from the call of the API to its answer. `expect` are the right statuses of the answer, and
    is empty if every answer is right. `stages` empty means all stages but ramps.
    """

    action: str
    payload: dict[str, Any] = field(default_factory=dict)
    per_second: Annotated[float, Meta(gt=0, le=10_000)]
    stages: tuple[Name, ...] = ()
    groups: tuple[Name, ...] = ()
    timeout_s: Positive = 30.0
    expect: tuple[str, ...] = ()


type Measure = Literal[
    "mean", "p50", "p90", "p95", "p99", "p999", "max",
    "calls", "errors", "error_share", "late", "dropped", "unanswered",
    "connected_share", "refused", "reconnects", "recovery_s", "violations", "growth_share",
]  # fmt: skip
"""What a threshold judges. The guide has a table of them, with units."""


class Threshold(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A bound of one measure. At least one of `least` and `most` is given.

    `of` is an action, a phase of the connection (`tcp`, `tls`, `upgrade`, `boot`, `service`, `back`), or a
    command; without it all calls count. `clock` is `corrected` (from the intended send time) or `service`.
    With `abort_after_s`, the run ends as soon as the bound has been missed for that many seconds.
    """

    measure: Measure
    of: str | None = None
    stage: Name | None = None
    clock: Literal["corrected", "service"] = "corrected"
    least: float | None = None
    most: float | None = None
    abort_after_s: Positive | None = None


class Generator(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Limits of the load generator itself. Beyond them the run is INVALID.

    Each limit is for each process and stage. `cpu_share` bounds the share of a core, and `lag_p99_s` and
    `lag_max_s` bound how late timers were. `late_share` bounds the share of sends that were late although the
    charge point was free.
    """

    cpu_share: Share = 0.85
    lag_p99_s: Positive = 0.1
    lag_max_s: Positive = 0.5
    late_share: Share = 0.01


class Checks(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which correctness is checked.

    With `history`, a run with `admin_url` compares what was acknowledged with what is stored.
    `schemas_share` is the share of the answers that are checked against OCPP's schemas.
    """

    history: bool = True
    schemas_share: Share = 0.01


class Scenario(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A whole load test."""

    name: Name
    description: str = ""
    seed: Annotated[int, Meta(ge=0, le=2**63 - 1)] = 1
    target: Target = field(default_factory=Target)
    fleet: Fleet = field(default_factory=Fleet)
    groups: Annotated[tuple[Group, ...], Meta(min_length=1)]
    stages: Annotated[tuple[Stage, ...], Meta(min_length=1)]
    storms: tuple[Storm, ...] = ()
    actions: tuple[ShellAction, ...] = ()
    commands: tuple[Commands, ...] = ()
    thresholds: tuple[Threshold, ...] = ()
    generator: Generator = field(default_factory=Generator)
    checks: Checks = field(default_factory=Checks)
    table: Literal["certificate"] | None = None
    """A table that is printed in addition: `certificate` is the performance table of an OCA certificate."""
