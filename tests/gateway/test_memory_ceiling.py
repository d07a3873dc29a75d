import pytest
import trio
from structlog.testing import capture_logs

from gateway.memory_ceiling import MemoryCeiling, find_limit
from gateway.service import machine
from state.store import Store
from tests.support.charge_point_peer import charge_point
from tests.support.inner_gateway import inner_gateway
from tests.support.raw_upgrade import upgrade
from tests.support.waiting import until


async def test_connections_are_refused_from_85_percent_of_the_memory_until_less_than_80_are_used() -> None:
    used = 0
    ceiling = MemoryCeiling(1000, lambda: machine.Used(used, 0))
    found = {}
    with capture_logs() as logs:
        for used in (0, 849, 850, 900, 800, 799, 849):
            ceiling.look()
            found[used] = ceiling.refuses()
    assert found == {0: False, 849: False, 850: True, 900: True, 800: True, 799: False}
    assert [log["event"] for log in logs] == ["memory.ceiling_reached", "memory.ceiling_left"]


async def test_a_limit_of_the_address_space_counts_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "address_space_limit", lambda: 1000)
    ceiling = MemoryCeiling(0, lambda: machine.Used(10, 850))
    ceiling.look()
    assert ceiling.refuses()


async def test_without_a_limit_and_without_figures_nothing_is_refused() -> None:
    for ceiling in (MemoryCeiling(0, lambda: machine.Used(10**15, 10**15)), MemoryCeiling(1, lambda: None)):
        ceiling.look()
        assert not ceiling.refuses()


def test_the_limit_of_the_container_counts_unless_another_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "container_memory", lambda: 500)
    assert (find_limit(None), find_limit(0), find_limit(300)) == (500, 0, 300)


async def test_a_gateway_without_memory_refuses_a_new_charge_point_with_503_and_keeps_its_sessions(
    store: Store, redis_url: str
) -> None:
    with trio.fail_after(60):
        async with (
            inner_gateway(store, redis_url) as gateway,
            charge_point(f"{gateway.url}/CP-1") as peer,
        ):
            used = 850
            gateway.node.memory = MemoryCeiling(1000, lambda: machine.Used(used, 0))
            answer = await trio.to_thread.run_sync(upgrade, f"{gateway.url}/CP-2")
            assert (answer.status, answer.headers["retry-after"]) == (503, "10")
            assert "no memory left" in answer.body
            assert gateway.node.telemetry.refusals == {"memory_full": 1}
            assert "currentTime" in await peer.call("Heartbeat", {})
            used = 700
            await until(lambda: not gateway.node.memory.refuses())
            assert (await trio.to_thread.run_sync(upgrade, f"{gateway.url}/CP-2")).status == 101
