"""Whole charge points against a small central system. Trio's clock jumps when nothing else is to do."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import trio

from loadtest.charge_point.calls import WAITING_MAX
from loadtest.history import read_journal
from loadtest.scenario.model import Arrival, Fleet, Group, Stage
from tests.loadtest.charge_point.groups import BUSY, ON_CALL, QUIET
from tests.support.charge_point_world import jumping, scenario, town
from tests.support.small_central import BOOTED, USUAL, Error, small_central, until


@jumping
async def test_a_charge_point_boots_reports_its_connectors_and_beats_at_the_interval_of_the_boot() -> None:
    group = Group(name="two", connectors=2)
    async with small_central() as central:
        central.answers["BootNotification"] = lambda _: BOOTED | {"interval": 40}
        async with town(central.url, scenario(group)) as lives:
            await central.has("Heartbeat", 3)
            assert central.actions[:4] == ["BootNotification", *["StatusNotification"] * 3]
            assert [status["connectorId"] for status in central.of("StatusNotification")] == [0, 1, 2]
            beats = [call.at for call in central.calls if call.action == "Heartbeat"]
            assert [round(after - before) for before, after in pairwise(beats)] == [
                40,
                40,
            ]
            assert lives.notes.phases == ["tcp", "upgrade", "boot", "service"]
            assert (lives.notes.connected, lives.notes.booted) == (1, 1)
            assert lives.notes.counts == {"connections": 1}


@pytest.mark.parametrize("status", ["Pending", "Rejected"])
@jumping
async def test_a_charge_point_that_is_not_accepted_boots_again_after_the_interval_and_sends_nothing_else(
    status: str,
) -> None:
    answers = [{"status": status, "interval": 17}, {"status": status, "interval": 0}, BOOTED]
    async with small_central() as central:
        central.answers["BootNotification"] = lambda _: answers.pop(0)
        async with town(central.url, scenario(QUIET)) as lives:
            await central.has("StatusNotification")
            assert central.actions[:4] == [*["BootNotification"] * 3, "StatusNotification"]
            times = [call.at for call in central.calls]
            assert [round(times[1] - times[0]), round(times[2] - times[1])] == [17, 60]
            assert lives.notes.booted == 1


@jumping
async def test_a_transaction_of_the_schedule_is_sent_whole_and_written_into_the_journal(
    tmp_path: Path,
) -> None:
    async with small_central() as central, town(central.url, scenario(BUSY), tmp_path / "journal") as lives:
        await central.has("StopTransaction")
        await central.has("StatusNotification", 6)
        assert central.actions == [
            "BootNotification",
            "StatusNotification",
            "StatusNotification",
            "Authorize",
            "StatusNotification",
            "StartTransaction",
            "StatusNotification",
            *["MeterValues"] * 3,
            "StopTransaction",
            "StatusNotification",
            "StatusNotification",
        ]
        statuses = [status["status"] for status in central.of("StatusNotification")[2:]]
        assert statuses == ["Preparing", "Charging", "Finishing", "Available"]
        ids = {each["transactionId"] for each in central.of("MeterValues") + central.of("StopTransaction")}
        assert ids == {101}
        assert central.of("StopTransaction")[0]["meterStop"] > central.of("StartTransaction")[0]["meterStart"]
        assert [call.id for call in central.calls][:2] == ["0-1", "0-2"]
        assert lives.marks.values == [101] * 3
        assert lives.notes.failures == []
        assert all(sent - intended < 0.1 and free for intended, sent, free in lives.notes.sends)
    kinds = [
        (type(line).__name__, type(line.content).__name__) for line in read_journal(tmp_path / "journal")
    ]
    assert kinds == [("Sent", "Start"), ("Acknowledged", "Start"), ("Sent", "Stop"), ("Acknowledged", "Stop")]


@jumping
async def test_an_id_tag_that_is_refused_does_not_start_and_one_that_is_refused_later_is_stopped() -> None:
    statuses = ["Blocked", "Accepted"]
    async with small_central() as central:
        central.answers["Authorize"] = lambda _: {"idTagInfo": {"status": statuses.pop(0)}}
        central.answers["StartTransaction"] = lambda _: {
            "transactionId": 5,
            "idTagInfo": {"status": "Expired"},
        }
        async with town(central.url, scenario(BUSY)) as lives:
            await central.has("StopTransaction")
            assert len(central.of("Authorize")) == 2
            assert central.of("StopTransaction")[0]["reason"] == "DeAuthorized"
            assert set(lives.notes.errors) == {
                "Authorize: the id tag is Blocked",
                "StartTransaction: the id tag is Expired",
            }


@jumping
async def test_an_operator_starts_and_stops_a_transaction() -> None:
    async with small_central() as central, town(central.url, scenario(ON_CALL)) as lives:
        await central.has("StatusNotification", 2)
        started = await central.call("RemoteStartTransaction", {"idTag": "TAG"})
        assert started == [3, "cs", {"status": "Accepted"}]
        await central.has("MeterValues", 2)
        assert await central.call("RemoteStartTransaction", {"idTag": "TAG"}) == [
            3,
            "cs",
            {"status": "Rejected"},
        ]
        assert (await central.call("RemoteStopTransaction", {"transactionId": 101}))[2][
            "status"
        ] == "Accepted"
        await central.has("StopTransaction")
        assert central.of("StartTransaction")[0]["idTag"] == "TAG"
        assert central.of("StopTransaction")[0]["reason"] == "Remote"
        assert lives.marks.commands == [
            "RemoteStartTransaction",
            "RemoteStartTransaction",
            "RemoteStopTransaction",
        ]


@pytest.mark.parametrize("kind", ["Soft", "Hard"])
@jumping
async def test_a_reset_reboots_the_charge_point_and_its_stop_is_delivered(kind: str) -> None:
    async with small_central() as central, town(central.url, scenario(ON_CALL)):
        await central.has("StatusNotification", 2)
        await central.call("RemoteStartTransaction", {"idTag": "TAG"})
        await central.has("MeterValues")
        reset_at = trio.current_time()
        assert (await central.call("Reset", {"type": kind}))[2] == {"status": "Accepted"}
        await central.has("BootNotification", 2)
        await central.has("StopTransaction")
        await trio.sleep(10)
        reported = [call.payload for call in central.calls if call.connection and "Status" in call.action]
        assert [(status["connectorId"], status["status"]) for status in reported] == [
            (0, "Available"),
            (1, "Available"),
        ]
        stop = next(call for call in central.calls if call.action == "StopTransaction")
        assert stop.payload["reason"] == f"{kind}Reset"
        assert stop.connection == (0 if kind == "Soft" else 1)
        assert (central.ends[0].code, central.ends[0].reason) == (1001, "rebooting")
        assert central.handshakes[1][0] - reset_at >= 5


@jumping
async def test_a_silent_charge_point_beats_and_never_answers() -> None:
    group = Group(name="deaf", heartbeat_s=5.0, answers="never")
    async with small_central() as central, town(central.url, scenario(group)) as lives:
        await central.has("Heartbeat")
        await central.connections[0].send_message('[2,"x","ClearCache",{}]')
        await central.has("Heartbeat", 4)
        assert central.results == []
        assert lives.marks.commands == ["ClearCache"]


@jumping
async def test_commands_are_answered_and_what_follows_them_is_sent_after_the_answer() -> None:
    async with small_central() as central, town(central.url, scenario(QUIET)):
        await central.has("StatusNotification", 2)
        assert (await central.call("GetConfiguration", {}))[0] == 3
        assert (await central.call("MakeCoffee", {}))[:3] == [4, "cs", "NotImplemented"]
        assert (await central.call("ClearCache", {}, id_="x" * 37))[2] == "FormationViolation"
        triggered = await central.call("TriggerMessage", {"requestedMessage": "Heartbeat"})
        assert triggered == [3, "cs", {"status": "Accepted"}]
        await central.has("Heartbeat")
        assert (await central.call("GetDiagnostics", {"location": "ftp://x"}))[0] == 3
        await central.has("DiagnosticsStatusNotification", 2)


@jumping
async def test_frames_that_a_central_system_must_not_send_neither_end_nor_grow_the_charge_point() -> None:
    group = Group(name="beating", heartbeat_s=5.0)
    nonsense = [
        "",
        "nonsense",
        "[]",
        "[3]",
        '[3,"1-1",{}]',
        '[3,"0-99999",{}]',
        '[4,"0-1","","",{}]',
        '[9,"x"]',
        '[3,{"a":1},{}]',
        '[2,"x"]',
        "[" * 5_000,
        '[3,"0-1",' + "[" * 5_000,
        '[3,7,"' + "x" * 100_000 + '"]',
    ]
    async with small_central() as central, town(central.url, scenario(group)) as lives:
        await central.has("Heartbeat")
        for _ in range(3):
            for text in nonsense:
                await central.connections[0].send_message(text)
        await central.has("Heartbeat", 5)
        assert len(central.connections) == 1
        assert "1-1" in lives.marks.unmatched_ids
        assert set(lives.notes.errors) == {"a frame that cannot be read"}
        assert len(lives.one._calls._waiting) == 0


@jumping
async def test_the_second_answer_to_a_call_is_given_to_the_checks() -> None:
    async with small_central() as central, town(central.url, scenario(QUIET)) as lives:
        await central.has("StatusNotification", 2)
        await central.connections[0].send_message('[3,"0-1",{"status":"Rejected","interval":1}]')
        await until(lambda: bool(lives.marks.unmatched_ids))
        assert lives.marks.unmatched_ids == ["0-1"]
        assert lives.one.online


@jumping
async def test_sends_wait_for_the_answer_before_and_too_many_are_dropped() -> None:
    group = Group(
        name="fast",
        heartbeat_s=0.0,
        arrivals=(Arrival(action="DataTransfer", per_second=10.0, pattern="even"),),
    )
    plan = scenario(group, fleet=Fleet(charge_points=1, answer_s=30.0))
    async with small_central() as central:
        stalled = trio.current_time() + 5
        central.answers["DataTransfer"] = lambda _: (
            None if stalled < trio.current_time() < stalled + 20 else USUAL
        )
        async with town(central.url, plan) as lives:
            await until(lambda: ("DataTransfer", "no answer") in lives.notes.failures)
            await until(lambda: lives.notes.counts["dropped"] > 50)
            assert len(lives.one._calls._waiting) <= WAITING_MAX
            await until(lambda: not lives.one._calls.busy)
            late = [sent - intended for intended, sent, free in lives.notes.sends if not free]
            assert max(late) > 5
            assert all(sent - intended < 0.1 for intended, sent, free in lives.notes.sends if free)


@jumping
async def test_the_calls_of_a_sequence_follow_each_other() -> None:
    stages = (
        Stage(name="one", kind="step", seconds=60.0, connected=1.0, in_sequence=50),
        Stage(name="rest", kind="hold", seconds=60.0),
    )
    arrivals = (Arrival(action="Heartbeat", per_second=0.5, pattern="even"),)
    group = Group(name="one", heartbeat_s=0.0, arrivals=arrivals)
    async with small_central() as central, town(central.url, scenario(group, stages=stages)) as lives:
        await central.has("Heartbeat", 60)
        times = [call.at - lives.world.begin for call in central.calls if call.action == "Heartbeat"]
        assert times[49] < 10
        assert times[50] > 60
        assert sum(not free for _, _, free in lives.notes.sends) <= 3  # The first waits with the statuses.


@jumping
async def test_faults_are_shown_to_the_central_system() -> None:
    group = Group(name="odd", heartbeat_s=5.0, faults=("trailing_slash", "id_not_text"))
    async with small_central() as central, town(central.url, scenario(group)) as lives:
        await central.has("Heartbeat", 2)
        assert central.handshakes[0][1] == "/LT000000/"
        ids: list[Any] = [call.id for call in central.calls]
        assert ids[:3] == [1, 2, 3]
        assert lives.marks.unmatched_ids == []


@jumping
async def test_a_boot_that_fails_is_repeated() -> None:
    answers: list[Any] = [Error("InternalError"), {"status": 7}, USUAL]
    async with small_central() as central:
        central.answers["BootNotification"] = lambda _: answers.pop(0)
        async with town(central.url, scenario(QUIET)) as lives:
            await central.has("StatusNotification")
            assert lives.notes.failures == [("BootNotification", "InternalError")]
            assert lives.marks.refusals == [("BootNotification", "InternalError")]
