"""Claims, releases, reapings, wipes and readoptions in any order have the results of a plain model."""

from copy import copy
from dataclasses import dataclass
from typing import Any

import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from state.keys import ChargePointKeys
from state.nodes import leases
from state.nodes.leases import Claimed, Flapping, Lease
from state.store import Store, StoreConfig, open_store
from tests.support.leases import attachment, claim, held_by
from tests.support.valkey_server import ValkeyServer

NODES = ("a", "b", "c")
CHARGE_POINTS = tuple(ChargePointKeys("acme", name) for name in ("CP-1", "CP-2"))
PARTITIONS = [keys.partition for keys in CHARGE_POINTS]

POINT = st.integers(0, len(CHARGE_POINTS) - 1)
SESSION = st.integers(0, 4)  # An earlier session, by its distance from the latest session.
OPERATIONS = st.lists(
    st.one_of(
        *[st.tuples(st.just("claim"), POINT, st.sampled_from(NODES))] * 3,
        st.tuples(st.just("claim_again"), SESSION),
        st.tuples(st.just("release"), SESSION),
        *[st.tuples(st.just("count"), SESSION)] * 3,
        st.tuples(st.just("audit"), SESSION),
        *[st.tuples(st.just("readopt"), SESSION)] * 2,
        st.tuples(st.just("reap"), st.sampled_from(NODES)),
        st.tuples(st.just("minute"), POINT),
        st.tuples(st.just("save"), POINT),
        st.tuples(st.just("roll_back"), POINT),
        st.tuples(st.just("wipe")),
    ),
    min_size=30,  # Hypothesis would draw mostly short lists, in which operations hardly interact.
    max_size=60,
)


@dataclass
class Stored:
    """A lease as the store should have it."""

    epoch: int = 0
    holder: str = ""
    reaped: str = ""
    claimed_ms: int = 0
    takeovers: int = 0


