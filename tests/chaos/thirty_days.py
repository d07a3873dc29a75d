"""Thirty days of charging, generated with past times of receipt. The store must not grow or lose anything."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from statistics import fmean
from zlib import crc32

import msgspec
import trio

from admin.archive import verify
from admin.archive.archive import Reader
from admin.archive.archiver import run_turn
from admin.archive.dropping import drop_archived
from admin.archive.files import read_places
from admin.archive.manifest import read as read_manifest
from state import charge_points, keys
from state.keys import ChargePointKeys
from state.nodes.leases import Lease
from state.store import Store, StoreConfig, open_store
from state.transactions import Started, get, listing, meter_values, start, stop
from state.transactions.packing import pack_due
from tests.chaos.bench import Bench, leg
from tests.support.charging_messages import message, text_of
from tests.support.server_info import ask_info
from tests.support.transactions import ANSWER, a_start, a_stop

TENANT = "fleet"
DAY_MS, HOUR_MS = 86_400_000, 3_600_000
HOT_DAYS = 2
BEGIN_MS = 1_767_225_600_000  # 2026-01-01
FOREVER_MS = 1 << 45
_AT_ONCE = 64
_PACKED_AT_ONCE = 500


@dataclass
class Month:
    """What was generated, and what the store held after each day.

    `made` has the number of messages of each transaction by its public id. `bytes_after` and `stored_after`
    are the memory of the store and its transactions at the end of each day.
    """

    made: dict[str, int] = field(default_factory=dict)
    bytes_after: list[int] = field(default_factory=list)
    stored_after: list[int] = field(default_factory=list)
    opened: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class Fleet:
    """How much is generated. `messages` are those of each transaction."""

    charge_points: int
    days: int
    transactions_a_day: int = 3
    messages: int = 12


async def live(
    store: Store, directory: Path, fleet: Fleet, note: Callable[[int, Month], None] = lambda *_: None
) -> Month:
    """Let the fleet charge for many days. After each day, pack, archive, and drop what is two days old."""
    month = Month()
    leases = [await _register(store, f"CP{number:05d}") for number in range(fleet.charge_points)]
    for day in range(fleet.days):
        begin_ms = BEGIN_MS + day * DAY_MS
        waiting = iter(leases)
        async with trio.open_nursery() as nursery:
            for _ in range(_AT_ONCE):
                nursery.start_soon(_charge_all, store, waiting, begin_ms, fleet, month)
        for partition in range(keys.PARTITIONS):
            while await pack_due(store, partition, FOREVER_MS, _PACKED_AT_ONCE) == _PACKED_AT_ONCE:
                pass
        await run_turn(store, directory)
        await drop_archived(store, directory, begin_ms + DAY_MS - HOT_DAYS * DAY_MS)
        await _expire_events(store)
        month.bytes_after.append(await _used_bytes(store))
        month.stored_after.append(await _count_stored(store))
        note(day, month)
    return month


async def find_lost(store: Store, directory: Path, month: Month) -> list[str]:
    """Return every transaction that is neither in the store nor whole in the archive, and each problem."""
    lost = list(verify.verify(directory, verify.Total()))
    counts = Counter[str]()
    for entry, _ in read_manifest(directory):
        for _, line in read_places(directory / entry.file):
            record = msgspec.json.decode(line)
            counts[record["id"]] += 1
            if len(record["meter_values"]) != month.made.get(record["id"]):
                lost.append(f"{record['id']} has {len(record['meter_values'])} messages in the archive")
    lost += [f"{id_} has {number} records in the archive" for id_, number in counts.items() if number != 1]
    reader = Reader(directory)
    for id_ in month.made:
        name, number = listing.parse_public_id(id_)
        found = reader.find(TENANT, name, number)
        if (found is None) != (id_ in month.opened):
            lost.append(
                f"{id_} is missing in the archive" if found is None else f"{id_} is open and archived"
            )
    stored = [id_ for id_ in month.opened if await get(store, TENANT, id_) is None]
    return lost + [f"{id_} is open, and not in the store" for id_ in stored]


async def _register(store: Store, name: str) -> Lease:
    lease = Lease(ChargePointKeys(TENANT, name), "node/1", 1)
    await charge_points.put(store, TENANT, name, charge_points.Settings())
    await store.execute("HSET", lease.keys.lease, "epoch", 1, "holder", lease.holder)
    return lease


async def _charge_all(
    store: Store, waiting: Iterator[Lease], begin_ms: int, fleet: Fleet, month: Month
) -> None:
    for lease in waiting:
        for number in range(fleet.transactions_a_day):
            await _charge(store, lease, begin_ms + (2 + 7 * number) * HOUR_MS, fleet.messages, month)


async def _charge(store: Store, lease: Lease, at_ms: int, messages: int, month: Month) -> None:
    # One transaction of each charge point never gets its stop.
    stays_open = at_ms - BEGIN_MS == 2 * HOUR_MS
    began = a_start(timestamp=text_of(at_ms), started_ms=at_ms, received_ms=at_ms, meter_start=0)
    outcome = await start(store, lease, began, ANSWER)
    assert isinstance(outcome, Started)
    id_ = listing.public_id(lease.keys.id, outcome.id)
    month.made[id_] = messages
    random = _dice(id_)
    for minute in range(1, messages + 1):
        await meter_values.append(
            store,
            lease,
            connector_id=1,
            transaction_id=str(outcome.id),
            payload=message(random, at_ms + minute * 60_000, minute * 180),
            received_ms=at_ms + minute * 60_000,
        )
    if stays_open:
        month.opened.add(id_)
        return
    end_ms = at_ms + (messages + 1) * 60_000
    ended = a_stop(
        outcome.id,
        timestamp=text_of(end_ms),
        stopped_ms=end_ms,
        received_ms=end_ms,
        meter_stop=messages * 180,
    )
    await stop(store, lease, ended, ANSWER)


def _dice(text: str) -> Random:
    return Random(crc32(text.encode()))


async def _expire_events(store: Store) -> None:
    """Remove the events of the day, which the store would remove after 6 hours."""
    await store.pipeline([("UNLINK", keys.events(partition, TENANT)) for partition in range(keys.PARTITIONS)])


async def _used_bytes(store: Store) -> int:
    """Return the memory of the data, after everything that was unlinked is freed."""
    while True:
        found = await ask_info(store, "memory")
        if found["lazyfree_pending_objects"] == "0":
            return int(found["used_memory_dataset"])
        await trio.sleep(0.01)


async def _count_stored(store: Store) -> int:
    indexes = [("ZCARD", keys.transactions(partition, TENANT)) for partition in range(keys.PARTITIONS)]
    return sum(await store.pipeline(indexes))


@leg(
    "thirty-days",
    criterion="30 days of 1,000 charge points (generated, with past receipt times): memory flat after the "
    "hot days, archive complete, every transaction found again.",
    minutes=12,
)
async def thirty_days(bench: Bench) -> None:
    """Archive a month of charging day by day, and find every transaction again.

    Two days stay in the store. The memory after the last five days may be at most 5 % above that after the
    first five full days.
    """
    fleet = Fleet(charge_points=bench.scaled(1000, least=20), days=30)
    directory = bench.directory / "archive"

    def note(day: int, month: Month) -> None:
        bench.say(f"day {day + 1}: {month.bytes_after[-1] >> 20} MiB, {month.stored_after[-1]} transactions")

    async with open_store(StoreConfig(url=bench.central.valkey.url)) as store:
        month = await live(store, directory, fleet, note)
        lost = await find_lost(store, directory, month)
    growth = fmean(month.bytes_after[-5:]) / fmean(month.bytes_after[HOT_DAYS + 1 : HOT_DAYS + 6])
    bench.figure("transactions", len(month.made))
    bench.figure("MiB after the last day", month.bytes_after[-1] / (1 << 20))
    bench.figure("memory at the end / after the hot days", growth)
    bench.figure("transactions in the store at the end", month.stored_after[-1])
    bench.figure("bytes of the archive", sum(path.stat().st_size for path in directory.rglob("*.gz")))
    bench.figure("lost or doubled", len(lost))
    bench.require(growth <= 1.05, "the memory is flat after the hot days")
    bench.require(not lost, f"every transaction is found again, once: {lost[:3]}")
