"""A session takes operators' commands from a real store, and records how each of them ended."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import msgspec
import pytest
import trio

from gateway.websocket.close_codes import Close, ConnectionClosed
from gateway.websocket.limits import Limits
from gateway.websocket.socket_stream import SocketStream
from state import commands, keys
from state.keys import ChargePointKeys
from state.nodes import leases
from state.nodes.leases import Lease
from state.store import Store
from tests.support.charge_point_peer import Peer, Serve, charge_point
from tests.support.inner_gateway import inner_gateway
from tests.support.leases import claimed
from tests.support.seated import Seated
from tests.support.waiting import until

KEYS = ChargePointKeys("t", "cp")


@asynccontextmanager
async def seated(store: Store, redis_url: str) -> AsyncIterator[Seated]:
    with trio.fail_after(120):
        async with inner_gateway(store, redis_url) as gateway:
            await store.execute("XADD", keys.inbox(gateway.node.incarnation), "*", "begin", "")
            yield Seated(store, gateway)


@asynccontextmanager
async def peer(seat: Seated, serve: Serve | None = lambda *_: None) -> AsyncIterator[Peer]:
    async with charge_point(f"{seat.gateway.url}/cp", serve) as cp:
        await cp.call("Heartbeat", {})
        yield cp


class SlowClaims:
    """Claims whose reply comes only after the test has released it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.claimed, self.release = trio.Event(), trio.Event()
        self._claim = commands.claim
        monkeypatch.setattr(commands, "claim", self)

    async def __call__(self, store: Store, lease: Lease, id_: str, nonce: str) -> object:
        found = await self._claim(store, lease, id_, nonce)
        self.claimed.set()
        await self.release.wait()
        return found


