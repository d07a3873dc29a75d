"""The store is killed and paused under load. No acknowledged start or stop is lost, and no session ends."""

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio

from tests.support.csms_up import Running, csms_up
from tests.support.pace import Pace
from tests.support.waiting import until
from tests.system import process_tree
from tests.system.busy_fleet import Busy, busy_fleet

FLEET = 50
VALKEY = "valkey-server"
GATEWAY = " gateway "


@pytest.fixture(scope="module")
def up() -> Iterator[Running]:
    """Run two gateway workers, so that the tests notice if one wrongly judges the other to be dead."""
    directory = Path(tempfile.mkdtemp(prefix="csms-hurt-"))
    try:
        with csms_up(directory / "data", "--drain-seconds", "1", "--workers", "2") as found:
            yield found
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def processes(up: Running) -> dict[int, str]:
    return {pid: line for pid, line in process_tree.children(up.pid).items() if VALKEY not in line}


async def acknowledged(fleet: list[Busy]) -> int:
    return sum(len(busy.stops) for busy in fleet)


async def more_acknowledged(fleet: list[Busy], count: int) -> None:
    before = await acknowledged(fleet)

    async def enough() -> bool:
        return await acknowledged(fleet) >= before + count

    await until(enough)


async def all_there(up: Running, fleet: list[Busy]) -> None:
    """Check that each acknowledged StartTransaction and StopTransaction is stored once."""
    headers = {"Authorization": f"Bearer {up.api_key}"}
    base = f"{up.admin}/v1/tenants/{up.tenant}"
    async with httpx.AsyncClient(base_url=base, headers=headers, timeout=60, verify=False) as api:
        for busy in fleet:
            stored = [one async for one in listed(api, busy.id)]
            by_number = {one["ocpp_transaction_id"]: one for one in stored}
            assert len({one["meter_start"] for one in stored}) == len(stored), f"{busy.id}: stored twice"
            for number, meter in busy.starts.items():
                assert by_number[number]["meter_start"] == meter
            for number in busy.stops:
                assert by_number[number]["meter_stop"] == by_number[number]["meter_start"] + 5


async def listed(api: httpx.AsyncClient, charge_point: str) -> Any:
    cursor: str | None = None
    while True:
        query = {"charge_point": charge_point, "limit": "200"} | ({"cursor": cursor} if cursor else {})
        page = (await api.get("/transactions", params=query)).json()
        for item in page["items"]:
            yield item
        cursor = page["next"]
        if cursor is None:
            return


def nobody_was_thrown_out(up: Running, fleet: list[Busy], before: dict[int, str]) -> None:
    assert [busy.peer.closed for busy in fleet if busy.peer.ended.is_set()] == []
    assert processes(up) == before
    log = Path(up.data_dir).with_suffix(".log").read_text()
    assert "reaped" not in log
    assert "Traceback" not in log, log[log.index("Traceback") - 500 :][:3000]


async def test_no_acknowledged_message_is_lost_if_the_store_is_killed_under_load(
    up: Running, pace: Pace
) -> None:
    before = processes(up)
    assert len([line for line in before.values() if GATEWAY in line]) == 2
    with trio.fail_after(240):
        async with busy_fleet(up, "kill", FLEET) as fleet:
            for _ in range(3):
                await more_acknowledged(fleet, FLEET)
                killed = process_tree.child(up.pid, VALKEY)
                os.kill(killed, signal.SIGKILL)
                with pace.within(4):
                    await until(partial(another, up, killed))
                await more_acknowledged(fleet, FLEET)
            for busy in fleet:
                await busy.leave()
            nobody_was_thrown_out(up, fleet, before)
            await all_there(up, fleet)


async def another(up: Running, killed: int) -> bool:
    return any(VALKEY in line and pid != killed for pid, line in process_tree.children(up.pid).items())


@pytest.mark.parametrize("seconds", [12, pytest.param(30, marks=pytest.mark.slow)])
async def test_no_session_ends_because_the_store_is_paused(up: Running, seconds: int) -> None:
    """The pause is longer than the 10 s after which a silent node counts as dead, and than every time-out."""
    before = processes(up)
    valkey = process_tree.child(up.pid, VALKEY)
    with trio.fail_after(seconds + 120):
        async with busy_fleet(up, f"pause{seconds}", FLEET) as fleet:
            await more_acknowledged(fleet, FLEET)
            os.kill(valkey, signal.SIGSTOP)
            stopped = trio.current_time()
            try:
                while trio.current_time() < stopped + seconds:
                    await trio.sleep(1)
                    await fleet[0].peer.call("Heartbeat", {}, id_=f"beat{trio.current_time()}")
            finally:
                resumed = trio.current_time()
                os.kill(valkey, signal.SIGCONT)
            await more_acknowledged(fleet, 2 * FLEET)
            headers = {"Authorization": f"Bearer {up.api_key}"}
            base = f"{up.admin}/v1/tenants/{up.tenant}/charge-points"
            async with httpx.AsyncClient(base_url=base, headers=headers, timeout=60, verify=False) as api:
                for number in (0, 1):
                    path = f"/pause{seconds}-{number}"
                    await until(partial(answers_commands, api, path), every_s=0.5)
            for busy in fleet:
                await busy.leave()
            false = [
                (sent - stopped, answered - stopped)
                for busy in fleet
                for sent, answered, acknowledged in busy.answers
                if acknowledged and sent > stopped and answered < resumed
            ]
            assert false == []
            refused = [sent for busy in fleet for sent, _, taken in busy.answers if not taken]
            # During the pause, the charge points got errors and did not wait for the end of the pause.
            assert len(refused) >= FLEET
            nobody_was_thrown_out(up, fleet, before)
            await all_there(up, fleet)


async def answers_commands(api: httpx.AsyncClient, path: str) -> bool:
    answer = await api.post(f"{path}/commands/ClearCache?timeout=5", json={})
    assert answer.status_code in {200, 409, 503}, answer.text
    return answer.status_code == 200
