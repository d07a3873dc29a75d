"""Lua steps, commands, pipelines and blocking reads, on connections that are checked again and again."""

from collections.abc import Coroutine, Sequence
from functools import partial
from time import monotonic
from typing import Any

import structlog
import trio
from redis.exceptions import ResponseError

from state import meta
from state.clock import ServerClock
from state.errors import StoreRefused, StoreUnavailable
from state.histogram import Histogram
from state.prepared import Prepared
from state.redis import checks, url
from state.redis.blocking import BlockingConnections
from state.redis.client import Lane, Target
from state.redis.connection import Arg, Ask, pack
from state.redis.headroom import Headroom
from state.redis.headroom_watch import HeadroomWatch
from state.redis.lanes import Lanes
from state.redis.pending import PendingReplies
from state.redis.pulse import Pulse
from state.replies import Hash
from state.scripts import SCRIPTS, Script
from state.store.config import StoreConfig

_log = structlog.get_logger()

_CHECK_EVERY_S = 10.0
_FIELDS = 100
"""A hash with fewer fields is read at once. Most have about twenty."""


class Store:
    """A connected store, which `open_store` makes.

    Methods that run commands raise StoreUnavailable, or ResponseError if the server refuses a command.
    """

    def __init__(self, config: StoreConfig) -> None:
        if config.durability == "replicated":
            raise StoreRefused("store.durability: replicated is not supported yet; choose fsync or memory")
        target = Target(
            address=url.parse(config.url),
            durability=config.durability,
            timeout_s=config.timeout_s,
            prepare=self._prepare,
        )
        self.available = False
        self.packs = False
        """Whether the stored form is new enough for packed values. It is read again every 10 s."""
        self.identity = ("", "")
        """Run id and replication id of the server. A change means that the server may have lost writes."""
        self._lost_at: float | None = None
        self._config = config
        self.latency = Histogram()
        """Seconds until the reply of each command."""
        self._lanes = Lanes(partial(self._lane, target), config.connections)
        self._turns = self._lanes.by_key
        self._blocking = BlockingConnections(target, config.blocking_connections)
        self._loading = trio.Lock()
        self._has_scripts = ""
        """Run id of the server that has our scripts."""
        self._changed = trio.Event()
        self.clock = ServerClock()
        self._pulse = Pulse(
            self._ask_of(self._lanes.liveness), self.clock, config.durability, self._end_lanes
        )
        self.headroom_watch = HeadroomWatch(self._ask_replies)

    @property
    def refuses(self) -> str | None:
        """The error code with which the store refuses writes now, such as OOM. It is None if writes work."""
        return self._pulse.refuses

    @property
    def headroom(self) -> Headroom:
        """How full the store is. At most 2 s old."""
        return self.headroom_watch.headroom

    def clock_offset_s(self) -> float:
        """Return how far the server's clock is ahead of the clock of this machine."""
        return self.clock.offset_from_wall_s()

    async def wait_available(self) -> None:
        while not self.available:
            await self._changed.wait()
        await trio.lowlevel.checkpoint()

    def server_time_ms(self) -> int:
        """Estimate the server's clock in Unix ms, at most half a round trip off."""
        return self.clock.now_ms()

    def step(
        self, name: str, keys: Sequence[str], args: Sequence[Arg], *, of: str | None = None
    ) -> Coroutine[None, None, list[Any]]:
        """Run one Lua step.

        Steps whose first keys share a hash tag run in the order of the calls. Steps of one charge point go
        one at a time. The charge point is that of the key `of`, which is by default the first key.
        """
        script = SCRIPTS[name]
        return self._step(of or keys[0], script, _evalsha(script, keys, args))

    def step_prepared(self, prepared: Prepared, rest: Sequence[bytes]) -> Coroutine[None, None, Any]:
        """Run one Lua step whose keys and first arguments are packed already.

        `rest` has the last arguments of the step. The step may return a word instead of a list.
        """
        return self._step(prepared.key, prepared.script, prepared.pack(rest))

    async def _step(self, key: str, script: Script, packed: bytes) -> Any:
        lane, turn = self._turns.get(key) or self._lanes.of(key)
        reply = await lane.pending.call(packed, 1, turn)
        if isinstance(reply, ResponseError):
            if str(reply).startswith("NOSCRIPT"):
                load = pack(("SCRIPT", "LOAD", script.source))
                reply = (await lane.pending.call(load + packed, 2, turn))[1]
            if isinstance(reply, ResponseError):
                self._raise(lane, reply)
        return reply

    async def execute(self, *command: Arg, key: str | None = None) -> Any:
        """Run one command on the connection of `key`, which is by default the command's first argument."""
        if key is None:
            key = str(command[1]) if len(command) > 1 else ""
        # Most of these keys come once, such as that of an id tag, and would only fill what is remembered.
        lane = self._lanes.choose(key)
        reply = await lane.pending.call(pack(command))
        if isinstance(reply, ResponseError):
            self._raise(lane, reply)
        return reply

    async def pipeline(self, commands: Sequence[Sequence[Arg]]) -> list[Any]:
        """Run commands in one round trip.

        If a command fails, its error is raised, but all the other commands are executed.
        """
        return self._check_replies(await self._ask_many([pack(command) for command in commands]))

    async def hashes(self, names: Sequence[str]) -> list[Hash]:
        """Read hashes in one round trip, those that do not exist as empty ones.

        HSCAN returns the whole of a short hash as a flat list. The parser reads this list five times as fast
        as the map that HGETALL returns.
        """
        replies = await self.pipeline([("HSCAN", name, 0, "COUNT", _FIELDS) for name in names])
        found: list[Hash] = [fields for _, fields in replies]
        if cut := [i for i, (cursor, _) in enumerate(replies) if cursor != b"0"]:
            whole = await self.pipeline([("HGETALL", names[i]) for i in cut])
            for i, fields in zip(cut, whole, strict=True):
                found[i] = fields
        return found

    async def steps(self, name: str, calls: Sequence[tuple[Sequence[str], Sequence[Arg]]]) -> list[Any]:
        """Run one Lua step many times in one round trip.

        If a step fails, its error is raised, but all the other steps are executed.
        """
        script = SCRIPTS[name]
        packed = [_evalsha(script, keys, args) for keys, args in calls]
        replies = await self._ask_many(packed)
        if missing := [i for i, reply in enumerate(replies) if _is_noscript(reply)]:
            load = pack(("SCRIPT", "LOAD", script.source))
            again = await self._ask_many([load, *(packed[i] for i in missing)])
            for i, reply in zip(missing, again[1:], strict=True):
                replies[i] = reply
        return self._check_replies(replies)

    async def blocking(self, *command: Arg, timeout_s: float) -> Any:
        """Run a command that waits (XREAD BLOCK) on a connection of its own.

        `timeout_s` is the time that the command itself may wait. The store's own timeout is added to
        `timeout_s`.
        """
        reply = await self._blocking.ask(command, timeout_s)
        if isinstance(reply, ResponseError):
            self._raise(None, reply)
        return reply

    def stats(self) -> dict[str, int | float]:
        return {
            "available": int(self.available),
            **self._lanes.stats(),
            "blocking_connections": self._blocking.in_use,
            **self.headroom_watch.stats(),
        }

    # --- The methods below are for open_store. ---

    async def run(self) -> None:
        """Keep the connections open until cancelled."""
        async with trio.open_nursery() as nursery:
            for lane in self._lanes.all:
                nursery.start_soon(lane.run)
            nursery.start_soon(self.headroom_watch.run)
            nursery.start_soon(self._pulse.run)
            try:
                while True:
                    await trio.sleep(_CHECK_EVERY_S)
                    for lane in self._lanes.all:
                        nursery.start_soon(self._check, lane)
            finally:
                self.available = False
                self._blocking.close()

    def trouble(self) -> StoreRefused | StoreUnavailable | None:
        """Return why the store is not available."""
        return self._lanes.trouble()

    @property
    def writable(self) -> bool:
        return self.available and self.refuses is None

    def describe_trouble(self) -> str | None:
        """Return in words why the store cannot be used now, or None if it can."""
        if not self.available:
            return str(self.trouble() or "the store is not ready yet")
        return self.refuses and f"the store refuses writes ({self.refuses})"

    async def wait_opened(self) -> None:
        """Wait until the store is available. Raises StoreRefused as soon as the store is refused."""
        while not self.available:
            if isinstance(trouble := self.trouble(), StoreRefused):
                raise trouble
            await self.wait_changed()
        await trio.lowlevel.checkpoint()

    @property
    def away_s(self) -> float:
        """Seconds since the store went away, or 0 if it is available or was never available."""
        return 0.0 if self._lost_at is None else monotonic() - self._lost_at

    async def wait_changed(self) -> None:
        await self._changed.wait()

    def _lane(self, target: Target) -> Lane:
        config = self._config
        pending = PendingReplies(
            timeout_s=config.timeout_s,
            max_commands=config.max_commands,
            max_bytes=config.max_bytes,
            latency=self.latency,
        )
        return Lane(target, pending, self._lane_changed)

    def _lane_changed(self) -> None:
        if (identity := self._lanes.listing.identity) is not None:
            self.identity = identity.server.run_id, identity.server.replid
        trouble = self.trouble()
        if self.available and trouble is not None:
            self._lost_at = monotonic()
            _log.warning("store.lost", error=str(trouble))
        elif self._lost_at is not None and trouble is None:
            _log.warning("store.recovered", away_s=round(monotonic() - self._lost_at, 1))
            self._lost_at = None
        self.available = trouble is None
        if not self.available:
            self._blocking.close()  # Idle blocking connections are most likely broken too.
        changed, self._changed = self._changed, trio.Event()
        changed.set()

    async def _check(self, lane: Lane) -> None:
        """Repeat the checks on a live connection, because the server's settings and role may have changed."""
        if lane.connection is None:
            return

        ask = self._ask_of(lane)
        try:
            server = await checks.check(ask, self._config.durability)
            if lane is self._lanes.listing:
                self.identity = server.run_id, server.replid
                self._note_meta(await meta.check(ask))
        except StoreUnavailable:
            return  # If the server does not answer, the lane itself reconnects.
        except StoreRefused as error:
            lane.end(str(error))

    def _ask_of(self, lane: Lane) -> Ask:
        async def ask(commands: Sequence[Sequence[Arg]]) -> list[Any]:
            replies = await lane.pending.call(b"".join(map(pack, commands)), len(commands))
            return replies if len(commands) > 1 else [replies]

        return ask

    def _end_lanes(self, why: str) -> None:
        """End all connections, because the settings of the server are wrong now. Each is checked again."""
        for lane in self._lanes.all:
            lane.end(why)

    async def _prepare(self, ask: Ask, server: checks.ServerInfo) -> None:
        asked = monotonic()
        [time] = await ask([("TIME",)])
        self.clock.learn(checks.read_time_ms(time), asked, monotonic())
        self._note_meta(await meta.check(ask))
        # The scripts are half a megabyte, so one connection loads them and the others wait for it.
        async with self._loading:
            if self._has_scripts != server.run_id:
                await _load_scripts(ask)
                self._has_scripts = server.run_id

    def _note_meta(self, found: meta.Meta) -> None:
        self.packs = found.readable_from >= meta.PACKED_FORMAT

    async def _ask_replies(self, commands: Sequence[Sequence[Arg]]) -> list[Any]:
        return await self._ask_many([pack(command) for command in commands])

    async def _ask_many(self, packed: Sequence[bytes]) -> list[Any]:
        """Run commands, already encoded in RESP, on the connection that reads whole lists for operators.

        The reply to a command that failed is a ResponseError.
        """
        if not packed:
            await trio.lowlevel.checkpoint()
            return []
        replies = await self._lanes.listing.pending.call(b"".join(packed), len(packed))
        return replies if len(packed) > 1 else [replies]

    def _check_replies(self, replies: list[Any]) -> list[Any]:
        executed = any(not isinstance(reply, ResponseError) for reply in replies)
        for reply in replies:
            if isinstance(reply, ResponseError):
                self._raise(self._lanes.listing, reply, sent=executed)
        return replies

    def _raise(self, lane: Lane | None, error: ResponseError, *, sent: bool = False) -> None:
        if not checks.is_passing(error):
            raise error
        if lane is not None and str(error).startswith(("READONLY", "MASTERDOWN")):
            lane.end(f"the store is not a primary any more: {error}")
        self._pulse.note_refusal(error)
        if str(error).startswith("OOM"):
            self.headroom_watch.look_soon()
        raise StoreUnavailable(f"the store did not execute a command: {error}", sent=sent)


async def _load_scripts(ask: Ask) -> None:
    for reply in await ask([("SCRIPT", "LOAD", script.source) for script in SCRIPTS.values()]):
        if isinstance(reply, ResponseError):
            raise StoreRefused(
                f"the store refused to load our scripts ({reply}); allow this user the command SCRIPT LOAD"
            )


def _evalsha(script: Script, keys: Sequence[str], args: Sequence[Arg]) -> bytes:
    # Compare the number of keys and arguments here, because two calls of `admits` would take 8 % of the
    # time that a step takes in this process.
    if len(keys) != len(script.keys.names) or len(args) != len(script.args.names):
        script.check(len(keys), len(args))
    return pack(("EVALSHA", script.sha, len(keys), *keys, *args))


def _is_noscript(reply: Any) -> bool:
    return isinstance(reply, ResponseError) and str(reply).startswith("NOSCRIPT")
