import os
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
import trio

from state import meta
from state.backups import manifest
from state.backups.failures import BackupFailed
from state.backups.manifest import Backup
from state.backups.restoring import restore, verify
from state.embedded.embedded import run_embedded
from state.store import StoreConfig, open_store
from tests.support.backups import back_up
from tests.support.valkey_server import ValkeyServer


@pytest.fixture
async def backup(private_valkey: ValkeyServer, tmp_path: Path) -> Backup:
    async with open_store(StoreConfig(url=private_valkey.url)) as store:
        await store.execute("SET", "k", "v")
        return await back_up(store, private_valkey.directory, tmp_path / "backups")


def _report(_copied: int) -> None: ...


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def _flip(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:-3] + bytes([content[-3] ^ 1]) + content[-2:])


def _put_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _link_to_endless(path: Path) -> None:
    path.unlink()
    path.symlink_to("/dev/zero")


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (Path.unlink, "is missing"),
        (_cut, "were written"),
        (_flip, "is damaged"),
        (_put_pipe, "not a regular file"),
        (_link_to_endless, "not a regular file"),
    ],
)
async def test_a_damaged_backup_is_neither_verified_nor_restored(
    backup: Backup, tmp_path: Path, harm: Callable[[Path], None], words: str
) -> None:
    verify(backup.path, _report)
    harm(backup.path / backup.manifest.files[-1].name)
    with pytest.raises(BackupFailed, match=words):
        verify(backup.path, _report)
    with pytest.raises(BackupFailed, match=words):
        restore(backup.path, tmp_path / "restored", _report)
    assert list((tmp_path / "restored").iterdir()) == []


async def test_a_directory_with_files_is_refused_and_stays_as_it_is(backup: Backup, tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "dump.rdb").touch()
    with pytest.raises(BackupFailed, match=r"is not empty: it has dump\.rdb"):
        restore(backup.path, tmp_path / "store", _report)
    assert [path.name for path in (tmp_path / "store").iterdir()] == ["dump.rdb"]


async def test_a_restore_goes_over_what_a_killed_one_left(backup: Backup, tmp_path: Path) -> None:
    (tmp_path / "store" / "lost+found").mkdir(parents=True)
    (tmp_path / "store" / "restore.unfinished" / "half").mkdir(parents=True)
    restore(backup.path, tmp_path / "store", _report)
    assert {path.name for path in (tmp_path / "store").iterdir()} == {"lost+found", "appendonlydir"}


async def test_a_store_of_a_newer_form_is_not_restored(backup: Backup, tmp_path: Path) -> None:
    newer = msgspec.structs.replace(backup.manifest, readable_from=meta.FORMAT + 1)
    manifest.write(backup.path, newer)
    with pytest.raises(BackupFailed, match=r"use csms .* or a newer release"):
        restore(backup.path, tmp_path / "store", _report)
    assert not (tmp_path / "store").exists()


async def test_the_embedded_server_starts_with_a_restored_store(backup: Backup, tmp_path: Path) -> None:
    restore(backup.path, tmp_path / "store", _report)
    async with trio.open_nursery() as nursery:
        url = await nursery.start(run_embedded, tmp_path / "store")
        async with open_store(StoreConfig(url=url)) as store:
            assert await store.execute("GET", "k") == b"v"
        nursery.cancel_scope.cancel()
