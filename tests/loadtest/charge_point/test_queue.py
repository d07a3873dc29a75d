"""The queue of messages about transactions: what a charge point repeats, and what it gives up."""

from pathlib import Path

import pytest
import trio
from msgspec.structs import replace

from loadtest.history import Acknowledged, Sent, read_journal
from loadtest.scenario.model import Charging, Fleet, Group, Reconnect, Retries
from tests.support.charge_point_world import jumping, scenario, town
from tests.support.small_central import TAG, USUAL, Error, small_central, until


def group(values_s: float = 1_000.0, charge_s: float = 500.0, **retries: float) -> Group:
    return Group(
        name="group",
        heartbeat_s=0.0,
        reconnect=Reconnect(model="fixed", first_s=1.0),
        charging=Charging(charge_s=(charge_s, charge_s), pause_s=(5.0, 5.0), values_s=values_s),
        retries=Retries(**retries),  # type: ignore[arg-type]
    )


@jumping
async def test_a_refused_start_is_sent_again_after_the_interval_times_its_failures(tmp_path: Path) -> None:
    answers = [Error("InternalError"), Error("GenericError"), USUAL]
    async with small_central() as central:
        central.answers["StartTransaction"] = lambda _: answers.pop(0)
        plan = scenario(group(attempts=3, interval_s=20.0))
        async with town(central.url, plan, tmp_path / "journal") as lives:
            await central.has("StopTransaction")
            starts = [call for call in central.calls if call.action == "StartTransaction"]
            assert [round(starts[1].at - starts[0].at), round(starts[2].at - starts[1].at)] == [20, 40]
            assert starts[0].payload == starts[1].payload == starts[2].payload
            assert len({start.id for start in starts}) == 3
            assert lives.notes.failures == [
                ("StartTransaction", "InternalError"),
                ("StartTransaction", "GenericError"),
            ]
            assert lives.notes.counts["given_up"] == 0
    first = [line for line in read_journal(tmp_path / "journal") if line.transaction == 1][:2]
    assert isinstance(first[0], Sent)
    assert isinstance(first[1], Acknowledged)
    assert first[1].transmissions == 3


@jumping
async def test_a_start_whose_attempts_are_used_up_is_given_up_with_its_transaction() -> None:
    answers = [Error("InternalError")] * 2 + [USUAL] * 9
    async with small_central() as central:
        central.answers["StartTransaction"] = lambda _: answers.pop(0)
        plan = scenario(group(values_s=100.0, attempts=2, interval_s=150.0))
        async with town(central.url, plan) as lives:
            await central.has("StopTransaction")
            assert lives.notes.counts["given_up"] == 1
            assert len(central.of("StartTransaction")) == 3
            assert {each["transactionId"] for each in central.of("MeterValues")} == {101}
            assert len(central.of("MeterValues")) == 4


@pytest.mark.parametrize("refused", ["StartTransaction", "StopTransaction"])
@jumping
async def test_a_connector_becomes_available_after_a_stop_that_is_given_up(refused: str) -> None:
    """A stop is given up after its own attempts, and with its start while it waits behind it."""
    async with small_central() as central:
        central.answers[refused] = lambda _: Error("InternalError")
        charging = Charging(charge_s=(100.0, 100.0), pause_s=(3_000.0, 3_000.0), values_s=1_000.0)
        plan = scenario(replace(group(attempts=2, interval_s=150.0), charging=charging))
        async with town(central.url, plan) as lives:
            await until(lambda: lives.notes.counts["given_up"] == 1)
            await trio.sleep(10.0)
            statuses = [one["status"] for one in central.of("StatusNotification")]
            assert statuses[:3] == ["Available", "Available", "Preparing"]
            assert statuses[-2:] == ["Finishing", "Available"]


@jumping
async def test_a_message_without_an_answer_is_sent_again_and_its_late_answer_is_not_taken() -> None:
    silent = [None, None, USUAL, USUAL]
    async with small_central() as central:
        central.answers["StopTransaction"] = lambda _: silent.pop(0)
        plan = scenario(group(attempts=3, interval_s=7.0), fleet=Fleet(charge_points=1, answer_s=10.0))
        async with town(central.url, plan) as lives:
            await central.has("StopTransaction", 2)
            late = next(call.id for call in central.calls if call.action == "StopTransaction")
            await central.connections[0].send_message(f'[3,"{late}",{{}}]')
            await central.has("StopTransaction", 3)
            stops = [call.at for call in central.calls if call.action == "StopTransaction"]
            assert [round(stops[1] - stops[0]), round(stops[2] - stops[1])] == [17, 24]
            assert lives.notes.failures == [("StopTransaction", "no answer")] * 2
            assert lives.marks.unmatched_ids == [late]
            assert len(central.connections) == 1


@jumping
async def test_a_message_whose_connection_ended_is_sent_again_over_the_next_one_and_that_is_no_failure() -> (
    None
):
    async with small_central() as central:
        central.answers["StartTransaction"] = lambda _: None if len(central.connections) < 5 else USUAL
        plan = scenario(group(attempts=1), fleet=Fleet(charge_points=1, answer_s=10_000.0))
        async with town(central.url, plan) as lives:
            for count in range(1, 5):
                await central.has("StartTransaction", count)
                lives.one.cut("reset")
            await central.has("StopTransaction")
            assert lives.notes.counts["given_up"] == 0
            assert lives.notes.counts["interrupted"] >= 4
            assert [each for each in lives.notes.deliveries if each[0] == "StartTransaction"]


@jumping
async def test_a_start_is_sent_again_if_its_answer_has_no_transaction_id() -> None:
    answers = [TAG, {"transactionId": "7"}, {"transactionId": 1 << 63, **TAG}, {"transactionId": 7, **TAG}]
    async with small_central() as central:
        central.answers["StartTransaction"] = lambda _: answers.pop(0)
        async with town(central.url, scenario(group(attempts=9, interval_s=1.0))):
            await central.has("StopTransaction")
            assert central.of("StopTransaction")[0]["transactionId"] == 7
            assert answers == []


@jumping
async def test_a_full_queue_loses_meter_values_and_keeps_starts_and_stops() -> None:
    async with small_central() as central:
        central.answers["BootNotification"] = lambda _: (
            USUAL if ready else {"status": "Pending", "interval": 50}
        )
        ready = False
        plan = scenario(group(values_s=10.0, charge_s=100.0, queue=6))
        async with town(central.url, plan) as lives:
            await until(lambda: lives.notes.counts["queue_full"] >= 20)
            assert lives.one.waiting <= 6
            ready = True
            await until(lambda: lives.one.online)
            await until(lambda: len(lives.notes.deliveries) >= 6)
            order = [each[0] for each in lives.notes.deliveries][:6]
            assert order.count("StartTransaction") >= 2
            assert order.count("StopTransaction") >= 2
