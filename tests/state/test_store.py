import pytest
import trio
from redis.exceptions import ResponseError

from state import keys
from state.errors import StoreRefused, StoreUnavailable
from state.replies import read_fields
from state.scripts import SCRIPTS, Names, Script
from state.store import Store, StoreConfig, open_store
from tests.support.valkey_server import ValkeyServer
from tests.support.waiting import until

SOURCE = "return {'ok', redis.call('INCRBY', KEYS[1], ARGV[1])}"
COUNT = Script("count", "81e7c9d7bafa2fa9ebb782b21f18584829989fa7", SOURCE, Names(("n",)), Names(("by",)))


@pytest.fixture(autouse=True)
def count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SCRIPTS, COUNT.name, COUNT)


async def test_the_store_returns_values_as_bytes(store: Store) -> None:
    assert await store.execute("SET", "k", "v") == b"OK"
    assert await store.execute("GET", "k") == b"v"
    assert store.available


async def test_large_store_commands_that_a_socket_takes_in_parts_arrive_in_order(store: Store) -> None:
    large = bytes(range(256)) * 40_000
    with trio.fail_after(60):
        assert await store.execute("SET", "k", large) == b"OK"
        async with trio.open_nursery() as nursery:
            nursery.start_soon(store.execute, "SET", "k", large[::-1])
            nursery.start_soon(store.execute, "APPEND", "other", "v")
        assert await store.execute("GET", "k") == large[::-1]
        assert await store.execute("GET", "other") == b"v"
        await until(lambda: store.stats()["bytes"] == 0)  # The pulse of the store sends now and then.


async def test_a_lua_step_runs_even_if_the_server_does_not_have_its_script(store: Store) -> None:
    await store.execute("SCRIPT", "FLUSH")
    assert await store.step("count", ["n"], [2]) == [b"ok", 2]
    await store.execute("SCRIPT", "FLUSH")
    assert await store.step("count", ["n"], [2]) == [b"ok", 4]
    await store.execute("SCRIPT", "FLUSH")
    assert await store.steps("count", [(["n"], [1])] * 3) == [[b"ok", 5], [b"ok", 6], [b"ok", 7]]


async def test_each_server_gets_the_scripts_once_although_a_store_has_many_connections_to_it(
    private_valkey: ValkeyServer,
) -> None:
    loaded = f"cmdstat_script|load:calls={len(SCRIPTS)},"
    async with open_store(StoreConfig(url=private_valkey.url)) as store:
        connections = store.stats()["connections"]
        assert connections > 1
        store._end_lanes("a test")
        await until(lambda: store.stats()["reconnects"] == connections)
        await until(lambda: store.available)
        assert loaded in (await store.execute("INFO", "commandstats")).decode()
        private_valkey.kill()
        private_valkey.start()
        await until(lambda: store.stats()["reconnects"] == 2 * connections)
        await until(lambda: store.available)
        assert loaded in (await store.execute("INFO", "commandstats")).decode()


async def test_a_lua_step_that_is_called_with_too_few_or_too_many_keys_or_arguments_raises_value_error(
    store: Store,
) -> None:
    with pytest.raises(ValueError, match="count: 2 keys and 1 arguments"):
        await store.step("count", ["n", "m"], [2])
    with pytest.raises(ValueError, match="count: 1 keys and 0 arguments"):
        await store.step("count", ["n"], [])


async def test_store_commands_with_the_same_hash_tag_are_executed_in_order(store: Store) -> None:
    async def push(value: int) -> None:
        await store.execute("RPUSH", "{tag}:list", value, key=f"{{tag}}:{value}")

    async with trio.open_nursery() as nursery:
        for value in range(500):
            nursery.start_soon(push, value)
            await trio.lowlevel.checkpoint()
    got = await store.execute("LRANGE", "{tag}:list", 0, -1)
    assert got == [str(value).encode() for value in range(500)]


def test_partitions_are_spread_evenly_over_all_connections_to_the_store() -> None:
    store = Store(StoreConfig(url="unix:///nowhere", connections=4))
    lanes = [store._lanes.of(keys.charge_points(partition, "t"))[0] for partition in range(keys.PARTITIONS)]
    assert [sum(lane is each for lane in lanes) for each in store._lanes.all] == [64, 64, 64, 64, 0, 0]


async def test_a_pipeline_executes_all_its_commands_even_if_one_of_them_fails(store: Store) -> None:
    with pytest.raises(ResponseError, match="not an integer"):
        await store.pipeline([("SET", "k", "v"), ("INCR", "k"), ("SET", "last", "v")])
    assert await store.pipeline([("GET", "k"), ("GET", "last")]) == [b"v", b"v"]
    with pytest.raises(ResponseError, match="not an integer"):
        await store.pipeline([("INCR", "k")])
    with pytest.raises(ResponseError, match="not an integer"):
        await store.steps("count", [(["n"], [1]), (["k"], [1])])
    with pytest.raises(ResponseError, match="not an integer"):
        await store.step("count", ["k"], [1])
    assert await store.pipeline([]) == await store.steps("count", []) == []


async def test_hashes_are_read_whole_whatever_their_length_is(store: Store) -> None:
    # The server keeps short hashes in another form than those with many fields or with long values.
    hashes = [
        {b"%d" % field: b"x" * length for field in range(number)}
        for number in (1, 20, 99, 100, 101, 2_000)
        for length in (1, 5_000)
    ]
    names = [f"hash:{number}" for number in range(len(hashes))]
    await store.pipeline(
        [
            ("HSET", name, *(part for pair in fields.items() for part in pair))
            for name, fields in zip(names, hashes, strict=True)
        ]
    )
    found = await store.hashes([*names, "hash:none"])
    expected = [{name.decode(): value.decode() for name, value in fields.items()} for fields in hashes]
    assert [read_fields(fields) for fields in found] == [*expected, {}]
    assert await store.hashes([]) == []


