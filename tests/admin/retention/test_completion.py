"""One admin process enters what older releases completed, and removes what is too old."""

from structlog.testing import capture_logs

from admin.retention.completion import Completion
from state import keys
from state.store import Store
from state.tenants import tenants
from state.transactions import completed
from tests.support.transactions import claimed, start_one, stop_one


async def test_a_process_enters_old_transactions_once_and_removes_old_entries_in_its_first_turn(
    store: Store,
) -> None:
    await tenants.put(store, "demo", name="", auto_register=True)
    lease = await claimed(store)
    id_ = (await start_one(store, lease)).id
    await stop_one(store, lease, id_)
    await store.execute("DEL", lease.keys.completed)
    await store.execute("HDEL", lease.keys.transaction(id_), "revision", "entries")
    fields = ("of", "CP.1/5", "revision", 1, "changed", "stop", "stopped_ms", 1)
    await store.execute("XADD", lease.keys.completed, "7-0", *fields)
    keeping = Completion(store, "a")
    with capture_logs() as logs:
        await keeping.turn()
        await keeping.turn()
    assert [log["event"] for log in logs] == ["completion.search_over"]
    [entry] = (await completed.read(store, "demo", limit=10)).entries
    assert (entry.id, entry.changed) == (id_, "found")


async def test_only_the_process_with_the_duty_works(store: Store) -> None:
    await Completion(store, "a").turn()
    await store.execute("DEL", keys.ENTERED)
    await Completion(store, "b").turn()
    assert await store.execute("EXISTS", keys.ENTERED) == 0
