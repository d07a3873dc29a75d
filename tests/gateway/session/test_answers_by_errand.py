"""Calls that a session answers by errands, with a real store (session/answers.py)."""

import gc
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, cast

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from gateway.handlers import ERRANDS, HANDLERS
from gateway.session.session import Session
from gateway.session.trace import Recorder
from gateway.websocket.close_codes import Close
from state import keys as names
from state.errand import Errand, _Pair, both
from state.errors import StoreUnavailable
from state.keys import ChargePointKeys
from state.store import Store, StoreConfig, open_store
from state.tenants import id_tags
from state.tenants.id_tags import IdTag
from tests.support.charge_point_peer import Peer, charge_point, in_one_breath, now
from tests.support.inner_gateway import InnerGateway, inner_gateway
from tests.support.leases import claimed
from tests.support.task_steps import TaskSteps
from tests.support.valkey_server import ValkeyServer
from tests.support.waiting import until

BOOT = {"chargePointVendor": "v", "chargePointModel": "m"}
STATUS = {"connectorId": 1, "errorCode": "NoError", "status": "Available"}
SAMPLE = {"timestamp": "2026-01-01T00:00:00Z", "sampledValue": [{"value": "1"}]}
VALUES = {"connectorId": 1, "meterValue": [SAMPLE]}
KEYS = ChargePointKeys("t", "cp")


class Frames:
    """A recorder that keeps the sent frames."""

    stopped = False

    def __init__(self) -> None:
        self.sent: list[bytes] = []

    def record_received(self, _frame: bytes, _faults: object) -> None:
        pass

    def record_sent(self, frame: bytes, _faults: object) -> None:
        self.sent.append(frame)

    async def finish(self, _closed: object) -> None:
        pass


def session_of(gateway: InnerGateway) -> Session:
    [found] = gateway.hub
    return found


@asynccontextmanager
async def seated(store: Store, url: str) -> AsyncIterator[tuple[InnerGateway, Peer]]:
    """A charge point whose registration is accepted."""
    with trio.fail_after(60):
        async with inner_gateway(store, url) as gateway, charge_point(f"{gateway.url}/cp") as cp:
            await cp.call("BootNotification", BOOT)
            yield gateway, cp


@asynccontextmanager
async def in_flight(
    valkey: ValkeyServer, *, peers: int = 1, timeout_s: float = 30
) -> AsyncIterator[tuple[InnerGateway, list[Peer]]]:
    """Charge points whose MeterValues wait for a paused store."""
    with trio.fail_after(60):
        async with (
            open_store(StoreConfig(url=valkey.url, timeout_s=timeout_s)) as store,
            inner_gateway(store, valkey.url) as gateway,
            AsyncExitStack() as stack,
        ):
            cps = [
                await stack.enter_async_context(charge_point(f"{gateway.url}/cp{number}"))
                for number in range(peers)
            ]
            for cp in cps:
                await cp.call("BootNotification", BOOT)
            valkey.pause()
            try:
                for cp in cps:
                    await cp.send([2, "held", "MeterValues", VALUES])
                await until(lambda: all(session.link.answering for session in gateway.hub))
                yield gateway, cps
            finally:
                valkey.resume()


async def test_calls_that_wait_only_for_the_store_do_not_wake_the_task_of_their_session(
    store: Store, redis_url: str
) -> None:
    await id_tags.put(store, "t", IdTag(tag="ONE", max_active_transactions=2))
    steps = TaskSteps()
    async with seated(store, redis_url) as (gateway, cp):
        task = session_of(gateway).link.connection._pumping
        assert task is not None
        await cp.call("Authorize", {"idTag": "ONE"})  # The first errand begins in the task.
        await wait_all_tasks_blocked()
        trio.lowlevel.add_instrument(steps)
        for _ in range(3):
            await cp.call("StatusNotification", STATUS)
            await cp.call("Authorize", {"idTag": "ONE"})
            id_ = (await cp.start(tag="ONE"))["transactionId"]
            await cp.call("MeterValues", VALUES | {"transactionId": id_})
            await cp.call("MeterValues", VALUES)
            await cp.stop(id_, tag="ONE")
            await cp.call("Heartbeat", {})
        await wait_all_tasks_blocked()
        trio.lowlevel.remove_instrument(steps)
        assert steps.of[task] == 0
        assert steps.of.total() > 0
        assert not session_of(gateway).link.answering


