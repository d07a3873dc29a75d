"""The examination of real servers: a right one, and one for each thing that may be wrong."""

import ssl
from pathlib import Path

import pytest
import trio
import trustme

from state import keys
from state.doctor.examination import examine_store, judge_nodes
from state.doctor.findings import Finding
from state.nodes import nodes
from state.nodes.nodes import NodeRecord
from state.store import StoreConfig, open_store
from state.tenants import pepper
from tests.support.fault_proxy import fault_proxy
from tests.support.valkey_server import ValkeyServer

MACHINE = 1 << 30


async def examine(url: str, *, memory: bool = False) -> dict[str, Finding]:
    """Return what is not ok, by subject. Latencies depend on how busy the machine is."""
    config = StoreConfig(url=url, durability="memory" if memory else "fsync")
    with trio.fail_after(60):
        found = await examine_store(config)
    assert all(finding.text for finding in found)
    return {each.subject: each for each in found if each.verdict != "ok" and "latency" not in each.subject}


async def test_a_right_server_is_examined_without_a_warning_and_no_key_is_left_behind(
    private_valkey: ValkeyServer,
) -> None:
    private_valkey.ask(f"CONFIG SET maxmemory {MACHINE}".encode())
    assert await examine(private_valkey.url) == {}
    assert private_valkey.ask(b"DBSIZE") == b":0\r\n"


@pytest.mark.parametrize(
    ("name", "value", "subject", "says"),
    [
        ("appendfsync", "everysec", "appendfsync", "must be appendfsync always"),
        ("appendonly", "no", "appendonly", "must be appendonly yes"),
        ("no-appendfsync-on-rewrite", "yes", "no-appendfsync-on-rewrite", "must be no-appendfsync"),
        ("maxmemory-policy", "allkeys-lru", "maxmemory-policy", "must be maxmemory-policy noeviction"),
        ("maxmemory", "0", "maxmemory", "set maxmemory to at most 60 %"),
        ("min-replicas-to-write", "1", "writes", "refuses writes: NOREPLICAS"),
    ],
)
async def test_each_wrong_setting_of_the_server_is_found(
    private_valkey: ValkeyServer, name: str, value: str, subject: str, says: str
) -> None:
    private_valkey.ask(f"CONFIG SET maxmemory {MACHINE}".encode())
    private_valkey.ask(f"CONFIG SET {name} {value}".encode())
    [(found, finding)] = (await examine(private_valkey.url)).items()
    assert (found, finding.verdict) == (subject, "wrong")
    assert says in finding.text


async def test_a_full_store_is_wrong_and_its_permissions_are_still_judged(
    private_valkey: ValkeyServer,
) -> None:
    private_valkey.ask(b"CONFIG SET maxmemory 1mb")
    private_valkey.ask(b"SET k " + b"x" * 900)
    found = await examine(private_valkey.url)
    assert set(found) == {"memory", "writes"}
    assert "refuses writes: OOM" in found["writes"].text


async def test_durability_memory_is_a_warning_and_needs_no_file(private_valkey: ValkeyServer) -> None:
    private_valkey.ask(f"CONFIG SET maxmemory {MACHINE}".encode())
    private_valkey.ask(b"CONFIG SET appendonly no")
    found = await examine(private_valkey.url, memory=True)
    assert {subject: finding.verdict for subject, finding in found.items()} == {"durability": "warning"}


async def test_a_replica_is_wrong(private_valkey: ValkeyServer) -> None:
    private_valkey.ask(b"REPLICAOF 127.0.0.1 1")
    found = await examine(private_valkey.url)
    assert "role is slave" in found["server"].text


@pytest.mark.parametrize(
    ("rules", "says"),
    [
        (
            "~* +@all -hset -client|kill",
            "may not run CLIENT|KILL, HSET; allow them: ACL SETUSER ... +client|kill",
        ),
        ("~csms:* +@all", "allow all keys: ACL SETUSER ... ~*"),
    ],
)
async def test_a_user_without_a_needed_permission_is_found(
    private_valkey: ValkeyServer, rules: str, says: str
) -> None:
    private_valkey.ask(f"ACL SETUSER examined on >pw {rules}".encode())
    url = private_valkey.url.replace("unix://", "unix://examined:pw@")
    assert says in (await examine(url))["permissions"].text


@pytest.mark.parametrize("missing", ["multi", "discard"])
async def test_a_user_without_transactions_gets_a_warning_because_its_permissions_are_not_known(
    private_valkey: ValkeyServer, missing: str
) -> None:
    private_valkey.ask(f"ACL SETUSER examined on >pw ~* +@all -{missing}".encode())
    url = private_valkey.url.replace("unix://", "unix://examined:pw@")
    assert (await examine(url))["permissions"].verdict == "warning"