async def test_a_session_claims_each_command_in_the_store_only_once(
    store: Store, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    claim = commands.claim

    async def claim_and_note(store: Store, lease: Lease, id_: str, nonce: str) -> object:
        seen.append(id_)
        return await claim(store, lease, id_, nonce)

    monkeypatch.setattr(commands, "claim", claim_and_note)
    async with seated(store, redis_url) as seat, peer(seat, None):
        session = seat.session

        def idle() -> bool:
            return not session.calls._working

        submitted = [await seat.submit() for _ in range(3)]
        await until(idle)
        submitted.append(await seat.submit())
        await until(idle)
        found = [await seat.read(id_) for id_ in submitted]
    assert [one.status for one in found] == ["answered"] * 4
    assert seen == submitted


@pytest.mark.parametrize("swept", [False, True], ids=["session first", "sweep first"])
async def test_a_command_is_never_written_after_its_deadline_and_ends_as_expired(
    store: Store, redis_url: str, monkeypatch: pytest.MonkeyPatch, *, swept: bool
) -> None:
    """The reply to the claim comes after the deadline. The sweep may have recorded a timeout by then."""
    async with seated(store, redis_url) as seat, peer(seat, None) as cp:
        slow = SlowClaims(monkeypatch)
        late = await seat.submit(ttl_ms=300)
        await slow.claimed.wait()
        deadline_ms = (await seat.read(late)).deadline_ms
        await until(lambda: store.server_time_ms() > deadline_ms + 20)
        if swept:
            await commands.end_overdue(store, KEYS, late)
            assert (await seat.read(late)).status == "timeout"
        slow.release.set()
        ended = await seat.until_status(late, "expired")
        assert ended.sent_ms is None  # It was claimed, but the charge point never got it.
        after = await seat.submit()
        await seat.until_status(after, "answered")
        assert [id_ for id_, _, _ in cp.asked] == [after]


async def test_a_command_is_not_written_after_its_deadline_if_the_socket_is_busy_until_then(
    store: Store, redis_url: str
) -> None:
    """Another frame is being sent, because the charge point reads slowly."""
    async with seated(store, redis_url) as seat, peer(seat, None) as cp:
        stream = seat.session.link.connection._stream
        busy = stream._busy = trio.Event()
        late = await seat.submit(ttl_ms=300)
        await seat.until_status(late, "expired")
        stream._busy = None
        busy.set()
        after = await seat.submit()
        await seat.until_status(after, "answered")
        assert [id_ for id_, _, _ in cp.asked] == [after]


@pytest.mark.parametrize("end", ["operator", "peer", "abort"])
async def test_a_command_that_was_claimed_but_not_written_is_sent_by_the_next_session(
    store: Store, redis_url: str, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    async with seated(store, redis_url) as seat:
        with monkeypatch.context() as patched:
            async with peer(seat) as cp:
                session = seat.session
                slow = SlowClaims(patched)
                id_ = await seat.submit()
                await slow.claimed.wait()
                assert (await seat.read(id_)).status == "sent"
                if end == "operator":
                    session.link.close_soon(Close.DISCONNECTED)
                    await until(lambda: session.link.is_closing)
                    slow.release.set()
                elif end == "peer":
                    await cp.connection.close(Close.LOAD_TEST_OVER)
                else:
                    cp.connection._stream.abort()
                given_back = await seat.until_status(id_, "queued")
                assert given_back.sent_ms is None
                await session.link.wait_ended()
                assert cp.asked == []
        async with peer(seat, None) as cp:
            await seat.until_status(id_, "answered")
            assert [asked for asked, _, _ in cp.asked] == [id_]


async def test_a_closing_session_claims_no_command_and_the_next_session_sends_the_queued_one(
    store: Store, redis_url: str
) -> None:
    """The charge point answers the CLOSE late, and a command is submitted in between."""
    async with seated(store, redis_url) as seat:
        async with peer(seat) as cp:
            session = seat.session
            session.link._closing = True  # `close` waits for the charge point's current call first.
            id_ = await seat.submit()
            await until(lambda: not session.calls._working)
            assert (await seat.read(id_)).status == "queued"
            await cp.connection.close(Close.LOAD_TEST_OVER)
            await session.link.wait_ended()
            assert cp.asked == []
        assert (await seat.read(id_)).status == "queued"
        async with peer(seat, None) as cp:
            await seat.until_status(id_, "answered")


async def test_a_command_that_was_not_written_before_its_deadline_ends_as_expired_with_its_session(
    store: Store, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with seated(store, redis_url) as seat, peer(seat) as cp:
        slow = SlowClaims(monkeypatch)
        id_ = await seat.submit(ttl_ms=300)
        await slow.claimed.wait()
        deadline_ms = (await seat.read(id_)).deadline_ms
        await until(lambda: store.server_time_ms() > deadline_ms + 20)
        cp.connection._stream.abort()
        await seat.until_status(id_, "expired")


@pytest.mark.parametrize("end", ["close", "abort", "operator"])
async def test_a_command_whose_connection_ends_before_the_answer_is_unknown_because_the_connection_ended(
    store: Store, redis_url: str, end: str
) -> None:
    """The session itself records this, so the operator need not wait for another session or the deadline."""
    async with seated(store, redis_url) as seat, peer(seat) as cp:
        id_ = await seat.submit()
        await cp.wait_asked()
        if end == "close":
            await cp.connection.close(Close.LOAD_TEST_OVER)
        elif end == "abort":
            cp.connection._stream.abort()
        else:
            seat.session.link.close_soon(Close.DISCONNECTED)
        ended = await seat.until_status(id_, "unknown")
        assert ended.why == "connection_ended"
        assert ended.settled_ms is not None


async def test_the_outcome_is_unknown_before_the_charge_point_has_ended_its_side_of_the_stream(
    store: Store, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish, seen = SocketStream.finish, trio.Event()

    async def finish_late(self: SocketStream, seconds: float) -> None:
        await seen.wait()
        await finish(self, seconds)

    async with seated(store, redis_url) as seat, peer(seat) as cp:
        id_ = await seat.submit()
        await cp.wait_asked()
        with monkeypatch.context() as patched:
            patched.setattr(SocketStream, "finish", finish_late)
            cp.connection._stream._socket.shutdown(1)
            await seat.until_status(id_, "unknown")
            seen.set()


async def test_a_command_whose_answer_is_too_long_ends_at_once_with_an_error_that_says_so(
    store: Store, redis_url: str
) -> None:
    async with seated(store, redis_url) as seat, peer(seat) as cp:
        id_ = await seat.submit()
        await cp.wait_asked()
        with suppress(ConnectionClosed):
            await cp.send([3, id_, {"status": "x" * Limits().message_bytes}])
        ended = await seat.until_status(id_, "error")
        assert ended.unreadable
        assert ended.error is not None
        description = msgspec.json.decode(ended.error)["description"]
        assert "a message over the limit, so csms closed the connection" in description


@pytest.mark.parametrize(("lost", "why"), [(True, "node_lost"), (False, "connection_ended")])
async def test_a_new_session_reports_a_lost_gateway_only_if_the_leases_of_that_gateway_were_reaped(
    store: Store,
    redis_url: str,
    why: str,
    *,
    lost: bool,
) -> None:
    """The previous session had sent the command, and could record no end."""
    async with seated(store, redis_url) as seat:
        lease = (await claimed(store, "other/1", KEYS)).lease
        await store.execute("XADD", keys.inbox("other"), "*", "begin", "")
        submitted = await commands.submit(
            store, "t", "cp", action="ClearCache", payload=b"{}", ttl_ms=60_000, reply_to=""
        )
        assert isinstance(submitted, commands.Submitted)
        id_ = submitted.command.id
        assert isinstance(await commands.claim(store, lease, id_, "nonce"), commands.Go)
        if lost:
            assert await leases.reap(store, lease.node) == 1
        else:
            assert await leases.release_if_holder(store, lease.keys, lease.holder, "closed")
        async with peer(seat):
            ended = await seat.until_status(id_, "unknown")
            assert ended.why == why
