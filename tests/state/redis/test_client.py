"""The client refuses a server on which it could not end its own broken connections."""

import re
from pathlib import Path

import pytest
import trio

from state.errors import StoreRefused
from state.nodes import inbox, leases, nodes
from state.nodes.nodes import NodeRecord
from state.redis import checks, url
from state.store import StoreConfig, open_store
from tests.support.fault_proxy import fault_proxy
from tests.support.leases import claimed
from tests.support.valkey_server import ValkeyServer
from tests.support.waiting import until

REFUSED = r"refused CLIENT KILL \(NOPERM.*allow this user the command CLIENT KILL"


async def test_the_error_for_a_redis_user_without_permission_for_client_kill_says_what_to_allow(
    private_valkey: ValkeyServer,
) -> None:
    """Without CLIENT KILL, an old command could run after a new one, and leave a lease without a session."""
    private_valkey.ask(b"ACL SETUSER app on >pw ~* &* +@all -client|kill")
    with trio.fail_after(60):
        with pytest.raises(StoreRefused, match=REFUSED):
            async with open_store(StoreConfig(url=f"unix://app:pw@{private_valkey.path}")):
                pass
        private_valkey.ask(b"ACL SETUSER app +client|kill")
        async with open_store(StoreConfig(url=f"unix://app:pw@{private_valkey.path}")) as store:
            assert await store.execute("PING") == b"PONG"


async def test_a_redis_user_with_the_permissions_that_the_operators_guide_names_is_accepted(
    private_valkey: ValkeyServer,
) -> None:
    guide = (Path(__file__).parents[3] / "docs/operations.md").read_text()
    [command] = re.findall(r"^ACL SETUSER csms .*$", guide, re.MULTILINE)
    assert private_valkey.ask(command.replace("PASSWORD", "pw").encode()) == b"+OK\r\n"
    with trio.fail_after(60):
        async with open_store(StoreConfig(url=f"unix://csms:pw@{private_valkey.path}")) as store:
            await nodes.beat(store, "a", NodeRecord(kind="gateway", host="one", pid=11, started_ms=1))
            assert await inbox.send(store, "a", inbox.CommandChanged("00.a"))
            assert len(await inbox.read(store, "a", "0", 10_000)) == 1
            assert (await claimed(store, "a/1")).lease.epoch == 1
            assert await leases.reap(store, "a") == 1
            assert [one.incarnation for one in await nodes.list_nodes(store)] == ["a"]


@pytest.mark.parametrize("cut_off", ["from a server that goes on", "from a server that restarts"])
async def test_the_store_is_refused_while_its_redis_user_may_no_longer_end_old_connections(
    private_valkey: ValkeyServer, cut_off: str
) -> None:
    with trio.fail_after(60):
        async with fault_proxy(private_valkey.path) as proxy:
            url = f"redis://app:pw@127.0.0.1:{proxy.port}"
            private_valkey.ask(b"ACL SETUSER app on >pw ~* &* +@all")
            async with open_store(StoreConfig(url=url)) as store:
                proxy.refuse = True
                proxy.cut()
                await until(lambda: not store.available)
                if cut_off == "from a server that restarts":
                    private_valkey.kill()
                    private_valkey.start()
                private_valkey.ask(b"ACL SETUSER app on >pw ~* &* +@all -client|kill")
                proxy.refuse = False
                await until(lambda: isinstance(store.trouble(), StoreRefused))
                assert "CLIENT KILL" in str(store.trouble())
                assert not store.available
                private_valkey.ask(b"ACL SETUSER app +client|kill")
                await store.wait_available()


@pytest.mark.parametrize(
    ("server", "version", "refusal"),
    [("redis", "6.2.14", "is Redis 6.2.14; use Redis 7 or newer"), ("valkey", "6.0.0", "")],
)
async def test_a_redis_that_wraps_the_errors_of_scripts_is_refused(
    server: str, version: str, refusal: str
) -> None:
    hello = {b"server": server.encode(), b"version": version.encode(), b"id": 7}

    async def ask(_commands: object) -> list[object]:
        await trio.lowlevel.checkpoint()
        return [hello]

    address = url.parse("redis://127.0.0.1")
    if refusal:
        with pytest.raises(StoreRefused, match=refusal):
            await checks.greet(ask, address)
    else:
        assert await checks.greet(ask, address) == 7
