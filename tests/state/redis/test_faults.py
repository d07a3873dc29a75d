"""The client against a server that is cut off, silent, paused or killed.

These tests cover state/redis/client.py and state/redis/connection.py.
"""

import random
from functools import partial

import pytest
import trio
import trio.testing
from structlog.testing import capture_logs

from state.errors import StoreUnavailable
from state.store import Store, StoreConfig, open_store
from tests.support.fault_proxy import FaultProxy, fault_proxy
from tests.support.pace import Pace
from tests.support.valkey_server import ValkeyServer
from tests.support.waiting import until


async def echo_storm(store: Store, seed: int, tasks: int, *, faults: bool = False) -> int:
    """Let each of many tasks request values that only this task uses, and sometimes give up.

    Return the number of answered requests.
    """
    chance = random.Random(seed)
    answered = 0

    async def ask(name: str, patience: list[float]) -> None:
        nonlocal answered
        for number, patience_s in enumerate(patience):
            mine = f"{name}/{number}".encode()
            with trio.move_on_after(patience_s):
                try:
                    if number % 3:
                        got = await store.execute("ECHO", mine, key=name)
                        assert got == mine
                    else:
                        pair = await store.pipeline([("ECHO", mine), ("ECHO", mine + b"'")])
                        assert pair == [mine, mine + b"'"]
                except StoreUnavailable:
                    assert faults
                    continue
                answered += 1

    async with trio.open_nursery() as nursery:
        for task in range(tasks):
            patience = [chance.choice([0, 0.0002, 0.001, 0.005, 10]) for _ in range(20)]
            nursery.start_soon(ask, f"task{task}", patience)
    return answered


@pytest.mark.parametrize("seed", range(4))
async def test_no_task_gets_the_reply_of_another_task_after_tasks_are_cancelled(
    store: Store, seed: int
) -> None:
    with trio.fail_after(60):
        assert await echo_storm(store, seed, tasks=200) > 500
        await until(lambda: store.stats()["bytes"] == 0)  # Replies for cancelled tasks may still arrive.


@pytest.mark.parametrize("seed", range(3))
async def test_no_task_gets_a_wrong_reply_from_a_connection_that_is_cut_in_the_middle_of_a_reply(
    valkey: ValkeyServer, seed: int
) -> None:
    chance = random.Random(seed)
    with trio.fail_after(60):
        async with fault_proxy(valkey.path) as proxy:
            url = f"redis://127.0.0.1:{proxy.port}"
            async with open_store(StoreConfig(url=url, connections=2)) as store:
                for cut in range(4):
                    async with trio.open_nursery() as nursery:
                        nursery.start_soon(cut_soon, proxy, chance.randrange(1, 3000))
                        await echo_storm(store, seed + 10 * cut, tasks=30, faults=True)
                    await store.wait_available()
                assert await echo_storm(store, seed, tasks=30) > 50
                assert store.stats()["reconnects"] >= 4


async def cut_soon(proxy: FaultProxy, reply_bytes: int) -> None:
    accepted = proxy.accepted
    proxy.replies.cut_after_bytes = reply_bytes
    await until(lambda: proxy.accepted > accepted)


async def test_the_error_for_a_store_command_without_a_reply_says_it_was_sent_and_a_new_connection_works(
    valkey: ValkeyServer,
) -> None:
    with trio.fail_after(60):
        async with fault_proxy(valkey.path) as proxy:
            url = f"redis://127.0.0.1:{proxy.port}"
            async with open_store(StoreConfig(url=url, timeout_s=0.5)) as store:
                proxy.replies.swallow = True
                began = trio.current_time()
                with pytest.raises(StoreUnavailable, match=r"did not answer within 0\.5 s") as caught:
                    await store.execute("SET", "swallowed", "1")
                assert caught.value.sent
                assert trio.current_time() - began > 0.4
                assert not store.available
                proxy.replies.swallow = False
                proxy.cut()
                await store.wait_available()
                assert await store.execute("GET", "swallowed") == b"1"


async def test_a_store_command_that_was_not_sent_waits_for_the_next_connection(valkey: ValkeyServer) -> None:
    with trio.fail_after(60):
        async with fault_proxy(valkey.path) as proxy:
            url = f"redis://127.0.0.1:{proxy.port}"
            async with open_store(StoreConfig(url=url, timeout_s=5)) as store:
                proxy.refuse = True
                proxy.cut()
                while store.stats()["connections"]:
                    await store.wait_changed()
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(store.execute, "SET", "patient", "1")
                    await trio.testing.wait_all_tasks_blocked()
                    proxy.refuse = False
                assert await store.execute("GET", "patient") == b"1"


async def test_the_error_for_a_store_command_that_was_never_sent_says_so(valkey: ValkeyServer) -> None:
    with trio.fail_after(60):
        async with fault_proxy(valkey.path) as proxy:
            url = f"redis://127.0.0.1:{proxy.port}"
            async with open_store(StoreConfig(url=url, timeout_s=0.3)) as store:
                proxy.refuse = True
                proxy.cut()
                while store.stats()["connections"]:
                    await store.wait_changed()
                with pytest.raises(StoreUnavailable) as caught:
                    await store.execute("SET", "never", "1")
                assert not caught.value.sent
                proxy.refuse = False
                await store.wait_available()
                assert await store.execute("EXISTS", "never") == 0