async def test_a_user_without_info_gets_a_finding_about_it(private_valkey: ValkeyServer) -> None:
    private_valkey.ask(b"ACL SETUSER examined on >pw ~* +@all -info")
    found = await examine(private_valkey.url.replace("unix://", "unix://examined:pw@"))
    assert "allow this user this command" in found["server"].text
    assert "INFO" in found["permissions"].text


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("unix://examined:geheim@{path}", "refused the login: WRONGPASS"),
        ("redis://:geheim@127.0.0.1:1", "cannot be reached"),
        ("unix:///no/such.sock", "cannot be reached"),
        ("geheim", "has no known scheme"),
    ],
)
async def test_a_server_that_cannot_be_used_is_one_finding_without_the_password(
    private_valkey: ValkeyServer, url: str, says: str
) -> None:
    [finding] = (await examine(url.format(path=private_valkey.path))).values()
    assert (finding.subject, finding.verdict) == ("connection", "wrong")
    assert says in finding.text
    assert "geheim" not in finding.text


async def test_a_server_that_does_not_answer_is_given_up(private_valkey: ValkeyServer) -> None:
    private_valkey.pause()
    with trio.fail_after(60):
        [finding] = await examine_store(StoreConfig(url=private_valkey.url, timeout_s=0.5))
    assert "did not answer within 0.5 s" in finding.text


async def test_a_server_with_tls_is_verified(private_valkey: ValkeyServer, tmp_path: Path) -> None:
    authority, stranger = trustme.CA(), trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)
    for name, ca in (("ca", authority), ("stranger", stranger)):
        ca.cert_pem.write_to_path(str(tmp_path / name))
    private_valkey.ask(f"CONFIG SET maxmemory {MACHINE}".encode())
    async with fault_proxy(private_valkey.path, context) as proxy:
        url = f"rediss://localhost:{proxy.port}/0?ssl_ca_certs={tmp_path}/"
        assert await examine(f"{url}ca") == {}
        assert "cannot be reached" in (await examine(f"{url}stranger"))["connection"].text
        unverified = (await examine(f"{url}ca&ssl_cert_reqs=none"))["connection"]
        assert unverified.verdict == "warning"


async def test_a_store_of_a_newer_release_is_wrong_and_stays_as_it_is(private_valkey: ValkeyServer) -> None:
    fields = "partitions 256 schema 99 readable_from 99"
    private_valkey.ask(f"HSET {keys.META} {fields}".encode())
    before = private_valkey.ask(f"HGETALL {keys.META}".encode())
    assert (await examine(private_valkey.url))["contents"].verdict == "wrong"
    assert private_valkey.ask(f"HGETALL {keys.META}".encode()) == before


async def test_the_pepper_is_compared_with_that_of_the_store_without_showing_anything_of_it(
    private_valkey: ValkeyServer,
) -> None:
    own, other = b"0123456789" * 4, b"abcdefghij" * 4
    config = StoreConfig(url=private_valkey.url)

    async def find(given: bytes | None) -> list[Finding]:
        found = await examine_store(config, given)
        assert all(each.text.isprintable() for each in found)
        return [each for each in found if each.subject == "pepper"]

    [unknown] = await find(own)
    assert (unknown.verdict, "knows no pepper yet" in unknown.text) == ("ok", True)
    assert private_valkey.ask(b"DBSIZE") == b":0\r\n"
    async with open_store(config) as store:
        await pepper.check(store, own)
    [right], [wrong] = await find(own), await find(other)
    assert right.verdict == "ok"
    assert wrong.verdict == "wrong"
    assert "security.pepper is not the one" in wrong.text
    assert await find(None) == []


async def test_a_database_of_other_programs_is_a_warning_and_gets_no_record_of_csms(
    private_valkey: ValkeyServer,
) -> None:
    private_valkey.ask(b"SET theirs 1")
    assert "keys of other programs (1)" in (await examine(private_valkey.url))["contents"].text
    assert private_valkey.ask(b"DBSIZE") == b":1\r\n"


async def test_the_processes_that_use_the_store_are_listed(private_valkey: ValkeyServer) -> None:
    async with open_store(StoreConfig(url=private_valkey.url)) as store:
        record = NodeRecord(kind="gateway", host="here", pid=7, started_ms=store.server_time_ms())
        await nodes.beat(store, "living", record)
        await store.execute("HINCRBY", keys.NODES, "silent", 1)
        found = [
            each
            for each in await examine_store(StoreConfig(url=private_valkey.url))
            if each.subject == "nodes"
        ]
    [finding] = found
    assert "gateway on here (process 7" in finding.text
    assert "1 ended without leaving" in finding.text


def test_different_releases_and_a_clock_ahead_are_warnings() -> None:
    old = {"kind": "gateway", "host": "a", "pid": 1, "started_ms": 1_000}
    new = {**old, "version": "0.2.0", "format": 2}
    ahead = {**new, "started_ms": 100_000}
    assert [each.verdict for each in judge_nodes([new, new], 0, 2_000)] == ["ok"]
    assert [each.verdict for each in judge_nodes([old, new], 0, 2_000)] == ["warning"]
    assert [each.subject for each in judge_nodes([ahead], 0, 2_000)] == ["nodes", "clock"]
