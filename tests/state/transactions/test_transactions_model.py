"""The Lua steps of transactions are compared with a plain model of their rules, in generated sequences."""

from dataclasses import dataclass, field

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from state.charge_points import connectors
from state.charge_points.connectors import Connector
from state.keys import ChargePointKeys, unpacked
from state.nodes.leases import Fence, Lease
from state.store import Store, StoreConfig, open_store
from state.transactions import (
    Hold,
    Orphaned,
    Present,
    Replayed,
    Start,
    Started,
    Stop,
    Stopped,
    StopReplayed,
    ending,
    find_start,
    get,
    meter_values,
    orphans,
    packing,
    start,
    stop,
)
from state.transactions.ending import End, StillCharging
from state.transactions.running import Open
from tests.support.transactions import a_start, a_stop, claimed, read_values


@dataclass
class Known:
    start: Start
    answer: bytes
    superseded: Hold | None = None
    stop: Stop | None = None
    stop_answer: bytes = b""
    end: End | None = None
    superseded_by: int | None = None

    @property
    def is_open(self) -> bool:
        return self.stop is None and self.end is None


@dataclass
class Model:
    """Content that the store should have. A wipe empties all but `issued`, which has every id ever given."""

    transactions: dict[int, Known] = field(default_factory=dict)
    by_fingerprint: dict[str, int] = field(default_factory=dict)
    pointers: dict[int | None, int] = field(default_factory=dict)
    orphans: dict[tuple[str | None, str, int | None, str | None], bytes] = field(default_factory=dict)
    values: dict[int, set[tuple[int | None, bytes]]] = field(default_factory=dict)
    strays: set[tuple[int, str | None, bytes]] = field(default_factory=set)
    issued: set[int] = field(default_factory=set)
    charging: bool = False  # Whether the last status of connector 1 was Charging.
    wiped: bool = False  # True from a wipe until a session restores its lease (readopts it).

    def hold_of(self, number: int) -> Hold:
        start = self.transactions[number].start
        return Hold(start.id_tag, start.fingerprint)

    def replay_of(self, wanted: Start) -> int | None:
        number = self.by_fingerprint.get(wanted.fingerprint)
        if number is None or (not self.transactions[number].is_open and not wanted.plausible):
            return None
        return number

    def wipe(self) -> None:
        self.__init__(issued=self.issued, wiped=True)  # type: ignore[misc] # All other fields are empty again.


STARTS = st.tuples(st.integers(1, 2), st.sampled_from(["TAG", "tag", "other"]), st.booleans())
STORIES = st.lists(
    st.one_of(
        # In this list, "start", "stop" and "end" appear twice and have few ids, so that most sequences are
        # about charging.
        st.tuples(st.just("start"), STARTS, st.booleans()),
        st.tuples(st.just("start"), STARTS, st.just(value=False)),
        st.tuples(st.just("stop"), st.integers(0, 3), st.integers(0, 1), st.booleans()),
        st.tuples(st.just("stop"), st.integers(0, 3), st.integers(0, 1), st.booleans()),
        st.tuples(st.just("end"), st.integers(0, 1), st.integers(0, 2), st.just(value=True)),
        st.tuples(st.just("end"), st.integers(0, 3), st.integers(0, 2), st.booleans()),
        st.tuples(st.just("status"), st.booleans()),
        st.tuples(
            st.just("unknown stop"), st.sampled_from(["-1", "0", "5"]), st.integers(0, 2), st.booleans()
        ),
        st.tuples(st.just("values"), st.integers(-2, 3), st.integers(0, 2), st.booleans()),
        st.tuples(st.just("pack")),
        st.tuples(st.just("wipe"), st.integers(0, 4), st.booleans()),
    ),
    min_size=5,
    max_size=30,
)


