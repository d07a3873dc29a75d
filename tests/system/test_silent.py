"""If a charge point never answers a call, only commands to this charge point are delayed."""

from collections import Counter
from functools import partial
from typing import Any

import httpx
import trio

from state import keys
from state.keys import ChargePointKeys
from state.store import Store, StoreConfig, open_store
from tests.support.charge_point_peer import Peer, charge_point
from tests.support.waiting import until
from tests.system.central import Central, Tenant

HEALTHY, SILENT = 50, 5
QUEUE = 32
LONG_S, SHORT_S = 300, 4


async def test_full_queues_of_silent_charge_points_delay_no_other_charge_point(central: Central) -> None:
    tenant, crowd = central.tenant(), Crowd()
    with trio.fail_after(120):
        async with (
            open_store(StoreConfig(url=central.valkey.url)) as store,
            central.gateway() as gateway,
            tenant.api() as api,
            trio.open_nursery() as nursery,
        ):
            names = [f"healthy-{number}" for number in range(HEALTHY)]
            names += [f"{kind}-{number}" for kind in ("silent", "overdue") for number in range(SILENT)]
            for name in names:
                nursery.start_soon(crowd.live, tenant.url(gateway, name), name)
            await until(lambda: len(crowd.peers) == len(names))
            await _fill(api, "silent", LONG_S)
            # Healthy charge points are served while the other queues are full.
            answered: list[httpx.Response] = []
            async with trio.open_nursery() as asking:
                for number in range(HEALTHY):
                    asking.start_soon(_command, api, f"healthy-{number}", "", answered)
                for number in range(SILENT):
                    asking.start_soon(partial(_refused, api, f"silent-{number}"))
            assert Counter(one.status_code for one in answered) == {200: HEALTHY}
            assert {len(crowd.peers[f"healthy-{number}"].asked) for number in range(HEALTHY)} == {1}
            for number in range(SILENT):
                # One call is on the wire, and the others wait in the queue.
                assert len(crowd.peers[f"silent-{number}"].asked) == 1
                assert await _pending(store, tenant, f"silent-{number}") == QUEUE
            # csms still serves the calls of a charge point that does not answer commands.
            assert "currentTime" in await crowd.peers["silent-0"].call("Heartbeat", {})

            ends = await _ends(api, await _fill(api, "overdue", SHORT_S))
            # The next command is sent if its deadline has not passed.
            assert ends.keys() <= {"timeout", "expired"}
            assert ends["timeout"] >= SILENT
            assert ends.total() == QUEUE * SILENT
            for number in range(SILENT):
                assert await _pending(store, tenant, f"overdue-{number}") == 0
                assert len(crowd.peers[f"overdue-{number}"].asked) <= QUEUE
            await _nothing_left(store, tenant)
            # The next command is sent and may be answered.
            crowd.peers["overdue-0"]._serve = lambda _action, _payload: {"status": "Accepted"}
            again: list[httpx.Response] = []
            await _command(api, "overdue-0", "", again)
            assert again[0].status_code == 200, again[0].text
            nursery.cancel_scope.cancel()


class Crowd:
    def __init__(self) -> None:
        self.peers: dict[str, Peer] = {}

    async def live(self, url: str, id_: str) -> None:
        silent: Any = lambda _action, _payload: None  # noqa: E731  it is what such a one does
        async with charge_point(url, None if id_.startswith("healthy") else silent) as peer:
            await peer.call("BootNotification", {"chargePointVendor": "v", "chargePointModel": "m"})
            self.peers[id_] = peer
            await trio.sleep_forever()


async def _fill(api: httpx.AsyncClient, kind: str, timeout_s: int) -> list[str]:
    """Send as many commands as each queue can hold, and leave the commands waiting."""
    query = f"wait=0&timeout={timeout_s}"
    taken: list[httpx.Response] = []
    for _ in range(QUEUE):
        async with trio.open_nursery() as nursery:
            for number in range(SILENT):
                nursery.start_soon(_command, api, f"{kind}-{number}", query, taken)
    assert Counter(one.status_code for one in taken) == {202: QUEUE * SILENT}
    return [one.json()["id"] for one in taken]


async def _command(api: httpx.AsyncClient, id_: str, query: str, answers: list[httpx.Response]) -> None:
    answers.append(await api.post(f"/charge-points/{id_}/commands/ClearCache?{query}", json={}))


async def _refused(api: httpx.AsyncClient, id_: str) -> None:
    for _ in range(10):
        answers: list[httpx.Response] = []
        await _command(api, id_, "", answers)
        assert answers[0].status_code == 429, answers[0].text
        assert answers[0].headers["retry-after"]


async def _pending(store: Store, tenant: Tenant, id_: str) -> int:
    return int(await store.execute("LLEN", ChargePointKeys(tenant.id, id_).pending))


async def _ends(api: httpx.AsyncClient, ids: list[str]) -> Counter[str]:
    ends: dict[str, str] = {}

    async def has_ended(id_: str) -> bool:
        ends[id_] = (await api.get(f"/commands/{id_}")).json()["status"]
        return ends[id_] not in {"queued", "sent"}

    for id_ in ids:
        await until(partial(has_ended, id_), every_s=0.2)
    return Counter(ends.values())


async def _nothing_left(store: Store, tenant: Tenant) -> None:
    """Check that no command is in the lists of commands that wait for an answer or a deadline."""
    for number in range(SILENT):
        own = ChargePointKeys(tenant.id, f"overdue-{number}")
        overdue = await store.execute("ZRANGE", keys.overdue(own.partition), 0, -1)
        assert not [entry for entry in overdue if entry.decode().endswith(f" {own.member}")]
