"""After any sequence of Lua steps, the store is in the same state as a plain model of the rules."""

from dataclasses import dataclass, field

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from state import charge_points, commands
from state.charge_points import Settings
from state.commands import Conflict, Go, Gone, Late, Settled, Submitted, Taken, sweep
from state.commands.table import (
    LATE,
    ORPHANED,
    OVERDUE,
    TABLE,
    UNWRITTEN,
    UNWRITTEN_ONLINE,
    WAITING,
    Status,
)
from state.errors import Superseded
from state.nodes.leases import Lease
from state.store import Store, StoreConfig, open_store
from tests.support.commands import (
    ADMIN,
    CHARGE_POINT,
    KEYS,
    NODE,
    TENANT,
    make_overdue,
    open_inbox,
    seat,
    told,
    waiting,
    waiting_online,
)

LIMIT = 3
NONCES = ("a", "b")
PAYLOADS = (b'{"type":"Soft"}', b'{"type":"Hard"}')
ENDS: tuple[Status, ...] = (
    *("answered", "error", "timeout", "unknown"),
    *("expired", "offline", "busy", "cancelled"),
)


@dataclass
class Modelled:
    payload: bytes
    status: Status
    online: bool = False
    overdue: bool = False
    nonce: str | None = None
    epoch: int = 0


@dataclass
class Model:
    commands: dict[str, Modelled] = field(default_factory=dict)
    by_key: dict[int, str] = field(default_factory=dict)
    pending: list[str] = field(default_factory=list)
    online: list[str] = field(default_factory=list)
    """Commands that wait until the charge point is online."""
    events: list[tuple[str, str]] = field(default_factory=list)

    def move(self, id_: str, status: Status) -> None:
        self.commands[id_].status = status
        self.events.append((id_, status))
        for ids in (self.pending, self.online):
            if status not in WAITING and id_ in ids:
                ids.remove(id_)