class Story:
    def __init__(self, store: Store, lease: Lease) -> None:
        self.store, self.lease, self.model, self.answers = store, lease, Model(), 0
        self.stale = Lease(ChargePointKeys("demo", "CP.1"), "old/1", 1)

    def session(self, *, stale: bool) -> tuple[Lease, Fence]:
        if self.model.wiped:
            return (self.stale if stale else self.lease), "lost"
        return (self.stale, "newer") if stale else (self.lease, "ok")

    def answer(self) -> bytes:
        self.answers += 1
        return b'{"n":%d}' % self.answers

    async def start(self, what: tuple[int, str, bool], stale: bool) -> None:  # noqa: FBT001  Drawn.
        model, (lease, fence), answer = self.model, self.session(stale=stale), self.answer()
        connector, tag, plausible = what
        timestamp = "2026-01-01T00:00:00Z" if plausible else "1970-01-01T00:00:00Z"
        wanted = a_start(connector_id=connector, id_tag=tag, timestamp=timestamp, plausible=plausible)
        expected = model.replay_of(wanted)
        found = await find_start(self.store, lease, wanted)
        # A start that does not know what runs on its connector learns it from the step.
        running = found.running if isinstance(found, Present) and tag != "other" else None
        outcome = await start(self.store, lease, wanted, answer, running=running)
        if expected is not None:
            known = model.transactions[expected]
            replayed = Replayed(id=expected, answer=known.answer, fence=fence, superseded=known.superseded)
            assert (found, outcome) == (replayed, replayed)
            return
        assert isinstance(found, Present)
        pointed = model.pointers.get(connector)
        assert found.running == (None if pointed is None else Open(pointed, model.hold_of(pointed)))
        assert isinstance(outcome, Started)
        assert outcome.id not in model.issued
        assert 0 < outcome.id < 2**31
        assert outcome.fence == fence
        mark = wanted.fingerprint
        assert outcome.clock_fault == (mark in model.by_fingerprint)
        before = model.pointers.get(connector) if fence == "ok" else None
        superseded = None if before is None else model.hold_of(before)
        assert outcome.superseded == superseded
        if before is not None:
            model.transactions[before].superseded_by = outcome.id
        if fence == "ok":
            model.pointers[connector] = outcome.id
        model.issued.add(outcome.id)
        model.transactions[outcome.id] = Known(wanted, answer, superseded)
        model.by_fingerprint[mark] = outcome.id

    async def stop(self, nth: int, meter: int, stale: bool) -> None:  # noqa: FBT001  Drawn.
        if len(self.model.issued) <= nth:
            return
        await self._stop(str(sorted(self.model.issued)[nth]), meter, stale=stale)

    async def unknown_stop(self, wire_id: str, meter: int, stale: bool) -> None:  # noqa: FBT001  Drawn.
        await self._stop(wire_id, meter, stale=stale)

    async def _stop(self, wire_id: str, meter: int, *, stale: bool) -> None:
        model, (lease, fence), answer = self.model, self.session(stale=stale), self.answer()
        wanted = a_stop(wire_id, meter_stop=meter, data=b'[{"n":%d}]' % meter)
        outcome = await stop(self.store, lease, wanted, answer)
        known = model.transactions.get(int(wire_id))
        contradicts = known is not None and known.stop is not None and known.stop.meter_stop != meter
        if known is None or contradicts:
            facts = (wire_id, wanted.timestamp, meter, wanted.id_tag)
            replayed = facts in model.orphans
            first = model.orphans.setdefault(facts, answer)
            assert outcome == Orphaned(
                answer=first, fence=fence, replayed=replayed, contradicts=contradicts and not replayed
            )
            model.strays.add((0, wire_id, wanted.data or b""))
            return
        mark, again = known.start.fingerprint, known.stop is not None
        latest = model.by_fingerprint[mark] == int(wire_id)
        if not again:
            known.stop, known.stop_answer = wanted, answer
            model.values.setdefault(int(wire_id), set()).add((None, wanted.data or b""))
            if model.pointers.get(known.start.connector_id) == int(wire_id):
                del model.pointers[known.start.connector_id]
        assert outcome == (StopReplayed if again else Stopped)(
            answer=known.stop_answer,
            fence=fence,
            id_tag=known.start.id_tag,
            fingerprint=mark if latest else "",
            connector_id=known.start.connector_id,
            meter_start=known.start.meter_start,
            started_ms=known.start.started_ms,
            held=False,
        )

    async def end(self, nth: int, meter: int, force: bool) -> None:  # noqa: FBT001  Drawn.
        model = self.model
        if len(model.issued) <= nth:
            return
        number = sorted(model.issued)[nth]
        found = await get(self.store, "demo", f"CP.1.{number}")
        known = model.transactions.get(number)
        assert (found is None) == (known is None)
        if found is None or known is None:
            return
        wanted = End(
            ended_ms=number,
            time_source="given",
            meter=meter,
            meter_source="given",
            received_ms=meter,
            api_key="k",
        )
        outcome = await ending.end(self.store, "demo", found, wanted, force=force)
        connector = known.start.connector_id
        if known.stop is not None:
            assert outcome == "stopped"
        elif known.end is not None:
            assert outcome == "again"
        elif (
            model.charging
            and connector == 1
            and model.pointers.get(1, number) == number
            and not force
            and not model.wiped
        ):
            assert outcome == StillCharging("Charging")
        else:
            assert outcome == "ended"
            known.end = wanted
            if model.pointers.get(connector) == number:
                del model.pointers[connector]

    async def status(self, charging: bool) -> None:  # noqa: FBT001  Drawn.
        if self.model.wiped:
            return
        status = "Charging" if charging else "Available"
        reported = Connector(connector_id=1, status=status, error_code="NoError", received_ms=1)
        await connectors.record_status(self.store, self.lease, reported)
        self.model.charging = charging

    async def values(self, nth: int, reading: int, stale: bool) -> None:  # noqa: FBT001  Drawn.
        model, (lease, fence) = self.model, self.session(stale=stale)
        issued = sorted(model.issued)
        number = "-1" if nth == -1 else str(issued[nth]) if 0 <= nth < len(issued) else None
        payload = b'[{"reading":%d}]' % reading
        appended = await meter_values.append(
            self.store, lease, connector_id=1, transaction_id=number, payload=payload, received_ms=reading
        )
        if number is not None and int(number) in model.transactions:
            known = model.values.setdefault(int(number), set())
            expected = "repeated" if (1, payload) in known else "kept"
            known.add((1, payload))
        else:
            expected = "repeated" if (1, number, payload) in model.strays else "stray"
            model.strays.add((1, number, payload))
        assert appended == (expected, fence)

    async def pack(self) -> None:
        await packing.pack_due(self.store, self.lease.keys.partition, 2**50, 100)

    async def wipe(self, rarely: int, readopted: bool) -> None:  # noqa: FBT001  Drawn.
        if rarely:
            return
        await self.store.execute("FLUSHALL")
        # A session that knows no last id could give an old id again within the same second. We do not wait
        # for the next second.
        self.lease.last_transaction_id = self.stale.last_transaction_id = max(self.model.issued, default=0)
        self.model.wipe()
        if readopted:
            await claimed(self.store, epoch=2)
            self.model.wiped = False

    async def check(self) -> None:
        model, keys = self.model, self.lease.keys
        open_ones = {n for n, known in model.transactions.items() if known.is_open}
        for index, expected in (
            (keys.history, set(model.transactions)),
            (keys.transactions, set(model.transactions)),
            (keys.open_transactions, open_ones),
        ):
            names = await self.store.execute("ZRANGE", index, 0, -1)
            assert {int(name.rpartition(b"/")[2]) for name in names} == expected
        pointers = await self.store.execute("HGETALL", keys.open)
        assert {int(c): int(p.split()[0]) for c, p in pointers.items()} == model.pointers
        kept = await orphans.read(self.store, "demo", "CP.1")
        assert {
            (o.transaction_id, o.timestamp, o.meter_stop, o.id_tag): o.answer for o in kept.items
        } == model.orphans
        for number, known in model.transactions.items():
            found = await get(self.store, "demo", f"CP.1.{number}")
            assert found is not None
            assert (found.id_tag, found.connector_id) == (known.start.id_tag, known.start.connector_id)
            assert found.meter_stop == (None if known.stop is None else known.stop.meter_stop)
            assert found.ended_meter == (None if known.end is None else known.end.meter)
            assert (found.state == "open") == known.is_open
            assert found.superseded_by == known.superseded_by
            stored = await read_values(self.store, number)
            assert len(stored) == len(model.values.get(number, set()))
            assert {(m.connector_id, m.payload) for m in stored} == model.values.get(number, set())
        strays = {
            (connector, m.transaction_id, m.payload)
            for connector in (0, 1)
            for m in (await meter_values.read_strays(self.store, "demo", "CP.1", connector)).messages
        }
        assert strays == model.strays

    async def check_packed(self) -> None:
        """Check that each message of a finished transaction is packed, and that none waits for it."""
        keys = self.lease.keys
        assert await self.store.execute("ZCARD", unpacked(keys.partition)) == 0
        for number, known in self.model.transactions.items():
            loose = await self.store.execute("HLEN", keys.values(number))
            assert loose == (len(self.model.values.get(number, set())) if known.is_open else 0)


@pytest.fixture(autouse=True)
def _server(redis_url: str) -> None:
    Url.value = redis_url


class Url:
    value = ""


@settings(max_examples=300)
@given(STORIES)
def test_operations_on_transactions_in_any_order_have_the_same_results_as_a_simple_model(
    steps: list[tuple[object, ...]],
) -> None:
    async def run() -> None:
        with trio.fail_after(60):
            async with open_store(StoreConfig(url=Url.value)) as store:
                await store.execute("FLUSHALL")
                story = Story(store, await claimed(store, epoch=2))
                for name, *arguments in steps:
                    await getattr(story, str(name).replace(" ", "_"))(*arguments)
                await story.check()
                await story.pack()
                await story.check()
                await story.check_packed()

    trio.run(run)
