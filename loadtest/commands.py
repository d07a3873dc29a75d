"""Simulated operators: harmless commands through the admin API, at a given rate, to random charge points.

The rate of commands to healthy charge points does not depend on the number of silent charge points, so that
two runs can be compared.
"""

import itertools
import random
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Literal, NamedTuple
from urllib.parse import quote

import httpx
import msgspec
import trio

from loadtest.latency import Latencies

type Kind = Literal["healthy", "silent"]

COMMANDS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("GetConfiguration", {"key": ["HeartbeatInterval"]}),
    ("TriggerMessage", {"requestedMessage": "Heartbeat"}),
    ("GetLocalListVersion", {}),
)
IN_FLIGHT_MAX = 2_000
CLIENTS = 16  # A single HTTP client would be slow, because it searches all its connections at each request.
GRACE_S = 10.0
EARLY_S = 0.5


class CommandTarget(msgspec.Struct, frozen=True, kw_only=True):
    """The admin API that receives the commands. A charge point must answer within `timeout_s`."""

    admin_url: str
    tenant: str
    api_key: str
    per_second: float
    timeout_s: float
    tls: ssl.SSLContext

    def __repr__(self) -> str:
        """Return a text without the API key."""
        return f"<operators of {self.tenant} at {self.admin_url}>"


class SentCommand(NamedTuple):
    kind: Kind
    charge_point: str
    action: str
    payload: dict[str, Any]
    due: float


class CommandLoad:
    """A sender of commands that records their latencies.

    A healthy charge point is one that is not silent. `healthy` has latencies by action, in seconds. A latency
    begins when the command was due, and ends when its answer came. `silent` has times by outcome, in seconds.
    The time of a refused command counts from when the command was due; the time of any other command counts
    from its deadline.
    """

    def __init__(self, target: CommandTarget, seed: str) -> None:
        self.healthy = Latencies()
        self.silent = Latencies()
        self.outcomes: dict[Kind, Counter[str]] = {"healthy": Counter(), "silent": Counter()}
        self._target = target
        self._dice = random.Random(seed)  # noqa: S311  reproducible, not secret
        self._in_flight = 0

    @property
    def ended(self) -> int:
        return sum(ends.total() for ends in self.outcomes.values())

    @property
    def unexpected(self) -> Counter[str]:
        """Count the outcomes that should not occur in a run.

        A command to a healthy charge point should be answered. A command to a silent charge point should time
        out, or be refused because too many commands wait for that charge point.
        """
        return Counter(
            {
                f"command to a {kind} charge point: {outcome}": count
                for kind, ends in self.outcomes.items()
                for outcome, count in ends.items()
                if outcome not in _EXPECTED[kind]
            }
        )

    async def run(self, kind: Kind, charge_points: Sequence[str], leave: trio.Event) -> None:
        """Send `per_second` commands to random charge points until `leave` is set.

        Then wait until all commands have ended.

        Half of the commands to silent charge points go to every eighth of these charge points, so that some
        queues fill up and others do not.
        """
        crowded = charge_points[::8] if kind == "silent" else charge_points
        async with _clients(self._target) as clients, trio.open_nursery() as nursery:
            began = trio.current_time()
            for count in itertools.count():
                due = began + count / self._target.per_second
                with trio.move_on_at(due):
                    await leave.wait()
                if leave.is_set():
                    break
                id_ = self._dice.choice(crowded if self._dice.random() < 0.5 else charge_points)
                command = SentCommand(kind, id_, *self._dice.choice(COMMANDS), due=due)
                if self._in_flight >= IN_FLIGHT_MAX:
                    self.outcomes[kind]["not sent, as too many wait already"] += 1
                else:
                    nursery.start_soon(self._send, clients[count % CLIENTS], command)

    async def _send(self, client: httpx.AsyncClient, command: SentCommand) -> None:
        kind = command.kind
        sent = trio.current_time()
        self._in_flight += 1
        try:
            outcome = await _outcome(client, command)
        finally:
            self._in_flight -= 1
        ended = trio.current_time()
        if outcome == _LATE and ended - sent < self._target.timeout_s - EARLY_S:
            outcome = "ended before its deadline"
        self.outcomes[kind][outcome] += 1
        if kind == "healthy":
            if outcome in _EXPECTED[kind]:
                self.healthy.record(command.action, ended - command.due)
            else:
                self.healthy.record_error(command.action)
        elif outcome == _LATE:
            self.silent.record(outcome, max(0.0, ended - sent - self._target.timeout_s))
        else:
            self.silent.record(outcome, ended - sent)


_LATE = "504 deadline-passed"
_EXPECTED: dict[Kind, frozenset[str]] = {
    "healthy": frozenset({"200 answered"}),
    "silent": frozenset({_LATE, "429 busy"}),
}


async def _outcome(client: httpx.AsyncClient, command: SentCommand) -> str:
    """Send one command and return its outcome as `<HTTP status> <word>`."""
    path = f"/charge-points/{quote(command.charge_point, safe='')}/commands/{command.action}"
    try:
        response = await client.post(path, json=command.payload)
        answer = response.json()
    except (httpx.HTTPError, ValueError) as error:
        return f"no answer ({type(error).__name__})"
    word = answer.get("status") if response.is_success else str(answer.get("type")).rpartition(":")[2]
    return f"{response.status_code} {word}"


@asynccontextmanager
async def _clients(target: CommandTarget) -> AsyncIterator[list[httpx.AsyncClient]]:
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(
                httpx.AsyncClient(
                    base_url=f"{target.admin_url.rstrip('/')}/v1/tenants/{quote(target.tenant, safe='')}",
                    headers={"Authorization": f"Bearer {target.api_key}"},
                    params={"timeout": target.timeout_s},
                    timeout=target.timeout_s + GRACE_S,
                    limits=httpx.Limits(max_connections=None, max_keepalive_connections=20),
                    verify=target.tls,
                )
            )
            for _ in range(CLIENTS)
        ]
