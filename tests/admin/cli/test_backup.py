"""`csms backup` and `csms restore` (admin/cli/backup.py), and `csms store missing` (admin/cli/missing.py)."""

import gzip
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import trio

from state.backups import note
from state.backups.note import Note
from state.store import StoreConfig, open_store
from tests.support.up_process import csms, one_line
from tests.support.valkey_server import ValkeyServer

PEPPER = {"CSMS__SECURITY__PEPPER": "p" * 32}
LINE = {"event": "facts.acknowledged", "facts": [["start", "demo", "CP", 7, 1, "2026-11-30T00:00:00Z", 5]]}


def environment(server: ValkeyServer) -> dict[str, str]:
    return {"CSMS__STORE__URL": server.url, **PEPPER}


def read_note(server: ValkeyServer) -> Note:
    async def run() -> Note:
        async with open_store(StoreConfig(url=server.url)) as store:
            return await note.read(store)

    return trio.run(run)


def test_a_backup_is_written_listed_verified_and_restored(
    private_valkey: ValkeyServer, tmp_path: Path
) -> None:
    env, backups = environment(private_valkey), str(tmp_path / "backups")
    write = ("backup", "write", str(private_valkey.directory), backups, "--keep", "2")
    said = [csms(*write, env=env).stderr for _ in range(3)]
    assert ["Removed 1 older backups." in one for one in said] == [False, False, True]
    listed = [json.loads(line) for line in csms("backup", "list", backups, "--json").stdout.splitlines()]
    assert len(listed) == 2
    table = csms("backup", "list", backups).stdout
    assert [Path(one["backup"]).name in table for one in listed] == [True, True]
    noted = read_note(private_valkey)
    assert (noted.store, noted.finished_ms, noted.bytes) == (
        listed[-1]["store"],
        listed[-1]["finished_ms"],
        listed[-1]["bytes"],
    )
    assert "are whole" in csms("backup", "verify", listed[-1]["backup"]).stdout
    restored = csms("restore", listed[-1]["backup"], str(tmp_path / "store"))
    assert restored.returncode == 0
    assert "appenddirname appendonlydir" in restored.stderr
    assert "is not empty" in one_line(csms("restore", listed[-1]["backup"], str(tmp_path / "store")))


def test_a_backup_that_is_killed_leaves_nothing_that_counts(
    private_valkey: ValkeyServer, tmp_path: Path
) -> None:
    env, backups = environment(private_valkey), tmp_path / "backups"
    argv = [sys.executable, "-c", _KILLED, "backup", "write", str(private_valkey.directory), str(backups)]
    killed = subprocess.run(argv, env={**os.environ, **env}, capture_output=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    [left] = backups.glob("store-*")
    assert left.name.endswith(".unfinished")
    assert csms("backup", "list", str(backups), "--json").stdout == ""
    assert private_valkey.ask(b"CONFIG GET auto-aof-rewrite-percentage").split()[-1] == b"100"
    done = csms("backup", "write", str(private_valkey.directory), str(backups), env=env)
    assert done.returncode == 0, done.stderr
    assert not left.exists()


_KILLED = """
import os, signal, sys
from state.backups import manifest
manifest.write = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
from admin.cli.csms import main
main()
"""


def test_facts_that_the_store_does_not_have_are_listed(private_valkey: ValkeyServer, tmp_path: Path) -> None:
    env, plain, packed = environment(private_valkey), tmp_path / "log", tmp_path / "log.gz"
    plain.write_text(f"no json\n2026-11-30T00:00:00Z stderr F {json.dumps(LINE)}\n")
    packed.write_bytes(gzip.compress(f"{json.dumps(LINE)}\n".encode()))
    found = csms("store", "missing", str(plain), str(packed), "--output", "json", env=env)
    assert found.returncode == 1
    assert "1 of 1 acknowledged starts and stops are missing" in found.stderr
    assert [json.loads(line)["transaction_id"] for line in found.stdout.splitlines()] == [7]
    assert "2026-11-30T00:00:00Z" in csms("store", "missing", str(plain), env=env).stdout


@pytest.mark.parametrize(
    "garbage",
    [
        b'"facts": [["start", "\xff"]]}',
        b'"facts": [["start"',
        b'"more": ' + b"[" * 100_000,
        b'"more": "' + b"x" * (3 << 20) + b'"}',
    ],
    ids=["not UTF-8", "cut", "nested", "endless"],
)
def test_a_line_that_is_garbage_is_named_and_the_others_are_read(
    private_valkey: ValkeyServer, tmp_path: Path, garbage: bytes
) -> None:
    log = tmp_path / "log"
    line = json.dumps(LINE).encode()
    log.write_bytes(b'{"event": "facts.acknowledged", ' + garbage + b"\n" + line + b"\n")
    found = csms("store", "missing", str(log), env=environment(private_valkey))
    assert "cannot be read" in found.stderr
    assert "Traceback" not in found.stderr
    assert "1 of 1 acknowledged starts and stops are missing" in found.stderr


def test_a_damaged_compressed_log_is_refused_in_one_line(
    private_valkey: ValkeyServer, tmp_path: Path
) -> None:
    log = tmp_path / "log.gz"
    packed = bytearray(gzip.compress(json.dumps(LINE).encode()))
    packed[10:14] = b"\xff" * 4
    log.write_bytes(packed)
    done = csms("store", "missing", str(log), env=environment(private_valkey))
    assert "cannot be read" in one_line(done)


def test_logs_without_facts_are_refused(private_valkey: ValkeyServer, tmp_path: Path) -> None:
    (tmp_path / "log").write_text('{"event": "session.opened"}\n')
    done = csms("store", "missing", str(tmp_path / "log"), env=environment(private_valkey))
    assert "have no event facts.acknowledged" in one_line(done)


@pytest.mark.parametrize("arguments", [("verify",), ("list",)])
def test_a_missing_backup_is_one_line(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    done = csms("backup", *arguments, str(tmp_path / "none"))
    assert done.returncode == 1
    assert "none" in one_line(done)