class Run:
    """Each method runs one Lua step in the store and in the model, and compares the outcomes."""

    def __init__(self, store: Store, lease: Lease) -> None:
        self.store = store
        self.model = Model()
        self.leases = [lease]
        self.held = True
        self.node_lives = True
        self.ids: list[str] = []

    async def submit(self, key: int | None, payload: bytes, online: bool) -> None:  # noqa: FBT001  Drawn by position.
        outcome = await commands.submit(
            self.store,
            TENANT,
            CHARGE_POINT,
            action="Reset",
            payload=payload,
            ttl_ms=600_000,
            waits_ms=600_000 if online else None,
            reply_to=ADMIN,
            idempotency_key=None if key is None else str(key),
            limit=LIMIT,
        )
        model = self.model
        known = None if key is None else model.by_key.get(key)
        if known is not None:
            if model.commands[known].payload != payload:
                assert outcome == Conflict(known)
            else:
                assert isinstance(outcome, Submitted)
                assert (outcome.command.id, outcome.node, outcome.fresh) == (known, None, False)
            return
        assert isinstance(outcome, Submitted)
        id_ = outcome.command.id
        self.ids.append(id_)
        if key is not None:
            model.by_key[key] = id_
        first: Status = "waiting" if online else "queued"
        if not self.held and not online:
            first = "offline"
        elif len(model.online if online else model.pending) >= LIMIT:
            first = "busy"
        model.commands[id_] = Modelled(payload, first, online=online)
        model.events.append((id_, first))
        if first == "waiting":
            model.online.append(id_)
        if first == "queued":
            model.pending.append(id_)
            if not self.node_lives:
                model.move(id_, "offline")
        assert outcome.command.status == model.commands[id_].status
        assert outcome.fresh
        wakes = first in {"queued", "waiting"} and self.held and self.node_lives
        assert outcome.node == (NODE if wakes else None)

    async def claim(self, which: int, nonce: str, session: int) -> None:
        id_ = self.ids[which % len(self.ids)]
        lease = self.leases[-1 - session % min(2, len(self.leases))]
        try:
            outcome = await commands.claim(self.store, lease, id_, nonce)
        except Superseded:
            assert lease is not self.leases[-1] or not self.held
            return
        assert lease is self.leases[-1]
        assert self.held
        command = self.model.commands.get(id_)
        if command is None:
            assert outcome == Gone()
            return
        again = command.nonce == nonce and (
            command.status == "sent" or (command.status == "timeout" and command.overdue)
        )
        if command.status not in {"queued", "waiting"} and not again:
            assert outcome == Taken(command.status)
        elif command.overdue:
            assert outcome == Late()
            self.model.move(id_, LATE[command.status])
        else:
            assert isinstance(outcome, Go)
            assert outcome.payload == command.payload
            if not again:
                command.nonce, command.epoch = nonce, lease.epoch
                if command.status == "waiting":
                    self.model.online.remove(id_)
                    self.model.pending.insert(0, id_)
                self.model.move(id_, "sent")

    async def give_back(self, which: int, nonce: str) -> None:
        id_ = self.ids[which % len(self.ids)]
        given_back = await commands.give_back(self.store, KEYS, id_, nonce)
        command = self.model.commands[id_]
        if command.online and command.status == "sent" and command.nonce == nonce:
            assert given_back
            self.model.pending.remove(id_)
            self.model.online.insert(0, id_)
            self.model.move(id_, UNWRITTEN_ONLINE[command.status])
            command.nonce, command.epoch, command.overdue = None, 0, False
            return
        moves = LATE if command.overdue else UNWRITTEN
        mine = command.nonce == nonce and command.status in moves
        assert given_back == (mine and not command.overdue)
        if mine:
            self.model.move(id_, moves[command.status])
            if given_back:
                command.nonce, command.epoch = None, 0

    async def settle(self, which: int, status: Status) -> None:
        id_ = self.ids[which % len(self.ids)]
        outcome = await commands.settle(self.store, KEYS, id_, status=status)
        command = self.model.commands.get(id_)
        if command is None:
            assert outcome == Gone()
        elif status in TABLE[command.status]:
            assert outcome == Settled()
            self.model.move(id_, status)
        else:
            assert outcome == Taken(command.status)

    async def pass_deadline(self, which: int) -> None:
        id_ = self.ids[which % len(self.ids)]
        if id_ in self.model.commands:
            self.model.commands[id_].overdue = True
            await make_overdue(self.store, id_)

    async def sweep(self) -> None:
        due = {
            id_: OVERDUE[c.status]
            for id_, c in self.model.commands.items()
            if c.overdue and c.status in OVERDUE
        }
        assert await sweep.sweep_overdue(self.store) == len(due)
        for id_, status in due.items():
            self.model.move(id_, status)

    async def take_over(self) -> None:
        """Begin a new session."""
        self.leases.append(await seat(self.store, epoch=self.leases[-1].epoch + 1))
        self.held = True

    async def mark_unknown(self) -> None:
        epoch = self.leases[-1].epoch
        lost = [
            id_
            for id_ in self.model.pending
            if self.model.commands[id_].status in ORPHANED and self.model.commands[id_].epoch < epoch
        ]
        waiting = (await commands.read_lists(self.store, KEYS)).pending
        assert await commands.mark_unknown(self.store, self.leases[-1], waiting) == lost
        for id_ in lost:
            self.model.move(id_, "unknown")

    async def release(self) -> None:
        await self.store.execute("HSET", KEYS.lease, "holder", "", "node", "")
        self.held = False

    async def node(self, lives: bool) -> None:  # noqa: FBT001  Drawn by position.
        key = f"csms:inbox:{{{NODE}}}"
        if lives and not self.node_lives:
            await open_inbox(self.store)
        elif not lives:
            await self.store.execute("DEL", key)
        self.node_lives = lives

    async def compare(self) -> None:
        for id_, modelled in self.model.commands.items():
            found = await commands.get(self.store, TENANT, id_)
            assert found is not None
            assert found.status == modelled.status
            assert (found.settled_ms is None) == (modelled.status in WAITING)
        assert await waiting(self.store) == (self.model.pending, set(self.model.pending))
        assert await waiting_online(self.store) == (self.model.online, set(self.model.online))
        assert sorted(await told(self.store)) == sorted(self.model.events)
        for id_ in self.ids:
            of_one = [status for event_id, status in await told(self.store) if event_id == id_]
            assert of_one == [status for event_id, status in self.model.events if event_id == id_]


WHICH = st.integers(0, 7)
OPERATIONS = st.one_of(
    st.tuples(st.just("submit"), st.none() | st.integers(0, 1), st.sampled_from(PAYLOADS), st.booleans()),
    st.tuples(st.just("submit"), st.none(), st.sampled_from(PAYLOADS), st.booleans()),
    st.tuples(st.just("claim"), WHICH, st.sampled_from(NONCES), st.sampled_from((0, 0, 1))),
    st.tuples(st.just("claim"), WHICH, st.sampled_from(NONCES), st.just(0)),
    st.tuples(st.just("give_back"), WHICH, st.sampled_from(NONCES)),
    st.tuples(st.just("settle"), WHICH, st.sampled_from(ENDS)),
    st.tuples(st.just("pass_deadline"), WHICH),
    st.tuples(st.just("sweep")),
    st.tuples(st.just("take_over")),
    st.tuples(st.just("mark_unknown")),
    st.tuples(st.just("release")),
    st.tuples(st.just("node"), st.booleans()),
)


@settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(st.lists(OPERATIONS, min_size=5, max_size=40))
async def test_operations_on_commands_in_any_order_have_the_same_results_as_a_simple_model(
    redis_url: str, operations: list[tuple[object, ...]]
) -> None:
    # The test opens a store itself, because an asynchronous fixture ends with the first example.
    async with open_store(StoreConfig(url=redis_url)) as store:
        await store.execute("FLUSHALL")
        await charge_points.put(store, TENANT, CHARGE_POINT, Settings())
        await store.execute("DEL", KEYS.events)
        await open_inbox(store)
        run = Run(store, await seat(store))
        for name, *arguments in operations:
            if name in {"claim", "give_back", "settle", "pass_deadline"} and not run.ids:
                continue
            await getattr(run, str(name))(*arguments)
        await run.compare()
