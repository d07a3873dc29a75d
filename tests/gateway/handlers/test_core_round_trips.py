"""How many round trips to the store the answer to a call waits for."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
import trio

from gateway.handlers import core as handlers
from gateway.handlers.charge_point import ChargePoint, SessionMemory
from gateway.ocpp16.messages import core
from state import commands, holds
from state.features import reservations
from state.store import Store
from state.tenants import id_tags
from state.tenants.id_tags import IdTag
from state.transactions import remote_starts
from tests.support.commands import KEYS, open_inbox, seat, submitted


class RoundTrips:
    """Counts the round trips that follow each other. Requests that are sent together count once."""

    def __init__(self, store: Store) -> None:
        self.made = 0
        for name in ("step", "step_prepared", "execute", "pipeline", "steps"):
            setattr(store, name, partial(self._ask, getattr(store, name)))

    def _ask(self, ask: Callable[..., Awaitable[Any]], *args: Any, **options: Any) -> Awaitable[Any]:
        return self._count(ask(*args, **options), self.made)

    async def _count(self, reply: Awaitable[Any], before: int) -> Any:
        found = await reply
        self.made = max(self.made, before + 1)
        return found


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def a_start(tag: str, **changes: Any) -> core.StartTransaction:
    facts: dict[str, Any] = {"connector_id": 1, "id_tag": tag, "meter_start": 1, "timestamp": now()}
    return core.StartTransaction(**(facts | changes))


@pytest.fixture
async def charge_point(store: Store) -> ChargePoint:
    for tag, limit in (("FREE", None), ("ONE", 1), ("TWO", 2)):
        await id_tags.put(store, KEYS.tenant, IdTag(tag=tag, max_active_transactions=limit))
    await open_inbox(store)
    return ChargePoint(store, await seat(store), SessionMemory(300, "Accepted"))


async def do_later_work(charge_point: ChargePoint) -> None:
    later, charge_point.later = charge_point.later, ()
    for work in later:
        await work()


async def accept_remote_start(charge_point: ChargePoint) -> str:
    store, lease = charge_point.store, charge_point.lease
    command = await submitted(store, action="RemoteStartTransaction", payload=b'{"idTag":"ONE"}')
    assert isinstance(await commands.claim(store, lease, command.id, "nonce"), commands.Go)
    await remote_starts.expect(store, KEYS, command.id, id_tag="ONE", connector_id=None)
    await commands.settle(store, KEYS, command.id, status="answered", response=b'{"status":"Accepted"}')
    return command.id


async def prepare(what: str, charge_point: ChargePoint) -> None:
    """Bring about what the start meets."""
    match what:
        case "superseded hold":
            await handlers.start_transaction(a_start("TWO", meter_start=0), charge_point)
        case "own superseded hold":
            await handlers.start_transaction(a_start("ONE", meter_start=0), charge_point)
        case "remote start":
            await accept_remote_start(charge_point)
        case "reservation":
            asked = reservations.Asked(
                connector_id=1, id_tag="ONE", parent_id_tag=None, expiry_date="2100-01-01T00:00:00Z"
            )
            await reservations.record_made(
                charge_point.store, KEYS, "00.reserve", 7, asked, expires_ms=4_102_444_800_000
            )


@pytest.mark.parametrize("tag", ["FREE", "ONE", "nobody's"])
@pytest.mark.parametrize(
    "what", ["nothing", "superseded hold", "own superseded hold", "remote start", "reservation", "a repeat"]
)
async def test_the_answer_to_a_start_waits_for_at_most_three_round_trips_to_the_store(
    store: Store, charge_point: ChargePoint, tag: str, what: str
) -> None:
    await prepare(what, charge_point)
    await do_later_work(charge_point)
    request = a_start(tag)
    if what == "a repeat":
        await handlers.start_transaction(request, charge_point)
    trips = RoundTrips(store)
    await handlers.start_transaction(request, charge_point)
    assert trips.made == (3 if tag == "ONE" and what != "a repeat" else 2)


async def test_a_start_answers_the_remote_start_that_asked_for_it_after_its_own_answer(
    store: Store, charge_point: ChargePoint
) -> None:
    command_id = await accept_remote_start(charge_point)
    await handlers.start_transaction(a_start("ONE"), charge_point)
    assert len(charge_point.later) == 1
    await do_later_work(charge_point)
    command = await commands.get(store, KEYS.tenant, command_id)
    assert command is not None
    assert command.transaction is not None


async def test_a_start_without_a_remote_start_and_a_superseded_transaction_leaves_no_work(
    charge_point: ChargePoint,
) -> None:
    await handlers.start_transaction(a_start("ONE"), charge_point)
    assert charge_point.later == ()


async def test_a_start_is_answered_while_the_answer_to_its_remote_start_is_not_stored_yet(
    store: Store, charge_point: ChargePoint
) -> None:
    """The start then belongs to the remote start although no remote start was known when it was stored."""
    stored = charge_point.memory.outcome_stored = trio.Event()
    with trio.fail_after(60):
        await handlers.start_transaction(a_start("ONE"), charge_point)
    command_id = await accept_remote_start(charge_point)
    stored.set()
    await do_later_work(charge_point)
    command = await commands.get(store, KEYS.tenant, command_id)
    assert command is not None
    assert command.transaction is not None


@pytest.mark.parametrize("tag", ["ONE", None])
async def test_the_answer_to_a_stop_waits_for_its_id_tag_and_until_the_stop_is_stored_and_the_driver_is_free(
    store: Store, charge_point: ChargePoint, tag: str | None
) -> None:
    started = await handlers.start_transaction(a_start("ONE"), charge_point)
    request = core.StopTransaction(
        transaction_id=started.transaction_id, meter_stop=9, timestamp=now(), id_tag=tag
    )
    trips = RoundTrips(store)
    await handlers.stop_transaction(request, charge_point)
    assert trips.made == (2 if tag is None else 3)
    assert charge_point.later == ()
    again = await handlers.start_transaction(a_start("ONE", meter_start=2), charge_point)
    assert again.id_tag_info.status == "Accepted"


async def test_a_driver_whose_transaction_is_superseded_by_another_driver_is_free_with_the_answer(
    store: Store, charge_point: ChargePoint
) -> None:
    await handlers.start_transaction(a_start("ONE"), charge_point)
    await handlers.start_transaction(a_start("TWO", meter_start=2), charge_point)
    assert await holds.hold(store, KEYS, "ONE", "elsewhere", 1, void="")


async def test_the_other_calls_of_a_charge_point_wait_for_one_round_trip(
    store: Store, charge_point: ChargePoint
) -> None:
    status = core.StatusNotification(
        connector_id=1, error_code="NoError", status="Available", timestamp=now()
    )
    boot = core.BootNotification(charge_point_vendor="vendor", charge_point_model="model")
    trips = RoundTrips(store)
    await handlers.status_notification(status, charge_point)
    await handlers.authorize(core.Authorize(id_tag="ONE"), charge_point)
    await handlers.boot_notification(boot, charge_point)
    assert trips.made == 3
