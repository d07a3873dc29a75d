"""A short form of the leg `thirty-days` of the chaos bench: the store stays flat, and nothing is lost."""

from pathlib import Path

from state.keys import ChargePointKeys
from state.store import Store
from tests.chaos.thirty_days import HOT_DAYS, TENANT, Fleet, find_lost, live


async def test_six_days_of_charging_leave_two_days_in_the_store_and_all_of_them_in_the_archive(
    store: Store, tmp_path: Path
) -> None:
    fleet = Fleet(charge_points=5, days=6, messages=2)
    month = await live(store, tmp_path, fleet)
    a_day = fleet.charge_points * fleet.transactions_a_day
    hot = HOT_DAYS * a_day
    # One transaction of each charge point stays open for ever, from the first day on.
    assert month.stored_after == [a_day, hot, *[hot + fleet.charge_points] * 4]
    assert len(month.made) == 6 * a_day
    assert len(month.opened) == fleet.charge_points
    assert await find_lost(store, tmp_path, month) == []


async def test_a_lost_transaction_and_a_wrong_number_of_messages_are_found(
    store: Store, tmp_path: Path
) -> None:
    month = await live(store, tmp_path, Fleet(charge_points=1, days=3, messages=1))
    wrong, opened = next(id_ for id_ in month.made if id_ not in month.opened), *month.opened
    month.made[wrong] = 2
    month.made[f"{TENANT}.7"] = 1
    await store.execute("DEL", ChargePointKeys(TENANT, "CP00000").transaction(opened.rpartition(".")[2]))
    assert await find_lost(store, tmp_path, month) == [
        f"{wrong} has 1 messages in the archive",
        f"{TENANT}.7 is missing in the archive",
        f"{opened} is open, and not in the store",
    ]
