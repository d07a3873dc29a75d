"""A run of many simulated charge points at once, for a bounded time."""

import random
import ssl
from collections import Counter
from collections.abc import Iterable
from contextlib import AbstractAsyncContextManager

import msgspec
import trio

from gateway.service import collector
from gateway.service.metrics import LoopLag
from gateway.websocket.client import UpgradeRefused, connect
from gateway.websocket.close_codes import Close, ConnectionClosed
from gateway.websocket.connection import Connection
from gateway.websocket.limits import Limits
from loadtest.caller import CallFailed
from loadtest.charge_point import SimulatedChargePoint
from loadtest.commands import GRACE_S, CommandLoad, CommandTarget
from loadtest.credentials import NOTHING, Credentials
from loadtest.latency import Latencies
from loadtest.silent import SilentChargePoint

LEAVE_S = 30.0
WIND_DOWN_S = 2.0
"""Seconds from the last command until the first charge point leaves.

If a quarter of `duration_s` is shorter, that is used instead.
"""

_FAILURES = (UpgradeRefused, CallFailed, ConnectionClosed, OSError, ssl.SSLError, trio.TooSlowError)


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """Parameters of a load: rates per second, times in seconds.

    `url` has `{id}` in the place of the charge point's id. `silent` is the number of charge points that never
    answer a call, in addition to `charge_points`.
    """

    url: str
    charge_points: int
    duration_s: float
    interval_s: float
    connect_rate: float
    id_tag: str
    prefix: str
    source_addresses: int
    seed: int
    silent: int = 0