class Model:
    """The model. Each method does an operation on the store and on the model, and compares the outcomes."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.stored = {keys.id: Stored() for keys in CHARGE_POINTS}
        self.saved: dict[str, tuple[bytes | None, Stored]] = {}
        self.sessions: list[Lease] = []
        self.numbers = 0

    async def claim(self, point: int, node: str) -> None:
        self.numbers += 1
        await self._claim(CHARGE_POINTS[point], f"{node}/{self.numbers}")

    async def claim_again(self, session: int) -> None:
        if (lease := self._session(session)) and self.stored[lease.keys.id].holder == lease.holder:
            known = self.stored[lease.keys.id]
            got = await claim(self.store, lease.holder, lease.keys)
            assert isinstance(got, Claimed)
            assert got.lease.epoch == known.epoch

    async def _claim(self, keys: ChargePointKeys, holder: str) -> None:
        known = self.stored[keys.id]
        got = await claim(self.store, holder, keys)
        if known.holder and known.takeovers >= 5:
            assert isinstance(got, Flapping)
            return
        assert isinstance(got, Claimed)
        assert got.previous_holder == (known.holder or None)
        known.epoch, known.holder, known.reaped = known.epoch + 1, holder, ""
        known.claimed_ms = got.lease.claimed_ms
        assert got.lease.epoch == known.epoch
        self.sessions.append(got.lease)

    async def count(self, session: int) -> None:
        if lease := self._session(session):
            known = self.stored[lease.keys.id]
            counts = known.holder not in {"", lease.holder}
            assert await leases.count_takeover(self.store, lease.keys, lease.holder) == counts
            known.takeovers += counts

    async def release(self, session: int) -> None:
        if lease := self._session(session):
            known = self.stored[lease.keys.id]
            released = await leases.release_if_holder(self.store, lease.keys, lease.holder, "1000")
            assert released == (known.holder == lease.holder)
            if released:
                known.holder = ""
            elif known.reaped == lease.holder:
                known.reaped = ""

    async def audit(self, session: int) -> None:
        if lease := self._session(session):
            assert await leases.audit(self.store, [lease]) == [self._fence(lease)]

    async def readopt(self, session: int) -> None:
        if lease := self._session(session):
            known = self.stored[lease.keys.id]
            epoch, fence = lease.epoch, self._fence(lease)
            newer = known.holder not in {"", lease.holder} and known.claimed_ms > lease.claimed_ms
            right = fence == "ok" or (fence == "lost" and not newer)
            assert await leases.readopt(self.store, lease, attachment(lease.holder)) == right
            assert lease.epoch == epoch + (right and fence == "lost")
            if right and fence == "lost":
                known.epoch, known.claimed_ms = lease.epoch, lease.claimed_ms
                known.holder, known.reaped = lease.holder, ""

    async def reap(self, node: str) -> None:
        mine = [known for known in self.stored.values() if known.holder.partition("/")[0] == node]
        assert await leases.reap(self.store, node) == len(mine)
        for known in mine:
            known.holder, known.reaped = "", known.holder

    async def minute(self, point: int) -> None:
        keys = CHARGE_POINTS[point]
        if await self.store.execute("HEXISTS", keys.lease, "takeovers_since"):
            await self.store.execute("HSET", keys.lease, "takeovers_since", 0)
        self.stored[keys.id].takeovers = 0

    async def save(self, point: int) -> None:
        keys = CHARGE_POINTS[point]
        self.saved[keys.id] = await self.store.execute("DUMP", keys.lease), copy(self.stored[keys.id])

    async def roll_back(self, point: int) -> None:
        """Restore the saved lease, or delete the lease if none was saved."""
        keys = CHARGE_POINTS[point]
        dump, saved = self.saved.get(keys.id, (None, Stored()))
        if holder := self.stored[keys.id].holder:
            await self.store.execute("SREM", keys.held(holder.partition("/")[0]), keys.member)
        await self.store.execute("UNLINK", keys.lease)
        if dump is not None:
            await self.store.execute("RESTORE", keys.lease, 0, dump)
        if saved.holder:
            await self.store.execute("SADD", keys.held(saved.holder.partition("/")[0]), keys.member)
        self.stored[keys.id] = copy(saved)

    async def wipe(self) -> None:
        await self.store.execute("FLUSHALL")
        self.stored = {keys.id: Stored() for keys in CHARGE_POINTS}

    async def check(self) -> None:
        for keys, found in zip(
            CHARGE_POINTS, await leases.list_holdings(self.store, CHARGE_POINTS), strict=True
        ):
            known = self.stored[keys.id]
            holder = await self.store.execute("HGET", keys.lease, "holder")
            assert (holder or b"").decode() == known.holder
            assert (
                (found.epoch, found.online) == (known.epoch, known.holder != "") if found else not known.epoch
            )
        for node in NODES:
            mine = {f"acme/{name}" for name, known in self.stored.items() if known.holder.startswith(node)}
            assert await held_by(self.store, node, PARTITIONS) == mine

    def _session(self, number: int) -> Lease | None:
        return self.sessions[-1 - number] if number < len(self.sessions) else None

    def _fence(self, lease: Lease) -> str:
        """Return the word (the fence) by which a Lua step reports whether this session still has its lease.

        Like the Lua step, the model takes back a lease that was reaped.
        """
        known = self.stored[lease.keys.id]
        if known.epoch < lease.epoch:
            return "lost"
        if not known.holder and known.reaped == lease.holder:
            known.holder, known.reaped = lease.holder, ""
        return "ok" if known.holder == lease.holder else "newer"


async def run(url: str, operations: list[tuple[Any, ...]]) -> None:
    with trio.fail_after(60):
        async with open_store(StoreConfig(url=url, connections=1)) as store:
            model = Model(store)
            epochs: dict[str, int] = {}
            for name, *arguments in operations:
                await getattr(model, name)(*arguments)
                if name in {"wipe", "roll_back"}:
                    epochs = {}
                for charge_point, known in model.stored.items():
                    assert known.epoch >= epochs.get(charge_point, 0)
                    epochs[charge_point] = known.epoch
                await model.check()


@settings(max_examples=50)
@given(operations=OPERATIONS)
def test_operations_on_leases_in_any_order_have_the_same_results_as_a_simple_model(
    valkey: ValkeyServer, operations: list[tuple[Any, ...]]
) -> None:
    valkey.flush()
    trio.run(run, valkey.url, operations)