async def test_a_store_command_is_refused_at_once_if_the_queue_of_commands_is_full(
    private_valkey: ValkeyServer,
) -> None:
    config = StoreConfig(url=private_valkey.url, connections=1, timeout_s=1, max_commands=1000)
    refused = 0

    async def ask(store: Store) -> None:
        nonlocal refused
        try:
            await store.execute("PING", key="k")
        except StoreUnavailable as error:
            refused += "too many commands are waiting" in str(error)

    with trio.fail_after(60):
        async with open_store(config) as store:
            private_valkey.pause()
            async with trio.open_nursery() as nursery:
                for _ in range(1100):
                    nursery.start_soon(ask, store)
            private_valkey.resume()
            assert refused == 100
            await store.wait_available()
            assert await store.execute("PING", key="k") == b"PONG"


async def test_store_commands_to_a_paused_server_fail_in_time_and_work_again_within_5_s_after_the_pause(
    private_valkey: ValkeyServer, pace: Pace
) -> None:
    with trio.fail_after(90):
        async with open_store(StoreConfig(url=private_valkey.url, timeout_s=1)) as store:
            private_valkey.pause()
            with pace.within(2), pytest.raises(StoreUnavailable) as caught:
                await store.execute("INCR", "n")
            assert caught.value.sent
            await trio.sleep(3)  # Long enough for several attempts to reconnect that fail.
            private_valkey.resume()
            with pace.within(5):
                await store.wait_available()
                assert await store.execute("INCR", "n") in {1, 2}
            assert await echo_storm(store, 1, tasks=20) > 0


async def test_the_loss_of_the_store_is_logged_once_and_its_return_is_logged_once(
    private_valkey: ValkeyServer,
) -> None:
    with trio.fail_after(90), capture_logs() as logs:
        async with open_store(StoreConfig(url=private_valkey.url, timeout_s=5)) as store:
            private_valkey.kill()
            await until(lambda: not store.available)
            for _ in range(3):
                with pytest.raises(StoreUnavailable):
                    await store.execute("GET", "n")
            private_valkey.start()
            await store.wait_available()
    assert [entry["event"] for entry in logs] == ["store.lost", "store.recovered"]
    assert logs[0]["error"].startswith("the ")
    assert logs[1]["away_s"] >= 0


async def test_store_commands_that_are_left_in_an_old_connection_are_not_executed_after_newer_commands(
    valkey: ValkeyServer,
) -> None:
    """A write that was still in the network when the client gave up must not overwrite a later write."""
    with trio.fail_after(60):
        async with fault_proxy(valkey.path) as proxy:
            url = f"redis://127.0.0.1:{proxy.port}"
            async with open_store(StoreConfig(url=url, timeout_s=0.5, connections=1)) as store:
                stuck = proxy.requests.wait_for = trio.Event()
                with pytest.raises(StoreUnavailable) as caught:
                    await store.execute("SET", "k", "old")
                assert caught.value.sent
                proxy.requests.wait_for = None
                await store.wait_available()
                await store.execute("SET", "k", "new")
                stuck.set()
                await trio.testing.wait_all_tasks_blocked(0.1)
                assert await store.execute("GET", "k") == b"new"


async def test_each_acknowledged_write_is_still_in_the_store_after_kill_9_of_the_server(
    private_valkey: ValkeyServer, pace: Pace
) -> None:
    acknowledged: set[str] = set()

    async def write(store: Store, name: int) -> None:
        for number in range(10_000):
            member = f"{name}/{number}"
            try:
                await store.execute("SADD", "facts", member)
            except StoreUnavailable:
                continue
            acknowledged.add(member)

    with trio.fail_after(60):
        async with open_store(StoreConfig(url=private_valkey.url, timeout_s=5)) as store:
            async with trio.open_nursery() as nursery:
                for name in range(50):
                    nursery.start_soon(write, store, name)
                for _ in range(3):
                    before = len(acknowledged)
                    await until(partial(lambda enough: len(acknowledged) >= enough, before + 500))
                    private_valkey.kill()
                    private_valkey.start()
                    with pace.within(5):
                        await store.wait_available()
                nursery.cancel_scope.cancel()
            stored = await store.execute("SMEMBERS", "facts")
        assert acknowledged <= {member.decode() for member in stored}


async def test_blocking_reads_do_not_delay_other_store_commands_and_the_number_of_such_reads_is_limited(
    valkey: ValkeyServer,
) -> None:
    config = StoreConfig(url=valkey.url, blocking_connections=1)
    with trio.fail_after(60):
        async with open_store(config) as store, trio.open_nursery() as nursery:
            found: list[object] = []

            async def read() -> None:
                command = ("XREAD", "BLOCK", "15000", "STREAMS", "inbox", "0")
                found.append(await store.blocking(*command, timeout_s=15))

            await store.execute("DEL", "inbox")
            nursery.start_soon(read)
            while not store.stats()["blocking_connections"]:
                await trio.lowlevel.checkpoint()
            with pytest.raises(StoreUnavailable, match="all 1 blocking connections"):
                await store.blocking("XREAD", "BLOCK", "1", "STREAMS", "inbox", "0", timeout_s=1)
            await store.execute("XADD", "inbox", "1-1", "k", "v")
            await until(lambda: bool(found))
        assert found == [{b"inbox": [[b"1-1", [b"k", b"v"]]]}]
