"""A fact that arrives after its transaction was archived makes the transaction due again."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from admin.archive.archive import Reader
from admin.archive.archiver import Turn, run_turn
from admin.archive.dropping import Dropped, drop_archived
from admin.archive.records import Record
from state.keys import PARTITIONS
from state.nodes.leases import Lease
from state.store import Store
from state.transactions import Orphaned, ending, get, meter_values, start, stop
from state.transactions.ending import End
from state.transactions.packing import pack_due
from tests.support.archives import entries
from tests.support.transactions import ANSWER, a_start, a_stop, claimed

FOREVER_MS = 1 << 45
END = End(ended_ms=2, time_source="given", meter=1, meter_source="given", received_ms=2, api_key="key")


async def send(store: Store, lease: Lease, number: int, *payloads: bytes) -> list[str]:
    return [
        (
            await meter_values.append(
                store,
                lease,
                connector_id=1,
                transaction_id=str(number),
                payload=payload,
                received_ms=store.server_time_ms(),
            )
        ).outcome
        for payload in payloads
    ]


async def finish(store: Store, lease: Lease) -> int:
    number = (await start(store, lease, a_start(), ANSWER)).id
    await send(store, lease, number, b"[1]", b"[2]")
    await stop(store, lease, a_stop(number), ANSWER)
    return number


async def archive(store: Store, directory: Path) -> Turn:
    """Pack and archive what is due."""
    for partition in range(PARTITIONS):
        await pack_due(store, partition, FOREVER_MS, 10)
    return await run_turn(store, directory)


def read(directory: Path, number: int) -> Record:
    found = Reader(directory).find("demo", "CP.1", number)
    assert found is not None
    return Reader(directory).read(found)


async def late_value(store: Store, lease: Lease, number: int) -> None:
    assert await send(store, lease, number, b"[3]") == ["kept"]


async def other_stop(store: Store, lease: Lease, number: int) -> None:
    outcome = await stop(store, lease, a_stop(number, meter_stop=999, timestamp="x"), ANSWER)
    assert isinstance(outcome, Orphaned)
    assert outcome.contradicts


async def stop_with_data(store: Store, lease: Lease, number: int) -> None:
    await stop(store, lease, a_stop(number, data=b"[9]"), ANSWER)


@pytest.mark.parametrize(
    ("late", "payloads", "contradicting"),
    [
        (late_value, {b"[1]", b"[2]", b"[3]"}, 0),
        (other_stop, {b"[1]", b"[2]"}, 1),
        (stop_with_data, {b"[1]", b"[2]", b"[9]"}, 0),
    ],
)
async def test_a_late_fact_gives_the_transaction_a_newer_record_before_it_leaves_the_store(
    store: Store,
    tmp_path: Path,
    late: Callable[[Store, Lease, int], Awaitable[None]],
    payloads: set[bytes],
    contradicting: int,
) -> None:
    lease = await claimed(store)
    number = await finish(store, lease)
    assert await archive(store, tmp_path) == Turn(files=1, written=1, marked=1, changed=0)
    await late(store, lease, number)
    assert await drop_archived(store, tmp_path, FOREVER_MS) == Dropped(0)
    assert await archive(store, tmp_path) == Turn(files=1, written=1, marked=1, changed=0)
    assert await drop_archived(store, tmp_path, FOREVER_MS) == Dropped(1)
    record = read(tmp_path, number)
    assert {one.payload for one in record.values} == payloads
    assert record.transaction.contradicting_stops == contradicting
    assert len(entries(tmp_path)) == 2


async def test_the_stop_of_a_transaction_that_an_operator_ended_and_that_is_archived_gives_a_newer_record(
    store: Store, tmp_path: Path
) -> None:
    lease = await claimed(store)
    number = (await start(store, lease, a_start(), ANSWER)).id
    opened = await get(store, "demo", f"CP.1.{number}")
    assert opened is not None
    await ending.end(store, "demo", opened, END, force=True)
    await archive(store, tmp_path)
    assert read(tmp_path, number).transaction.state == "ended"
    await stop(store, lease, a_stop(number), ANSWER)
    await archive(store, tmp_path)
    assert read(tmp_path, number).transaction.state == "stopped"


async def test_a_history_that_is_sent_again_after_it_was_archived_changes_nothing(
    store: Store, tmp_path: Path
) -> None:
    lease = await claimed(store)
    number = await finish(store, lease)
    await archive(store, tmp_path)
    assert await send(store, lease, number, b"[1]", b"[2]") == ["repeated", "repeated"]
    await stop(store, lease, a_stop(number), ANSWER)
    assert await archive(store, tmp_path) == Turn(0, 0, 0, 0)
    assert await drop_archived(store, tmp_path, FOREVER_MS) == Dropped(1)


async def test_facts_that_arrive_after_the_transaction_left_the_store_belong_to_an_unknown_transaction(
    store: Store, tmp_path: Path
) -> None:
    lease = await claimed(store)
    number = await finish(store, lease)
    await archive(store, tmp_path)
    await drop_archived(store, tmp_path, FOREVER_MS)
    assert await send(store, lease, number, b"[3]") == ["stray"]
    assert isinstance(await stop(store, lease, a_stop(number), ANSWER), Orphaned)
    assert await archive(store, tmp_path) == Turn(0, 0, 0, 0)