class Fleet:
    """A fleet whose `run` takes a bounded time.

    Connecting takes as many seconds as the number of charge points divided by `connect_rate`. The run then
    takes `duration_s`. After that, the charge points have 30 s to end, or the longest time that a command may
    take if that is longer. Finally, the silent charge points have 30 s to end.
    """

    def __init__(
        self,
        plan: Plan,
        tls: ssl.SSLContext | None,
        target: CommandTarget | None = None,
        *,
        credentials: Credentials = NOTHING,
    ) -> None:
        self.plan = plan
        self.latencies = Latencies()
        self.silent_calls = Latencies()
        self.commands = None if target is None else CommandLoad(target, f"{plan.seed}/commands")
        self.failures: Counter[str] = Counter()
        self.connected = 0
        self.booted = 0
        self.ended = 0
        self._tls = tls
        self._credentials = credentials
        self._leave_s = LEAVE_S if target is None else max(LEAVE_S, target.timeout_s + GRACE_S)
        self._all_here = trio.Event()
        self._first_leaves = trio.Event()
        self._over = trio.Event()
        self._lag = LoopLag(every_s=0.05, kept=10_000)

    async def run(self) -> None:
        plan = self.plan
        collector.settle()  # A full garbage collection here would look like latency of the central system.
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._lag.watch)
            async with trio.open_nursery() as silent:
                async with trio.open_nursery() as fleet:
                    began = trio.current_time()
                    # The silent charge points connect first, so that they are connected during the whole run.
                    for index in range(plan.silent + plan.charge_points):
                        await trio.sleep_until(began + index / plan.connect_rate)
                        if index < plan.silent:
                            silent.start_soon(self._run_silent, index)
                        else:
                            fleet.start_soon(self._run_charge_point, index - plan.silent)
                    if self.commands is not None:
                        fleet.start_soon(self._command, self.commands)
                    fleet.cancel_scope.deadline = trio.current_time() + plan.duration_s + self._leave_s
                self._over.set()
                silent.cancel_scope.deadline = trio.current_time() + LEAVE_S
            nursery.cancel_scope.cancel()
        if missing := plan.charge_points - self.ended:
            self.failures["did not end in time"] += missing

    async def _command(self, commands: CommandLoad) -> None:
        """Send commands while all charge points are connected."""
        plan = self.plan
        await self._all_here.wait()
        healthy = [self._id(index) for index in range(plan.charge_points)]
        silent = [self._silent_id(index) for index in range(plan.silent)]
        async with trio.open_nursery() as nursery:
            nursery.start_soon(commands.run, "healthy", healthy, self._first_leaves)
            if silent:
                nursery.start_soon(commands.run, "silent", silent, self._first_leaves)

    def _id(self, index: int) -> str:
        return f"{self.plan.prefix}{index:05d}"

    def _silent_id(self, index: int) -> str:
        return f"{self.plan.prefix}-silent-{index:05d}"

    def _connect(self, id_: str, index: int) -> AbstractAsyncContextManager[Connection]:
        return connect(
            self.plan.url.replace("{id}", id_),
            ssl_context=self._credentials.tls(id_) or self._tls,
            headers=self._credentials.headers(id_),
            source_address=_source_address(index, self.plan.source_addresses),
            limits=Limits(ping_interval_s=0),
        )

    async def _run_silent(self, index: int) -> None:
        try:
            async with self._connect(self._silent_id(index), index) as connection:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(SilentChargePoint(connection, self.silent_calls).run)
                    await self._over.wait()
                    nursery.cancel_scope.cancel()
                await connection.close(Close.LOAD_TEST_OVER)
        except* _FAILURES as failed:
            self._count_failures(failed.exceptions)

    async def _run_charge_point(self, index: int) -> None:
        plan, booted, leave = self.plan, trio.Event(), trio.Event()
        id_ = self._id(index)
        try:
            async with self._connect(id_, plan.silent + index) as connection:
                self.connected += 1
                charge_point = SimulatedChargePoint(
                    id_,
                    connection,
                    self.latencies,
                    self.failures,
                    id_tag=plan.id_tag,
                    interval_s=plan.interval_s,
                    dice=random.Random(f"{plan.seed}/{index}"),  # noqa: S311  reproducible, not secret
                )
                try:
                    async with trio.open_nursery() as nursery:
                        nursery.start_soon(self._time_leave, booted, leave)
                        await charge_point.run(booted=booted, leave=leave)
                        nursery.cancel_scope.cancel()
                finally:
                    self.connected -= 1
                await connection.close(Close.LOAD_TEST_OVER)
        except* _FAILURES as failed:
            self._count_failures(failed.exceptions)
        self.ended += 1
        self._count()

    async def _time_leave(self, booted: trio.Event, leave: trio.Event) -> None:
        """Set `leave` when `duration_s` has passed since the boot of this charge point.

        The charge points boot at different times, so their stops are spread out.
        """
        await booted.wait()
        self.booted += 1
        self._count()
        pause_s = min(WIND_DOWN_S, self.plan.duration_s / 4)
        await trio.sleep(self.plan.duration_s - pause_s)
        self._first_leaves.set()
        await trio.sleep(pause_s)
        leave.set()

    def _count(self) -> None:
        """Wake the waiting tasks after a charge point has booted or ended.

        A charge point that ended before the other charge points were ready will not come back, so no task
        waits for a complete fleet any longer. When all charge points have ended, no task waits for the first
        charge point to leave.
        """
        if self.booted >= self.plan.charge_points or self.ended:
            self._all_here.set()
        if self.ended >= self.plan.charge_points:
            self._first_leaves.set()

    def _count_failures(self, errors: Iterable[BaseException]) -> None:
        for error in errors:
            while isinstance(error, BaseExceptionGroup):
                error = error.exceptions[0]  # noqa: PLW2901  unwrapped
            self.failures[_describe(error)[:200]] += 1

    @property
    def failed(self) -> Counter[str]:
        """Return the number of failures of the run, by description of the failure."""
        return self.failures + (Counter() if self.commands is None else self.commands.unexpected)

    @property
    def late_p99_s(self) -> float:
        """Return the delay of our own event loop in seconds (p99).

        This delay is part of the latencies that the load generator measures.
        """
        return self._lag.quantiles()["p99"]


def _describe(error: BaseException) -> str:
    match error:
        case UpgradeRefused(status=0):  # The server closed the connection without an HTTP status.
            return f"refused: {error.text}"
        case UpgradeRefused() | CallFailed():
            return str(error).removesuffix(": ")
        case ssl.SSLCertVerificationError():
            return f"the certificate is not trusted ({error.verify_message}); --ca-file names whom to trust"
        case trio.TooSlowError():
            return "no connection in time"
        case _:
            return f"{type(error).__name__}: {error}"


def _source_address(index: int, addresses: int) -> str | None:
    """Return the source address for one charge point.

    One address has about 28,000 ports, so larger fleets are spread over 127.0.0.x.
    """
    return f"127.0.0.{2 + index % addresses}" if addresses else None
