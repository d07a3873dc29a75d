import subprocess
from functools import partial
from pathlib import Path

import pytest
import trio

from state import keys, meta
from state.nodes import nodes
from state.nodes.nodes import NodeRecord
from state.store import Store
from tests.support.up_process import csms, one_line


@pytest.fixture
async def older(store: Store) -> Store:
    """A store that the release before made."""
    await store.execute("DEL", keys.META)
    await store.execute("HSET", keys.META, "partitions", 256, "schema", 1)
    return store


async def run(*options: str, **env: str) -> "subprocess.CompletedProcess[str]":
    return await trio.to_thread.run_sync(partial(csms, "store", "upgrade", *options, env=env))


async def test_csms_store_upgrade_says_what_it_does_and_does_it_once(older: Store, redis_url: str) -> None:
    would = await run("--dry-run", "--store-url", redis_url)
    assert would.returncode == 0
    assert "The store has form 1." in would.stdout
    assert would.stdout.endswith("Nothing was changed, because of --dry-run.\n")
    assert await older.execute("HGET", keys.META, "schema") == b"1"
    done = await run(CSMS__STORE__URL=redis_url)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"readable_from 1 -> {meta.FORMAT}" in done.stdout
    assert await older.execute("HMGET", keys.META, "schema", "readable_from") == [b"2", b"2"]
    again = await run("--store-url", redis_url)
    assert again.stdout == f"The store has form 2 already, the newest of csms {meta.release()}.\n"


async def test_csms_store_upgrade_refuses_while_a_process_of_the_release_before_runs(
    older: Store, redis_url: str
) -> None:
    await nodes.beat(older, "old", NodeRecord(kind="gateway", host="h", pid=12, started_ms=1))
    done = await run("--store-url", redis_url)
    assert done.returncode == 1
    assert "a process of an older release runs: gateway on h (pid 12); replace it" in done.stderr
    assert await older.execute("HGET", keys.META, "schema") == b"1"


def test_csms_store_upgrade_reads_the_configuration_of_an_admin_process(
    redis_url: str, tmp_path: Path
) -> None:
    config = tmp_path / "admin.toml"
    config.write_text(f'[store]\nurl = "{redis_url}"\n')
    done = csms("store", "upgrade", "--config", str(config), env={"CSMS__SECURITY__PEPPER": "p" * 32})
    assert "already" in done.stdout
    assert "give --store-url or --config" in one_line(csms("store", "upgrade"))
