"""Measure what a transaction with 120 messages takes in the store and in the archive.

`python -m tests.bench.packing` starts a private server and takes two minutes. It also packs one transaction
with 30,000 messages, which must not hold the event loop longer.
"""

import platform
import tempfile
from pathlib import Path
from sys import stdout
from time import perf_counter, process_time, thread_time

import trio

from admin.archive import archiver
from gateway.service import collector
from state import keys
from state.charge_points import configuration
from state.embedded.embedded import run_embedded
from state.keys import ChargePointKeys
from state.nodes.leases import Lease
from state.store import Store, StoreConfig, open_store
from state.transactions import Start, Stop, meter_values, packing, start, stop
from tests.support import charging_messages, leases
from tests.support.charging_messages import BEGIN_MS, text_of

CHARGE_POINTS = 200
MESSAGES = 120
MANY = 30_000
ANSWER = b'{"status":"Accepted"}'
CONFIGURATION = [
    configuration.ReportedKey(f"ConfigurationKeyNumber{n}", f"value {n}", False) for n in range(60)
]


async def claim(store: Store, number: int) -> Lease:
    keys_of_it = ChargePointKeys("acme", f"CP-{number:06}")
    return (await leases.claimed(store, f"bench/{number}", keys_of_it)).lease


async def charge(store: Store, lease: Lease, number: int, count: int = MESSAGES) -> None:
    """Store a transaction with its messages."""
    end_ms = BEGIN_MS + count * charging_messages.EVERY_MS
    begun = Start(
        connector_id=1,
        id_tag=f"TAG{number:08}",
        timestamp=text_of(BEGIN_MS),
        started_ms=BEGIN_MS,
        plausible=True,
        meter_start=1000,
        received_ms=BEGIN_MS,
    )
    id_ = str((await start(store, lease, begun, ANSWER)).id)
    for received_ms, payload in charging_messages.messages(count, seed=number):
        await meter_values.append(
            store, lease, connector_id=1, transaction_id=id_, payload=payload, received_ms=received_ms
        )
    ended = Stop(
        transaction_id=id_,
        timestamp=text_of(end_ms),
        stopped_ms=end_ms,
        meter_stop=20_000,
        id_tag=f"TAG{number:08}",
        reason="EVDisconnected",
        received_ms=end_ms,
    )
    await stop(store, lease, ended, ANSWER)


async def memory(store: Store) -> int:
    """Return the bytes of all keys but the events, which expire.

    The memory that the whole server uses would also have that of Lua and of the connections, which goes up
    and down.
    """
    found = [key.decode() for key in await store.execute("KEYS", "*") if b":events:" not in key]
    return sum([await store.execute("MEMORY", "USAGE", key, "SAMPLES", 0, key=key) for key in found])


class LoopHold:
    """How long the event loop was held at a time, as a task that always wants to run sees it.

    Only the time counts in which this thread ran, because other programs may run on the machine too.
    """

    def __init__(self) -> None:
        self.found: list[float] = []

    async def watch(self) -> None:
        before = thread_time()
        while True:
            await trio.lowlevel.checkpoint()
            now = thread_time()
            self.found.append(now - before)
            before = now


async def pack(store: Store) -> tuple[int, int, str]:
    """Pack all. Returns the transactions, the blocks, and the longest times that the loop was held."""
    hold, packed, blocks = LoopHold(), 0, 0

    def count_block() -> None:
        nonlocal blocks
        blocks += 1

    async with trio.open_nursery() as nursery:
        nursery.start_soon(hold.watch)
        for partition in range(keys.PARTITIONS):
            packed += await packing.pack_due(
                store, partition, store.server_time_ms() + 1000, 1000, count_block=count_block
            )
        nursery.cancel_scope.cancel()
    return packed, blocks, ", ".join(f"{one * 1e3:.2f}" for one in sorted(hold.found)[:-4:-1])


async def archive(store: Store, directory: Path) -> float:
    """Archive all that is due. Returns the seconds of CPU."""
    used = process_time()
    await archiver.run_turn(store, directory)
    return process_time() - used


def count_archived(directory: Path) -> int:
    """Return the bytes of the files with transactions."""
    return sum(file.stat().st_size for file in directory.rglob("*.ndjson.gz"))


async def measure(store: Store, directory: Path) -> None:
    held = [await claim(store, number) for number in range(CHARGE_POINTS)]
    # The first transaction of a partition also makes keys that all further ones share.
    await charge_all(store, held, CHARGE_POINTS, 1)
    await pack(store)
    await archive(store, directory)
    archived_before = count_archived(directory)
    before = await memory(store)

    await charge_all(store, held, 0, MESSAGES)
    unpacked = await memory(store)
    begin, used = perf_counter(), process_time()
    packed, blocks, worst = await pack(store)
    took, used = perf_counter() - begin, process_time() - used
    after = await memory(store)
    archive_s = await archive(store, directory)
    archived = count_archived(directory) - archived_before
    before_configuration = await memory(store)
    for lease in held:
        await configuration.learn(store, lease.keys, CONFIGURATION, (), complete=True)
    configured = await memory(store) - before_configuration
    await charge(store, await claim(store, CHARGE_POINTS), CHARGE_POINTS, MANY)
    _, _, worst_of_many = await pack(store)
    for line in (
        f"messages of a transaction: {MESSAGES}; transactions packed: {packed}; blocks: {blocks}",
        f"KiB of a transaction, not packed: {(unpacked - before) / CHARGE_POINTS / 1024:.2f}",
        f"KiB of a transaction, packed: {(after - before) / CHARGE_POINTS / 1024:.2f}",
        f"KiB of a transaction in the archive: {archived / packed / 1024:.2f}",
        f"archiving, ms of CPU of a transaction: {archive_s / packed * 1e3:.1f}",
        f"KiB of a configuration of {len(CONFIGURATION)} keys: {configured / CHARGE_POINTS / 1024:.2f}",
        f"packing, ms of a transaction: {took / packed * 1e3:.1f}; of it CPU: {used / packed * 1e3:.1f}",
        f"the loop was held at most, ms: {worst}",
        f"the same, for {MANY} messages of one transaction: {worst_of_many}",
    ):
        stdout.write(f"{line}\n")


async def charge_all(store: Store, held: list[Lease], first: int, count: int) -> None:
    async with trio.open_nursery() as nursery:
        for number, lease in enumerate(held, first):
            nursery.start_soon(charge, store, lease, number, count)


async def main() -> None:
    stdout.write(f"{platform.machine()}, Python {platform.python_version()}, fsync, 4 connections\n")
    with tempfile.TemporaryDirectory() as directory:
        collector.settle()  # As in the admin process.
        async with trio.open_nursery() as nursery:
            url = await nursery.start(run_embedded, Path(directory))
            async with open_store(StoreConfig(url=url)) as store:
                await measure(store, Path(directory) / "archive")
            nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(main)