async def test_calls_of_all_kinds_that_come_together_are_answered_in_their_order(
    store: Store, redis_url: str
) -> None:
    order: list[str] = []
    calls: tuple[tuple[str, dict[str, Any]], ...] = (
        ("Heartbeat", {}),
        ("MeterValues", VALUES),
        ("DataTransfer", {"vendorId": "v"}),
        ("StatusNotification", STATUS),
        ("BootNotification", BOOT),
        ("Authorize", {"idTag": "ONE"}),
        ("StopTransaction", {"transactionId": 7, "meterStop": 1, "timestamp": now()}),
        ("StartTransaction", {"connectorId": 1, "idTag": "A", "meterStart": 1, "timestamp": now()}),
    )
    async with seated(store, redis_url) as (_, cp):
        received = cp._received

        async def note(frame: bytes) -> None:
            await received(frame)
            order.extend(cp.answers)
            cp.answers.clear()

        cp.connection._on_text = note
        ids = [f"{turn} {action}" for turn in range(20) for action, _ in calls]
        for turn in range(20):
            await in_one_breath(cp, *([2, f"{turn} {action}", action, payload] for action, payload in calls))
        await until(lambda: len(order) == len(ids))
        assert order == ids


async def test_a_call_in_flight_when_the_store_dies_gets_an_internal_error_and_the_session_goes_on(
    private_valkey: ValkeyServer,
) -> None:
    async with in_flight(private_valkey) as (gateway, [cp]):
        private_valkey.kill()
        answer = await cp.answer_to("held")
        assert answer[:3] == [4, "held", "InternalError"]
        assert "did not answer" in answer[3]
        assert gateway.node.telemetry.refused_calls["MeterValues"] == 1
        private_valkey.start()
        await until(lambda: gateway.node.store.available)
        assert await cp.call("MeterValues", VALUES) == {}


async def test_a_call_in_flight_when_the_store_stops_gets_an_internal_error_after_the_timeout(
    private_valkey: ValkeyServer,
) -> None:
    async with in_flight(private_valkey, timeout_s=0.5) as (_, [cp]):
        assert (await cp.answer_to("held"))[:3] == [4, "held", "InternalError"]
        assert (await cp.exchange("StatusNotification", STATUS))[2] == "InternalError"


@pytest.mark.parametrize("traced", [False, True])
async def test_a_session_that_is_closed_answers_its_call_in_flight_first(
    private_valkey: ValkeyServer, *, traced: bool
) -> None:
    async with in_flight(private_valkey, peers=10) as (gateway, cps), trio.open_nursery() as nursery:
        for session in gateway.hub:
            if traced:
                session.link.recorder = cast("Recorder", Frames())
            nursery.start_soon(session.link.close, Close.RESTARTING)
        await wait_all_tasks_blocked()
        private_valkey.resume()
        for cp in cps:
            assert await cp.answer_to("held") == [3, "held", {}]
            assert await cp.wait_closed() == (Close.RESTARTING.code, "peer")


async def test_a_newer_connection_waits_for_the_call_in_flight_of_the_older_one(
    private_valkey: ValkeyServer,
) -> None:
    async with in_flight(private_valkey) as (gateway, [cp]), trio.open_nursery() as nursery:

        async def connect_again() -> None:
            async with charge_point(f"{gateway.url}/cp0") as newer:
                assert await newer.call("MeterValues", VALUES) == {}

        nursery.start_soon(connect_again)
        await wait_all_tasks_blocked()
        private_valkey.resume()
        assert await cp.answer_to("held") == [3, "held", {}]
        assert await cp.wait_closed() == (Close.SUPERSEDED.code, "peer")


async def test_a_trace_that_begins_while_a_call_is_in_flight_records_the_answer(
    private_valkey: ValkeyServer,
) -> None:
    async with in_flight(private_valkey) as (gateway, [cp]):
        frames = Frames()
        session_of(gateway).link.recorder = cast("Recorder", frames)
        private_valkey.resume()
        await cp.answer_to("held")
        await until(lambda: frames.sent == [b'[3,"held",{}]'])


async def test_a_session_whose_task_is_cancelled_gives_up_its_call_in_flight(
    private_valkey: ValkeyServer,
) -> None:
    async with in_flight(private_valkey, peers=5) as (gateway, cps):
        links = [session.link for session in gateway.hub]
        for cp in cps:
            cp.connection._stream.abort()
        await wait_all_tasks_blocked()
        assert all(link.answering for link in links)
        private_valkey.resume()
        for link in links:
            await link.wait_ended()
            assert not link.answering


