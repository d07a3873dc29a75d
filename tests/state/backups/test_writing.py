import errno
import os
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest
import trio
from redis.exceptions import ResponseError

from state import keys
from state.backups import copying, directory, manifest, note, origin
from state.backups.failures import BackupFailed
from state.backups.manifest import UNFINISHED
from state.backups.restoring import restore, verify
from state.store import Store, StoreConfig, open_store
from tests.support.backups import a_manifest, back_up
from tests.support.valkey_server import ValkeyServer


async def contents(store: Store) -> dict[bytes, bytes]:
    """Return every key but the mark, with what the server would need to make it again."""
    names = [name for name in await store.execute("KEYS", "*") if name != keys.BACKUP.encode()]
    return dict(zip(names, await store.pipeline([("DUMP", name) for name in names]), strict=True))


def names(directory: Path) -> list[str]:
    return [path.name for path in directory.iterdir()]


async def test_a_backup_that_is_written_while_the_server_rewrites_has_all_that_came_before(
    private_valkey: ValkeyServer, tmp_path: Path
) -> None:
    number = 0

    async def write_on(store: Store) -> None:
        nonlocal number
        while True:
            await store.execute("SET", f"n:{number + 1}", "x" * 1000)
            number += 1

    async def rewrite(store: Store) -> None:
        while True:
            with suppress(ResponseError):  # A rewrite is in progress.
                await store.execute("BGREWRITEAOF")
            await trio.sleep(0.001)

    async with open_store(StoreConfig(url=private_valkey.url)) as store, trio.open_nursery() as nursery:
        nursery.start_soon(write_on, store)
        nursery.start_soon(rewrite, store)
        for turn in range(5):
            before = number
            done = await back_up(store, private_valkey.directory, tmp_path / "backups")
            verify(done.path, lambda _: None)
            restore(done.path, tmp_path / f"restored-{turn}", lambda _: None)
            assert await _highest(tmp_path / f"restored-{turn}") >= before
        nursery.cancel_scope.cancel()


async def _highest(directory: Path) -> int:
    """Start a server on the restored files, and return how many keys it has. None may be missing."""
    server = ValkeyServer(directory)
    server.start()
    try:
        async with open_store(StoreConfig(url=server.url)) as store:
            found = sorted(int(name[2:]) for name in await store.execute("KEYS", "n:*"))
            assert found == list(range(1, len(found) + 1))
            return len(found)
    finally:
        server.stop()


async def test_a_restored_store_has_every_key_as_it_was(private_valkey: ValkeyServer, tmp_path: Path) -> None:
    async with open_store(StoreConfig(url=private_valkey.url)) as store:
        await store.execute("HSET", "h", "a", 1, "b", 2)
        await store.execute("XADD", "s", "1-1", "a", "b")
        await store.execute("ZADD", "z", 1, "m")
        before = await contents(store)
        done = await back_up(store, private_valkey.directory, tmp_path)
    private_valkey.kill()
    private_valkey.directory.rename(tmp_path / "lost")
    restore(done.path, private_valkey.directory, lambda _: None)
    private_valkey.start()
    async with open_store(StoreConfig(url=private_valkey.url)) as store:
        assert await contents(store) == before
        assert (await note.read(store)).store == done.manifest.store


async def test_the_directory_of_another_server_is_refused(
    private_valkey: ValkeyServer, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(origin, "_MARK_S", 0.2)
    with pytest.raises(BackupFailed, match="these are not the files of this server"):
        await back_up(store, private_valkey.directory, tmp_path)


async def test_a_store_that_refuses_writes_is_backed_up_too(
    private_valkey: ValkeyServer, tmp_path: Path
) -> None:
    async with open_store(StoreConfig(url=private_valkey.url)) as store:
        await store.execute("SET", "k", "v")
        private_valkey.ask(b"CONFIG SET maxmemory 1")
        async with origin.open_origin(store, private_valkey.directory) as opened:
            assert opened.mark == b""
        done = await back_up(store, private_valkey.directory, tmp_path)
        assert verify(done.path, lambda _: None) == done.manifest
        assert done.manifest.store == ""


async def test_a_full_disk_leaves_no_backup_and_the_next_one_succeeds(
    private_valkey: ValkeyServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_handle: int, _content: bytes) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    async with open_store(StoreConfig(url=private_valkey.url)) as store:
        with monkeypatch.context() as patch:
            patch.setattr(copying, "write_whole", fail)
            with pytest.raises(BackupFailed, match="No space left on device; free some room"):
                await back_up(store, private_valkey.directory, tmp_path)
        assert names(tmp_path) == ["backup.lock"]
        left = tmp_path / f"{manifest.name_of(1)}{UNFINISHED}"
        left.mkdir()
        (left / "half").touch()
        done = await back_up(store, private_valkey.directory, tmp_path)
        assert not left.exists()
        assert [one.path for one in manifest.list_whole(tmp_path)] == [done.path]


def test_a_backup_that_does_not_fit_is_not_begun(tmp_path: Path) -> None:
    with pytest.raises(BackupFailed, match="bytes free; free some room"):
        directory.require_room(tmp_path, 1 << 60, "free some room")


def test_only_one_process_writes_to_a_directory(tmp_path: Path) -> None:
    with (
        directory.lock(tmp_path),
        pytest.raises(BackupFailed, match="another process is writing"),
        directory.lock(tmp_path),
    ):
        pass


def test_backups_within_the_store_are_refused(tmp_path: Path) -> None:
    directory.require_apart(tmp_path / "backups", tmp_path / "store")
    with pytest.raises(BackupFailed, match="would be lost with the store"):
        directory.require_apart(tmp_path / "store" / "backups", tmp_path / "store")


def test_the_oldest_backups_of_the_same_store_are_removed(tmp_path: Path) -> None:
    for begun_ms, store in enumerate(["a", "a", "b", "", "a"]):
        path = tmp_path / manifest.name_of(begun_ms)
        path.mkdir()
        manifest.write(path, msgspec.structs.replace(a_manifest(), begun_ms=begun_ms, store=store))
    assert directory.remove_oldest(tmp_path, "a", 2) == [manifest.name_of(0)]
    assert directory.remove_oldest(tmp_path, "", 1) == []
    assert [one.manifest.begun_ms for one in manifest.list_whole(tmp_path)] == [1, 2, 3, 4]
