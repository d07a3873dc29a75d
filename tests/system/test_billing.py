"""Programs that bill read each completed transaction exactly once, whatever clocks say."""

import csv
from io import StringIO
from typing import Any

import httpx
import pytest
import trio

from tests.support.charge_point_peer import Peer, charge_point, now
from tests.system.central import Central, Process, Tenant

BEHIND_S = 5
CHARGE_POINTS, TRANSACTIONS = 20, 12
COMPLETED = "/transactions/completed"
type Pair = tuple[str, int]


async def stop_again_and_again(
    tenant: Tenant, gateway: Process, name: str, api: httpx.AsyncClient
) -> set[Pair]:
    """Charge some times. Every fourth time an operator ends the transaction before its stop comes."""
    expected: set[Pair] = set()
    async with charge_point(tenant.url(gateway, name)) as peer:
        for number in range(TRANSACTIONS):
            started = await peer.start(meter=100 * number, timestamp=now())
            id_ = started["transactionId"]
            public_id = f"{name}.{id_}"
            if number % 4 == 3:
                ended = await api.post(f"/transactions/{public_id}/end", json={"force": True})
                assert ended.status_code == 200, ended.text
                expected.add((public_id, 2))
            await peer.stop(id_, meter=100 * number + 50)
            expected.add((public_id, 1))
    return expected


async def test_a_program_that_polls_gets_each_revision_although_the_clock_of_a_gateway_is_behind(
    central: Central,
) -> None:
    tenant = central.tenant()
    expected: set[Pair] = set()
    found: list[Pair] = []
    over = False

    async def charge(gateway: Process, name: str) -> None:
        async with tenant.api() as api:
            expected.update(await stop_again_and_again(tenant, gateway, name, api))

    async def poll() -> None:
        query: dict[str, Any] = {}
        async with tenant.api() as api:
            while True:
                last = over
                response = await api.get(COMPLETED, params=query)
                assert response.status_code == 200, response.text
                page = response.json()
                found.extend((one["id"], one["revision"]) for one in page["items"])
                query = {"after": page["after"]}
                if last and not page["more"]:
                    return
                if not page["more"]:
                    await trio.sleep(0.1)

    late = central.start_gateway(module=("tests.support.late_gateway", str(BEHIND_S)))
    try:
        await trio.to_thread.run_sync(late.wait_ready)
        with trio.fail_after(300):
            async with central.gateway() as right, trio.open_nursery() as polling:
                polling.start_soon(poll)
                async with trio.open_nursery() as charging:
                    for number in range(CHARGE_POINTS):
                        charging.start_soon(charge, (right, late)[number % 2], f"cp{number}")
                over = True
    finally:
        with trio.CancelScope(shield=True):
            await trio.to_thread.run_sync(late.stop)
    assert len(expected) == CHARGE_POINTS * (TRANSACTIONS + TRANSACTIONS // 4)
    assert len(found) == len(set(found))
    assert set(found) == expected


async def charge_a_day(peer: Peer, transactions: int) -> set[int]:
    """Deliver transactions, some of them with the clock of a charge point that never set it."""
    found = set()
    for number in range(transactions):
        at = f"1970-01-01T{number // 60:02}:{number % 60:02}:00Z" if number % 7 == 0 else now()
        id_ = (await peer.start(meter=number, timestamp=at))["transactionId"]
        await peer.stop(id_, meter=number + 1, timestamp=at)
        found.add(id_)
    return found


@pytest.mark.parametrize("late", [4, pytest.param(100, marks=pytest.mark.slow)])
async def test_two_files_of_a_day_have_each_transaction_once_although_a_tenth_is_delivered_late(
    central: Central, gateways: tuple[Process, Process], late: int
) -> None:
    """Ten charge points have `late` transactions each that come between the two files."""
    tenant = central.tenant()
    expected: set[str] = set()

    async def charge(name: str, transactions: int) -> None:
        async with charge_point(tenant.url(gateways[0], name)) as peer:
            expected.update(f"{name}.{id_}" for id_ in await charge_a_day(peer, transactions))

    async def export(**query: str) -> tuple[list[str], str]:
        async with tenant.api() as api:
            response = await api.get(COMPLETED, params={"format": "csv", **query})
        rows = list(csv.DictReader(StringIO(response.text, newline="")))
        return [row["id"] for row in rows], response.headers["Csms-After"]

    with trio.fail_after(300):
        async with trio.open_nursery() as nursery:
            for number in range(10):
                nursery.start_soon(charge, f"cp{number}", 9 * late)
        first, after = await export()
        async with trio.open_nursery() as nursery:
            for number in range(10):
                nursery.start_soon(charge, f"cp{number}", late)
        second, _ = await export(after=after)
    assert (len(first), len(second)) == (90 * late, 10 * late)
    assert {*first, *second} == expected