async def test_the_estimated_clock_of_the_store_server_is_wrong_by_less_than_200_ms(
    store: Store,
) -> None:
    seconds, microseconds = await store.execute("TIME")
    assert abs(store.server_time_ms() - (int(seconds) * 1000 + int(microseconds) // 1000)) < 200


async def test_the_error_for_a_write_that_the_server_refuses_temporarily_says_that_it_was_not_sent(
    store: Store,
) -> None:
    await store.execute("CONFIG", "SET", "min-replicas-to-write", 1)
    try:
        with pytest.raises(StoreUnavailable, match="NOREPLICAS") as caught:
            await store.step("count", ["n"], [2])
        assert not caught.value.sent
    finally:
        await store.execute("CONFIG", "SET", "min-replicas-to-write", 0)
    assert await store.step("count", ["n"], [2]) == [b"ok", 2]


@pytest.mark.parametrize(
    ("setting", "wrong", "right"),
    [
        ("appendfsync", "everysec", "always"),
        ("no-appendfsync-on-rewrite", "yes", "no"),
        ("maxmemory-policy", "allkeys-lru", "noeviction"),
    ],
)
async def test_the_error_for_a_server_setting_that_breaks_durability_names_the_setting(
    private_valkey: ValkeyServer, setting: str, wrong: str, right: str
) -> None:
    config = StoreConfig(url=private_valkey.url)
    with trio.fail_after(60):
        async with open_store(config) as store:
            private_valkey.ask(f"CONFIG SET {setting} {wrong}".encode())
            said = f"the store has {setting} {wrong}; it must be {setting} {right}"
            with pytest.raises(StoreRefused, match=said):
                async with open_store(config):
                    pass
            # The open store notices the wrong setting at its next check. Later it notices the corrected
            # setting.
            await store._check(store._lanes.listing)
            while store.available:
                await store.wait_changed()
            private_valkey.ask(f"CONFIG SET {setting} {right}".encode())
            await store.wait_available()


async def test_a_server_without_appendonly_is_allowed_if_the_setting_durability_is_memory(
    private_valkey: ValkeyServer,
) -> None:
    private_valkey.ask(b"CONFIG SET appendonly no")
    with pytest.raises(StoreRefused, match="it must be appendonly yes"):
        async with open_store(StoreConfig(url=private_valkey.url)):
            pass
    async with open_store(StoreConfig(url=private_valkey.url, durability="memory")) as store:
        assert await store.execute("SET", "k", "v") == b"OK"


async def test_the_store_is_unavailable_while_its_server_is_a_replica(
    private_valkey: ValkeyServer,
) -> None:
    config = StoreConfig(url=private_valkey.url)
    with trio.fail_after(60):
        async with open_store(config) as store:
            private_valkey.ask(b"REPLICAOF 127.0.0.1 1")
            with pytest.raises(StoreUnavailable, match="READONLY") as caught:
                await store.execute("SET", "k", "v")
            assert not caught.value.sent
            with pytest.raises(StoreRefused, match="role is slave; it must be master"):
                async with open_store(config):
                    pass
            assert not store.available
            private_valkey.ask(b"REPLICAOF NO ONE")
            await store.wait_available()


async def test_the_error_for_a_redis_user_without_permission_for_config_get_says_what_to_allow(
    private_valkey: ValkeyServer,
) -> None:
    private_valkey.ask(b"ACL SETUSER limited on >pass@word ~* +@all -config")
    url = f"unix://limited:pass%40word@{private_valkey.path}"
    said = r"does not report its setting appendonly.*allow this user the commands CONFIG GET"
    with pytest.raises(StoreRefused, match=said):
        async with open_store(StoreConfig(url=url)):
            pass
    async with open_store(StoreConfig(url=url, durability="memory")) as limited:
        assert await limited.execute("PING") == b"PONG"
    with pytest.raises(StoreRefused, match="refused the login: WRONGPASS") as caught:
        async with open_store(StoreConfig(url=url.replace("pass%40word", "s3cret"))):
            pass
    assert "s3cret" not in str(caught.value)


async def test_the_durability_setting_replicated_is_refused_because_it_is_not_supported_yet() -> None:
    with pytest.raises(StoreRefused, match="replicated is not supported yet"):
        async with open_store(StoreConfig(url="unix:///nowhere", durability="replicated")):
            pass


async def test_the_error_for_a_missing_server_names_its_address() -> None:
    with pytest.raises(StoreUnavailable, match="unix:///nowhere cannot be reached"):
        async with open_store(StoreConfig(url="unix:///nowhere"), wait_s=0.2):
            pass


async def test_a_store_with_another_number_of_partitions_is_refused(store: Store, redis_url: str) -> None:
    await store.execute("HSET", keys.META, "partitions", 128)
    with pytest.raises(StoreRefused, match=r"created with partitions 128 .*needs 256"):
        async with open_store(StoreConfig(url=redis_url)):
            pass


async def test_two_databases_of_one_server_do_not_share_keys(store: Store, redis_url: str) -> None:
    await store.execute("SET", "k", "zero")
    async with open_store(StoreConfig(url=f"{redis_url}?db=3")) as other:
        assert await other.execute("GET", "k") is None


async def test_an_error_that_is_raised_in_the_with_block_of_an_open_store_leaves_the_block_unchanged(
    redis_url: str,
) -> None:
    with pytest.raises(KeyError):
        async with open_store(StoreConfig(url=redis_url)):
            raise KeyError
