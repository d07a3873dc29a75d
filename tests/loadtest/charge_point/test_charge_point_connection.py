"""How a charge point of the load test connects, loses its connection and leaves.

Trio's clock jumps when nothing else is to do.
"""

import socket
from pathlib import Path

import pytest
import trio

from loadtest.history import Acknowledged, Start, read_journal
from loadtest.scenario.model import Charging, Cut, Group, HowCut, Retries, Stage
from tests.loadtest.charge_point.groups import BUSY, ON_CALL, QUIET
from tests.support.charge_point_world import jumping, scenario, town
from tests.support.small_central import small_central, until


@jumping
async def test_a_refused_charge_point_waits_as_retry_after_says_and_then_as_its_backoff_says() -> None:
    async with small_central() as central:
        central.refusals = [(503, [(b"Retry-After", b"11")]), (401, [])]
        async with town(central.url, scenario(QUIET)) as lives:
            await central.has("StatusNotification", 2)
            times = [at for at, _, _ in central.handshakes]
            assert [round(times[1] - times[0]), round(times[2] - times[1])] == [11, 3]
            assert lives.notes.counts["refused"] == 2
            assert lives.notes.errors == {"refused 503": 1, "refused 401": 1}
            assert lives.notes.phases[-2:] == ["boot", "service"]


@jumping
async def test_a_charge_point_whose_central_system_is_away_tries_until_it_is_back() -> None:
    free = socket.create_server(("127.0.0.1", 0))
    port = free.getsockname()[1]
    free.close()
    async with town(f"ws://127.0.0.1:{port}/{{id}}", scenario(QUIET)) as lives:
        await until(lambda: lives.notes.counts["unreachable"] >= 3)
        assert lives.notes.connected == 0
        assert set(lives.notes.errors) == {"no connection: Connection refused"}


@jumping
async def test_a_connection_for_which_this_machine_has_no_address_counts_as_exhausted() -> None:
    async with (
        small_central() as central,
        town(central.url, scenario(QUIET), source_address="192.0.2.1") as lives,
    ):
        await until(lambda: lives.notes.counts["exhausted"] >= 2)
        assert lives.notes.counts["unreachable"] == 0
        assert central.handshakes == []


@pytest.mark.parametrize("how", ["reset", "close", "freeze"])
@jumping
async def test_a_charge_point_whose_connection_is_cut_comes_back(how: HowCut) -> None:
    async with small_central() as central, town(central.url, scenario(QUIET)) as lives:
        await central.has("StatusNotification", 2)
        await until(lambda: not lives.one._calls.busy)
        cut_at = trio.current_time()
        assert lives.one.cut(how)
        assert not lives.one.cut(how)
        await until(lambda: not lives.one.connected)
        assert lives.notes.booted == 0
        assert how != "freeze" or central.ends == []
        await until(lambda: lives.one.online)
        await until(lambda: len(central.ends) == 1)
        assert round(central.handshakes[1][0] - cut_at) == 3
        assert lives.notes.counts["reconnects"] == 1
        assert lives.notes.phases[-1] == "back"
        assert lives.notes.errors == {}
        assert central.actions.count("StatusNotification") == 2  # Nothing has changed since.


@jumping
async def test_a_group_that_is_cut_again_and_again_loses_nothing(tmp_path: Path) -> None:
    group = Group(
        name="cut",
        heartbeat_s=20.0,
        cut=Cut(every_s=15.0, away_s=2.0),
        charging=Charging(charge_s=(20.0, 20.0), pause_s=(1.0, 1.0), values_s=5.0),
        retries=Retries(interval_s=1.0),
    )
    async with (
        small_central() as central,
        town(central.url, scenario(group), tmp_path / "journal") as lives,
    ):
        await until(lambda: len(central.connections) >= 10)
        await until(lambda: lives.one.online)
        lives.one.leave()
        await until(lambda: lives.one.gone)
        assert lives.one.waiting == 0
        assert lives.notes.counts["reconnects"] >= 9
        assert lives.notes.errors == {}
    lines = read_journal(tmp_path / "journal")
    acknowledged = {(line.content, line.id) for line in lines if isinstance(line, Acknowledged)}
    sent = {line.content for line in lines if not isinstance(line, Acknowledged)}
    assert {content for content, _ in acknowledged} == sent
    assert sum(isinstance(content, Start) for content in sent) >= 5


