"""A backup under load, more charging, and a restore into an empty store beneath sessions that live on."""

import json
import sys
from collections import Counter
from collections.abc import Callable
from functools import partial
from subprocess import CompletedProcess, run
from typing import NamedTuple

import trio

from state.errors import StateError
from state.keys import ChargePointKeys
from state.nodes import leases
from state.store import Store, StoreConfig, open_store
from tests.backup.fleet import Acknowledged, Fleet
from tests.support.waiting import until
from tests.system.central import PEPPER, Central

_AFTER_S = 10.0
_PATIENCE_S = 300.0


class Played(NamedTuple):
    """What was seen. `lost` are the acknowledged facts that the restored store does not have.

    `listed` are those that `csms store missing` named, and `reissued` the ids that a charge point got twice.
    `offline` are the charge points without a lease in the end, and `gap_s` is the time without answers.
    """

    acknowledged: int
    after_backup: int
    lost: set[tuple[str, str, int]]
    listed: set[tuple[str, str, int]]
    early: int
    reissued: int
    closed: int
    offline: int
    backup_bytes: int
    backup_s: float
    restore_s: float
    start_s: float
    adopted_s: float
    gap_s: float

    @property
    def passed(self) -> bool:
        return not (self.reissued or self.closed or self.offline or self.early) and self.lost == self.listed


async def play(
    central: Central, *, sessions: int, minutes: float, pause_s: float, say: Callable[[str], None]
) -> Played:
    tenant = central.tenant()
    names = [f"CP-{number:04d}" for number in range(sessions)]
    async with central.gateway() as first, central.gateway() as second, trio.open_nursery() as nursery:
        fleet = Fleet(tenant, [first, second], pause_s=pause_s)
        await _connect(nursery, fleet, names, 0, half := sessions // 2)
        await trio.sleep(2 * pause_s)  # Every charge point has begun to charge.
        say(f"{half} charge points charge; {len(fleet.acknowledged)} facts were acknowledged")

        begun = trio.current_time()
        backup = await _run(
            central, "backup", "write", central.valkey.directory, central.directory / "backups"
        )
        assert backup.returncode == 0, backup.stderr
        [path] = (central.directory / "backups").glob("store-*")
        manifest = json.loads((path / "manifest.json").read_text())
        backup_s = (manifest["finished_ms"] - manifest["begun_ms"]) / 1000
        say(f"the backup has {manifest['bytes']:,} bytes, written in {backup_s:.2f} s")
        # The store that is restored does not know of these sessions.
        await _connect(nursery, fleet, names, half, sessions)
        await trio.sleep(60 * minutes)

        broken = trio.current_time()
        central.valkey.kill()
        central.valkey.directory.rename(central.directory / "lost")
        restored = await _run(central, "restore", path, central.valkey.directory)
        assert restored.returncode == 0, restored.stderr
        restore_s = trio.current_time() - broken
        central.valkey.start()  # In this thread, because the server dies with the thread that started it.
        start_s = trio.current_time() - broken - restore_s
        say(f"restored in {restore_s:.1f} s; the server loaded the files in {start_s:.1f} s")

        keys = [ChargePointKeys(tenant.id, name) for name in names]
        async with open_store(StoreConfig(url=central.valkey.url)) as store:
            with trio.fail_after(_PATIENCE_S):
                await until(lambda: _are_online(store, keys), _PATIENCE_S)
            adopted_s = trio.current_time() - broken
            say(f"all sessions have their leases again after {adopted_s:.1f} s")
            await trio.sleep(max(_AFTER_S, 2 * pause_s))
            found = await _judge(
                central,
                store,
                fleet,
                keys,
                begun=begun,
                broken=broken,
                times=(backup_s, restore_s, start_s, adopted_s),
                backup_bytes=manifest["bytes"],
            )
        nursery.cancel_scope.cancel()
    return found


async def _are_online(store: Store, keys: list[ChargePointKeys]) -> bool:
    try:
        return all(one and one.online for one in await leases.list_holdings(store, keys))
    except StateError:
        return False


async def _connect(nursery: trio.Nursery, fleet: Fleet, names: list[str], begin: int, end: int) -> None:
    for number in range(begin, end):
        nursery.start_soon(fleet.run, names[number], number)
    await until(lambda: fleet.connected == end, _PATIENCE_S)


async def _run(central: Central, *arguments: object) -> CompletedProcess[str]:
    environ = {
        "PATH": "/usr/bin:/bin",
        "CSMS__STORE__URL": central.valkey.url,
        "CSMS__SECURITY__PEPPER": PEPPER,
    }
    argv = [sys.executable, "-m", "admin", *map(str, arguments)]
    return await trio.to_thread.run_sync(
        partial(run, argv, env=environ, capture_output=True, text=True, check=False)
    )


async def _judge(
    central: Central,
    store: Store,
    fleet: Fleet,
    keys: list[ChargePointKeys],
    *,
    begun: float,
    broken: float,
    times: tuple[float, float, float, float],
    backup_bytes: int,
) -> Played:
    listed = await _run(central, "store", "missing", central.directory / "gateways.log", "--output", "json")
    assert listed.returncode in {0, 1}, listed.stderr
    facts = [json.loads(line) for line in listed.stdout.splitlines()]
    lost = await _find_lost(store, fleet.acknowledged, keys)
    twice = sum(count - 1 for ids in fleet.began.values() for count in Counter(ids).values())
    after = [one.at for one in fleet.acknowledged if one.at > broken]
    online = await leases.list_holdings(store, keys)
    return Played(
        acknowledged=len(fleet.acknowledged),
        after_backup=sum(begun < one.at < broken for one in fleet.acknowledged),
        lost={(one.kind, one.charge_point, one.id) for one in lost},
        listed={(one["kind"], one["charge_point"], one["transaction_id"]) for one in facts},
        early=sum(one.at < begun or one.at > broken + times[1] for one in lost),
        reissued=twice,
        closed=len(fleet.closed),
        offline=sum(not (one and one.online) for one in online),
        backup_bytes=backup_bytes,
        backup_s=times[0],
        restore_s=times[1],
        start_s=times[2],
        adopted_s=times[3],
        gap_s=min(after) - broken if after else float("inf"),
    )


async def _find_lost(
    store: Store, acknowledged: list[Acknowledged], keys: list[ChargePointKeys]
) -> list[Acknowledged]:
    """Compare what the charge points heard with the store itself, without the code of the product."""
    of = {one.id: one for one in keys}
    lost = []
    for one in acknowledged:
        own = of[one.charge_point]
        field = "at" if one.kind == "start" else "stop_at"
        if not await store.execute("HEXISTS", own.transaction(one.id), field):
            kept = b"".join((await store.execute("HGETALL", own.orphans)).values())
            if one.kind == "start" or str(one.id).encode() not in kept:
                lost.append(one)
    return lost