async def test_faults_and_later_work_of_a_call_are_not_lost(store: Store, redis_url: str) -> None:
    await id_tags.put(store, "t", IdTag(tag="ONE", max_active_transactions=1))
    async with seated(store, redis_url) as (gateway, cp):
        at = now()
        first = await cp.start(tag="ONE", timestamp=at)
        assert await cp.start(tag="ONE", timestamp=at) == first
        assert gateway.node.telemetry.faults["repeated_start"] == 1
        # The second start at the connector takes the slot over, and the work beside its answer is done.
        assert (await cp.start(tag="ONE", meter=200))["idTagInfo"]["status"] == "Accepted"
        await gateway.node.wait_until_seen_through()
        assert await store.execute("ZCARD", names.holds("t", "one")) == 1
        refused = await cp.start(tag="NOBODY", connector=2)
        assert refused["idTagInfo"]["status"] == "Invalid"
        await gateway.node.wait_until_seen_through()


@pytest.mark.parametrize(
    ("action", "payload"), [("MeterValues", VALUES), ("StatusNotification", STATUS)], ids=["fact", "state"]
)
async def test_a_session_whose_lease_was_lost_answers_takes_it_again_and_stays_open(
    store: Store, redis_url: str, action: str, payload: dict[str, Any]
) -> None:
    async with seated(store, redis_url) as (gateway, cp):
        await store.execute("DEL", KEYS.lease, KEYS.held(gateway.node.incarnation))
        assert await cp.call(action, payload) == {}
        await until(lambda: not session_of(gateway).link.answering)
        assert await store.execute("EXISTS", KEYS.lease) == 1
        assert await cp.call("StatusNotification", STATUS) == {}


async def test_a_session_with_a_newer_holder_answers_a_fact_and_closes(store: Store, redis_url: str) -> None:
    async with seated(store, redis_url) as (_, cp):
        await claimed(store, "other/1", KEYS)
        assert await cp.call("MeterValues", VALUES) == {}
        assert await cp.wait_closed() == (Close.SUPERSEDED.code, "peer")


async def test_a_session_with_a_newer_holder_does_not_answer_a_status_and_closes(
    store: Store, redis_url: str
) -> None:
    async with seated(store, redis_url) as (_, cp):
        await claimed(store, "other/1", KEYS)
        await cp.send([2, "status", "StatusNotification", STATUS])
        assert await cp.wait_closed() == (Close.SUPERSEDED.code, "peer")
        assert cp.answers == {}


async def test_a_handler_that_fails_in_an_errand_costs_only_its_own_call(
    store: Store, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> None:
        await store.execute("PING")
        raise RuntimeError("a defect")

    async with seated(store, redis_url) as (gateway, cp):
        with monkeypatch.context() as broken:
            broken.setitem(HANDLERS, "Authorize", fail)
            assert (await cp.exchange("Authorize", {"idTag": "A"}))[2] == "InternalError"
        assert not session_of(gateway).link.answering
        assert (await cp.call("Authorize", {"idTag": "A"}))["idTagInfo"]["status"] == "Invalid"


@pytest.mark.parametrize("fails", [False, True])
async def test_calls_that_were_answered_leave_no_errand_to_the_garbage_collector(
    store: Store, redis_url: str, monkeypatch: pytest.MonkeyPatch, *, fails: bool
) -> None:
    async def lose_the_store() -> None:
        await store.execute("PING")
        raise StoreUnavailable("away")

    async def fail(*_: object) -> None:
        await both(store.execute("PING"), lose_the_store())

    async with seated(store, redis_url) as (gateway, cp):
        if fails:
            for action in ERRANDS:
                monkeypatch.setitem(HANDLERS, action, fail)
        gc.disable()
        try:
            for payload in (STATUS, STATUS):
                await cp.exchange("StatusNotification", payload)
            await cp.exchange("Authorize", {"idTag": "A"})
            start = {"connectorId": 1, "idTag": "A", "meterStart": 1, "timestamp": now()}
            await cp.exchange("StartTransaction", start)
            await cp.exchange("MeterValues", VALUES)
            await cp.exchange("StopTransaction", {"transactionId": 7, "meterStop": 1, "timestamp": now()})
            await until(lambda: not session_of(gateway).link.answering)
            await wait_all_tasks_blocked()
            assert [one for one in gc.get_objects() if issubclass(type(one), (Errand, _Pair))] == []
        finally:
            gc.enable()