@jumping
async def test_two_hundred_messages_of_a_minute_away_are_delivered_in_their_order() -> None:
    group = Group(
        name="away",
        heartbeat_s=10.0,
        charging=Charging(charge_s=(120.0, 120.0), pause_s=(1.0, 1.0), values_s=0.3),
    )
    async with small_central() as central, town(central.url, scenario(group)) as lives:
        await central.has("MeterValues", 3)
        lives.one.cut("reset", away_s=60.0)
        await until(lambda: not lives.one.connected)
        assert lives.notes.deliveries == []
        await until(lambda: lives.one.online)
        await until(lambda: lives.one.waiting == 0)
        assert len(lives.notes.deliveries) >= 199
        values = [each["meterValue"][0]["sampledValue"] for each in central.of("MeterValues")]
        energies = [int(samples[0]["value"]) for samples in values]
        assert energies == sorted(energies)
        assert len(set(energies)) > 100
        assert max(answered - written for _, written, answered in lives.notes.deliveries) > 55
        assert lives.notes.counts["offline"] >= 5
        assert max(answered - intended for _, intended, _, answered in lives.notes.answers) < 2


@jumping
async def test_a_transaction_that_begins_offline_is_delivered_afterwards(tmp_path: Path) -> None:
    async with small_central() as central:
        central.refusals = [(503, [])] * 4_000
        async with town(central.url, scenario(BUSY), tmp_path / "journal") as lives:
            await until(lambda: lives.one.waiting >= 5)
            central.refusals.clear()
            await central.has("StopTransaction")
            assert "Authorize" not in central.actions
            order = [
                each for each in central.actions if each not in {"BootNotification", "StatusNotification"}
            ]
            assert order == ["StartTransaction", *["MeterValues"] * 3, "StopTransaction"]


@jumping
async def test_a_charge_point_that_leaves_stops_delivers_and_closes() -> None:
    stages = (
        Stage(name="up", kind="step", seconds=100.0, connected=1.0),
        Stage(name="down", kind="step", seconds=100.0, connected=0.0),
    )
    async with small_central() as central, town(central.url, scenario(ON_CALL, stages=stages)) as lives:
        await central.has("StatusNotification", 2)
        await central.call("RemoteStartTransaction", {"idTag": "TAG"})
        await until(lambda: lives.one.gone)
        assert central.of("StopTransaction")[0]["reason"] == "Local"
        assert [(end.code, end.reason) for end in central.ends] == [(1000, "load test over")]
        assert (lives.notes.connected, lives.notes.booted, lives.one.waiting) == (0, 0, 0)


@jumping
async def test_a_charge_point_leaves_in_time_although_the_central_system_is_silent() -> None:
    async with small_central() as central, town(central.url, scenario(ON_CALL)) as lives:
        await central.has("StatusNotification", 2)
        central.answers = dict.fromkeys(
            ("Authorize", "StartTransaction", "StopTransaction", "MeterValues", "StatusNotification"),
            lambda _: None,
        )
        await central.call("RemoteStartTransaction", {"idTag": "TAG"})
        await central.has("Authorize")
        began = trio.current_time()
        lives.one.leave()
        await until(lambda: lives.one.gone)
        assert trio.current_time() - began < 40


@jumping
async def test_a_password_goes_with_each_handshake() -> None:
    headers = (("Authorization", "Basic YTpi"),)
    async with small_central() as central, town(central.url, scenario(QUIET), headers=headers):
        await central.has("StatusNotification", 2)
        assert (b"authorization", b"Basic YTpi") in [
            (name.lower(), value) for name, value in central.handshakes[0][2]
        ]
