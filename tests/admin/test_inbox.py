"""The inbox of the admin process survives answers of the store that it did not expect."""

import msgspec
import pytest
import trio
from structlog.testing import capture_logs

from admin import inbox as admin_inbox
from admin.inbox import Inbox
from state import keys
from state.nodes import inbox
from state.nodes.nodes import NodeRecord
from state.store import Store
from tests.support.waiting import until

ME = NodeRecord(kind="admin", host="one", pid=11, started_ms=1)


async def test_an_unexpected_answer_of_the_store_ends_neither_the_inbox_nor_the_heartbeat(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admin_inbox, "BEAT_S", 0.05)
    own = Inbox(store, "a")
    with capture_logs() as logs, trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            await nursery.start(own.run, ME)
            await store.execute("SET", keys.inbox("a"), "no stream")
            await store.execute("HSET", keys.NODES, "a", "no number")
            seen = {"inbox.read_failed", "housekeeping.turn_failed"}
            await until(lambda: {entry["event"] for entry in logs} == seen)
            await store.execute("DEL", keys.inbox("a"), keys.NODES)

            async def is_listening() -> bool:
                return await inbox.send(store, "a", inbox.CommandChanged("00.other"))

            await until(is_listening)
            with own.listen_for("00.a") as wake:
                assert await inbox.send(store, "a", inbox.CommandChanged("00.a"))
                assert await wake.wait(60)
            nursery.cancel_scope.cancel()


async def test_the_inbox_is_read_on_after_it_expired_and_the_clock_of_the_server_went_back(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admin_inbox, "BEAT_S", 0.05)
    own = Inbox(store, "a")
    in_an_hour = f"{store.server_time_ms() + 3_600_000}-0"
    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            await nursery.start(own.run, ME)
            with own.listen_for("00.a") as wake:
                text = msgspec.json.encode(inbox.CommandChanged("00.a"))
                await store.execute("XADD", keys.inbox("a"), in_an_hour, "m", text)
                assert await wake.wait(60)
                await store.execute("UNLINK", keys.inbox("a"))

                async def is_listening() -> bool:
                    return await inbox.send(store, "a", inbox.CommandChanged("00.a"))

                await until(is_listening)
                assert await wake.wait(20)
            nursery.cancel_scope.cancel()
