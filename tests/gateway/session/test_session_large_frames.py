"""Frames above 64 KiB in a session, and messages that end a session."""

import threading
from typing import Any

import msgspec
import pytest
import trio

from gateway.ocpp16.protocol import Protocol
from gateway.ocpp16.received import Received
from gateway.websocket.connection import Connection
from gateway.websocket.outgoing_frames import mask
from state import commands, keys
from state.charge_points import faults
from state.store import Store
from tests.support.charge_point_peer import Peer, charge_point, now
from tests.support.inner_gateway import InnerGateway, inner_gateway
from tests.support.waiting import until

LARGE = 70_000
RECEIVE = Protocol.receive


def odd_values(size: int) -> dict[str, Any]:
    """Make a MeterValues whose numbers are not text, so that the slow reader must repair all of them."""
    sampled = [{"value": 7.5, "context": "Sample.Periodic"}] * (size // 48)
    return {"connectorId": 1, "meterValue": [{"timestamp": now(), "sampledValue": sampled}]}


async def submit(store: Store, gateway: InnerGateway, *, ttl_ms: int = 60_000) -> str:
    await store.execute("XADD", keys.inbox(gateway.node.incarnation), "*", "begin", "")
    submitted = await commands.submit(
        store, "t", "cp", action="GetConfiguration", payload=b"{}", ttl_ms=ttl_ms, reply_to=""
    )
    assert isinstance(submitted, commands.Submitted)
    [session] = gateway.hub
    session.calls.wake()
    return submitted.command.id


async def found_with(store: Store, id_: str, status: str) -> commands.Command:
    """Wait until the command has the status."""
    while True:
        found = await commands.get(store, "t", id_)
        assert found is not None
        if found.status == status:
            return found
        await trio.sleep(0.02)


async def write(cp: Peer, data: bytes) -> None:
    await cp.connection._stream.send_all(data)


def frame(first: int, payload: bytes, *, length: int | None = None) -> bytes:
    return mask(bytes((first, 127)) + (length or len(payload)).to_bytes(8) + payload)


async def test_only_large_frames_are_read_in_a_thread_and_the_parts_of_joined_frames_too(
    store: Store, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[tuple[bool, bool]] = []

    def receive(protocol: Protocol, text: bytes | str, at: float = 0.0) -> Received:
        read.append((len(text) > 65_536, threading.current_thread() is not threading.main_thread()))
        return RECEIVE(protocol, text, at)

    monkeypatch.setattr(Protocol, "receive", receive)
    with trio.fail_after(60):
        async with inner_gateway(store, redis_url) as gateway, charge_point(f"{gateway.url}/cp") as cp:
            await cp.call("Heartbeat", {})
            await cp.call("MeterValues", odd_values(1_000_000))
            large = msgspec.json.encode([2, "large", "MeterValues", odd_values(100_000)])
            await cp.connection.send(b'[2,"small","Heartbeat",{}]' + large)
            assert (await cp.answer_to("small"))[0] == 3
            assert (await cp.answer_to("large"))[0] == 3
    assert read == [(False, False), (True, True), (True, True), (True, True)]


@pytest.mark.parametrize("late", [0, 1])
async def test_an_answer_that_a_thread_reads_when_the_deadline_passes_is_the_outcome_of_its_command(
    late: int, store: Store, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With `late`, the answer comes after the deadline and is stored as a late answer."""
    reading, go = threading.Event(), threading.Event()
    ticks: list[float] = []
    tick = Protocol.tick

    def receive(protocol: Protocol, text: bytes | str, at: float = 0.0) -> Received:
        if len(text) > LARGE:
            reading.set()
            assert go.wait(60)
        return RECEIVE(protocol, text, at)

    def note_tick(protocol: Protocol, at: float) -> object:
        ticks.append(at)
        return tick(protocol, at)

    monkeypatch.setattr(Protocol, "receive", receive)
    monkeypatch.setattr(Protocol, "tick", note_tick)
    answer = {"configurationKey": [{"key": "k", "readonly": False, "value": "v" * 400}] * 300}
    with trio.fail_after(60):
        async with (
            inner_gateway(store, redis_url) as gateway,
            charge_point(f"{gateway.url}/cp", lambda _action, _payload: None) as cp,
        ):
            await cp.call("Heartbeat", {})
            id_ = await submit(store, gateway, ttl_ms=500)
            await cp.wait_asked()
            if late:
                await found_with(store, id_, "timeout")
            await cp.send([3, id_, answer])
            await until(reading.is_set)
            await trio.sleep(0.7)
            assert len(ticks) == late
            go.set()

            await found_with(store, id_, "answered")


async def test_a_command_whose_answer_is_too_big_ends_at_once_and_says_why(
    store: Store, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command does not wait until the charge point has hung up after our CLOSE."""
    hung_up = trio.Event()
    finish = Connection._finish

    async def finish_later(connection: Connection) -> None:
        await hung_up.wait()
        await finish(connection)

    monkeypatch.setattr(Connection, "_finish", finish_later)
    with trio.fail_after(60):
        async with (
            inner_gateway(store, redis_url) as gateway,
            charge_point(f"{gateway.url}/cp", lambda _action, _payload: None) as cp,
        ):
            await cp.call("Heartbeat", {})
            [session] = gateway.hub
            id_ = await submit(store, gateway)
            await cp.wait_asked()
            await write(cp, frame(0x81, b"", length=1_048_577))
            found = await found_with(store, id_, "error")
            assert not session.link.has_ended
            hung_up.set()
    assert found.error is not None
    error = msgspec.json.decode(found.error)
    assert error["code"] == "FormationViolation"
    assert "sent a message over the limit" in error["description"]


@pytest.mark.parametrize(
    ("sent", "name"),
    [
        (frame(0x81, b"", length=1_048_577), "message_too_big"),
        (frame(0x81, b"\xff" * LARGE), "message_not_utf8"),
        (mask(b"\x01\x00") + mask(b"\x00\x00") * 1_024, "message_in_too_many_frames"),
        (mask(b"\x8a\x00") * 21, "too_many_control_frames"),
    ],
    ids=[
        "too big",
        "not UTF-8",
        "too many frames",
        "too many control frames",
    ],  # The bytes have random masks.
)
async def test_a_message_that_ends_its_connection_is_counted_for_the_charge_point(
    sent: bytes, name: str, store: Store, redis_url: str
) -> None:
    with trio.fail_after(60):
        async with inner_gateway(store, redis_url) as gateway:
            async with charge_point(f"{gateway.url}/cp") as cp:
                await cp.call("Heartbeat", {})
                await write(cp, sent)
                await cp.wait_closed()
            await until(lambda: not list(gateway.hub))
            await gateway.node.fault_counts.write()
            counted = await faults.read(store, "t", "cp")
    assert counted[name].times == 1
