"""What a load test measured. A run saves one `Results` as JSON, and reports are made of it alone.

Times are seconds since the begin of the run, unless a name says otherwise. Results of the parts of one run
add up to the results of the whole without loss.
"""

from collections import Counter
from typing import Any, Literal, get_origin

from msgspec import Struct, convert, field

from loadtest.history import Finding
from loadtest.scenario.model import Scenario, StageSpan, Threshold

FORMAT = 1

type Clock = Literal["corrected", "service"]
type Phase = Literal["tcp", "tls", "upgrade", "boot", "service", "back"]
"""Parts of getting connected. `boot` is a BootNotification until it was accepted, `service` is everything
from the first byte until then, and `back` is from the loss of a connection until the next acceptance.
"""
type What = Literal["call", "phase", "command", "delivery"]
"""`delivery` is from the moment at which a message was written until its acknowledgement, with the time that
it lay in the queue of a charge point that was offline.
"""
type Ended = Literal["completed", "interrupted", "aborted"]
type Violation = Literal[
    "wrong_charge_point",
    "unknown_id",
    "id_twice",
    "unexpected_error",
    "invalid_answer",
    "command_not_received",
    "value_twice",
    "value_lost",
    "history_unread",
]
"""What no central system may do, whatever its load. The findings of the history are in addition.

With `history_unread`, the admin API did not show what is stored, so nobody knows whether anything is lost.
"""


class Results(Struct, kw_only=True):
    """The counters hold only names that occurred.

    `scenario` has no secrets. `charge_points` are the numbers of the first one of this part, and of the one
    after the last. `digest` is the same for every run that intends the same sends, however it is divided.
    """

    format: int = FORMAT
    release: str
    scenario: Scenario
    scale: float = 1.0
    parts: int = 1
    charge_points: tuple[int, int]
    started_at: str
    seconds: float = 0.0
    ended: Ended = "completed"
    machines: list["Machine"] = field(default_factory=list)
    stages: list[StageSpan] = field(default_factory=list)
    latencies: list["Latency"] = field(default_factory=list)
    slices: "Slices"
    counts: Counter[str] = field(default_factory=Counter)
    """`calls`, `late`, `dropped`, `unanswered`, `offline`, `connections`, `reconnects`, `ended`, ..."""
    stage_counts: dict[str, Counter[str]] = field(default_factory=dict)
    """The same counts by stage."""
    errors: Counter[str] = field(default_factory=Counter)
    """`<action> <CALLERROR code>`, `<action> no answer`, `refused 503`, `connection lost 1006`, ..."""
    commands: Counter[str] = field(default_factory=Counter)
    """`<action> <outcome>`."""
    violations: list["Found"] = field(default_factory=list)
    violation_counts: Counter[str] = field(default_factory=Counter)
    storms: list["StormReport"] = field(default_factory=list)
    actions: list["ActionReport"] = field(default_factory=list)
    generator: list["GeneratorReport"] = field(default_factory=list)
    history: "HistoryReport | None" = None
    digest: str = ""
    intended: int = 0
    """Number of intended sends in the digest."""
    judged: list["Judged"] = field(default_factory=list)
    invalid: list[str] = field(default_factory=list)
    """Why the generator, and not the central system, was measured. Empty if the run is valid."""
    exit_code: int = 0


class Machine(Struct, frozen=True, kw_only=True):
    """Where a part ran. `name` tells parts apart, and is not the name of the host."""

    name: str
    cpus: int
    memory_bytes: int
    python: str
    kernel: str


class Latency(Struct, frozen=True, kw_only=True):
    """One histogram. `hdr` is an HdrHistogram of microseconds, in its base64 form."""

    what: What
    name: str
    stage: str
    clock: Clock
    hdr: str


class Slices(Struct, kw_only=True):
    """Columns over time. Slice n begins at n times `length`."""

    length: float
    connected: list[int] = field(default_factory=list)
    booted: list[int] = field(default_factory=list)
    calls: list[int] = field(default_factory=list)
    errors: list[int] = field(default_factory=list)
    handshakes: list[int] = field(default_factory=list)
    hdr: list[str] = field(default_factory=list)
    """Corrected latencies of the calls of each slice."""


class Found(Struct, frozen=True):
    kind: Violation
    words: str
    at: float = 0.0


class StormReport(Struct, frozen=True, kw_only=True):
    """`recovered_s` is the time until as many charge points were accepted as before, or None."""

    stage: str
    at: float
    how: str
    cut: int
    recovered_s: float | None
    handshakes_per_second: float
    """The greatest number in one second."""


class ActionReport(Struct, frozen=True, kw_only=True):
    name: str
    at: float
    seconds: float
    exit_code: int | None
    output: str
    """The end of its output."""


class GeneratorReport(Struct, frozen=True, kw_only=True):
    """How one process of the generator was in one stage.

    The lag is how late its timers were, whatever the reason. `gc_pause_max_s` is the longest pause of
    Python's garbage collector. `lag_often_s` is the lag that at least ten timers, and one in 100, reached. In
    a short stage it is less than the p99, which is there the lag of a single pause.
    """

    process: str
    stage: str
    cpu_share: float
    lag_p99_s: float
    lag_max_s: float
    memory_bytes: int
    files: int
    files_limit: int
    connections: int
    gc_pause_max_s: float = 0.0
    lag_often_s: float | None = None


class HistoryReport(Struct, frozen=True, kw_only=True):
    """What the history checker found, or why it was left out.

    `values` is the number of acknowledged meter values that were looked for. `partly` says what could not be
    looked at, or is None.
    """

    left_out: str | None = None
    partly: str | None = None
    starts: int = 0
    stops: int = 0
    stored: int = 0
    values: int = 0
    retried: int = 0
    replayed: int = 0
    findings: tuple[Finding, ...] = ()
    finding_count: int = 0


class Judged(Struct, frozen=True, kw_only=True):
    """`value` is None if nothing was measured, and then the threshold was missed."""

    threshold: Threshold
    words: str
    value: float | None
    passed: bool


def read_counter(expected: type, found: Any) -> Any:
    """Read a Counter, which msgspec writes but does not read. This is a `dec_hook`."""
    if get_origin(expected) is not Counter and expected is not Counter:
        raise NotImplementedError(expected)
    return Counter(convert(found, dict[str, int]))
