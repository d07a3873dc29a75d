"""The mutant server does what its switches say, and nothing wrong without them."""

import threading
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest

from admin.commands.answer import CommandAnswer
from admin.routes.meter_value_messages import MeterValueAnswer
from admin.routes.transaction_answer import TransactionAnswer
from loadtest.correctness.schemas import find_fault
from tests.support.independent_load import measure
from tests.support.mutant_client import station, time_of
from tests.support.mutant_server import MutantServer, mutant_server


def stored(server: MutantServer) -> list[TransactionAnswer]:
    with server.api() as api:
        items = api.get("/transactions", params={"limit": 1000}).json()["items"]
    for item in items:
        assert item.keys() == set(TransactionAnswer.__struct_fields__)
    return msgspec.convert(items, list[TransactionAnswer])


def values_of(server: MutantServer, id_: str) -> list[str]:
    with server.api() as api:
        items = api.get(f"/transactions/{id_}/meter-values").json()["items"]
    for item in items:
        assert item.keys() == set(MeterValueAnswer.__struct_fields__)
    return [item["timestamp"] for item in items]


def test_without_a_switch_the_mutant_server_stores_each_fact_once_and_answers_as_ocpp_says() -> None:
    with mutant_server() as server, station(server.url, "A") as one, station(server.url, "B") as two:
        ids = [of.charge(day, (1, 2)) for of in (one, two) for day in (1, 2, 3)]
        again = one.start(time_of(1, 0), meter=1)
        one.values(again, time_of(1, 1))
        for action in ("Heartbeat", "DataTransfer", "Authorize"):
            answer = one.call(action, {"idTag": "TAG"} if action == "Authorize" else {"vendorId": "x"})
            assert find_fault(action, msgspec.json.encode(answer)) is None
        one.send("Dance", {})
        assert one.receive()[0] == 4
        found = stored(server)
        assert again == ids[0]
        assert sorted(one.ocpp_transaction_id for one in found) == sorted(set(ids))
        assert all(one.state == "stopped" and one.stopped_at for one in found)
        assert {one.id: values_of(server, one.id) for one in found} == {
            one.id: [one.started_at[:14] + minute for minute in ("01:00.000Z", "02:00.000Z")] for one in found
        }


def test_the_admin_api_of_the_mutant_server_has_pages_a_key_and_a_way_to_clean_up() -> None:
    with mutant_server() as server, server.api() as api:
        with station(server.url, "A") as one:
            for day in range(1, 6):
                one.charge(day)
            online = api.get("/charge-points", params={"prefix": "A", "online": "true"}).json()["items"]
            assert [item["id"] for item in online] == ["A"]
        first = api.get("/transactions", params={"limit": 3, "since": time_of(2, 0)}).json()
        second = api.get(
            "/transactions", params={"limit": 3, "since": time_of(2, 0), "cursor": first["next"]}
        ).json()
        days = [item["started_at"][8:10] for item in first["items"] + second["items"]]
        assert (days, second["next"]) == (["05", "04", "03", "02"], None)
        assert api.get("/transactions", headers={"Authorization": "Bearer x"}).status_code == 401
        assert api.get(f"{server.admin}/v1/tenants/other/transactions").status_code == 404
        assert api.delete("/charge-points/A").status_code == 204
        assert api.delete("/charge-points/A").status_code == 404
        assert stored(server) == []


def test_the_mutant_server_loses_one_acknowledged_stop() -> None:
    with mutant_server("--lose-stop") as server, station(server.url, "A") as one:
        ids = [one.charge(day) for day in (1, 2, 3)]
        assert [found.state for found in reversed(stored(server))] == ["stopped", "open", "stopped"]
        assert len(set(ids)) == 3


@pytest.mark.slow
def test_the_mutant_server_loses_a_start() -> None:
    with mutant_server("--lose-start") as server, station(server.url, "A") as one:
        ids = [one.charge(day, (1,)) for day in (1, 2, 3)]
        assert [found.ocpp_transaction_id for found in reversed(stored(server))] == [ids[0], ids[2]]


@pytest.mark.slow
def test_the_mutant_server_repeats_a_transaction_id() -> None:
    with mutant_server("--repeat-id") as server, station(server.url, "A") as one:
        ids = [one.charge(day) for day in (1, 2, 3)]
        assert ids[0] == ids[1] != ids[2]
        assert len(stored(server)) == 3


@pytest.mark.slow
@pytest.mark.parametrize(
    ("switch", "minutes"), [("--store-value-twice", [1, 2, 3, 3, 4]), ("--lose-value", [1, 2, 4])]
)
def test_the_mutant_server_stores_a_meter_value_twice_or_loses_one(switch: str, minutes: list[int]) -> None:
    with mutant_server(switch) as server, station(server.url, "A") as one:
        id_ = one.charge(1, (1, 2, 3, 4))
        assert values_of(server, f"A.{id_}") == [time_of(1, minute) for minute in minutes]


@pytest.mark.slow
def test_the_mutant_server_swaps_two_answers_between_two_charge_points() -> None:
    with mutant_server("--swap-answers") as server, station(server.url, "A") as one:
        for _ in range(9):
            one.call("Heartbeat")
        held = one.send("Heartbeat", {})
        with station(server.url, "B") as two:
            wrong = two.send("Heartbeat", {})
            assert (two.receive()[1], one.receive()[1]) == (held, wrong)
            two.call("Heartbeat")
            one.call("Heartbeat")


@pytest.mark.slow
def test_the_mutant_server_holds_one_answer_in_200_back_while_its_own_metrics_stay_fine() -> None:
    with mutant_server("--hold-one-in-200") as server:
        found = measure(server.url, charge_points=40, per_second=10, seconds=0.5)
        assert found.calls == 200
        assert found.service.most >= 2.0
        assert 0 < server.slowest_s() < found.service.most


def send_commands(server: MutantServer, number: int) -> list[CommandAnswer]:
    found = []
    with server.api() as api:
        for _ in range(number):
            answer = api.post("/charge-points/A/commands/Reset", params={"timeout": 1}, json={"type": "Soft"})
            body = answer.json()
            record = body if answer.status_code == 200 else body["command"]
            assert record.keys() == set(CommandAnswer.__struct_fields__)
            assert api.get(f"/commands/{record['id']}").json() == record
            found.append(msgspec.convert(record, CommandAnswer))
    return found


@pytest.mark.slow
@pytest.mark.parametrize("switches", [(), ("--skip-20th-command",)])
def test_the_mutant_server_sends_each_command_or_all_but_the_20th(switches: tuple[str, ...]) -> None:
    received: list[str] = []
    with mutant_server(*switches) as server, station(server.url, "A") as one:
        sending: list[list[CommandAnswer]] = []
        thread = threading.Thread(target=lambda: sending.append(send_commands(server, 22)))
        thread.start()
        while thread.is_alive():
            try:
                _, id_, action, payload = one.receive(0.1)
            except TimeoutError:
                continue
            assert (action, payload) == ("Reset", {"type": "Soft"})
            received.append(id_)
            one.connection.send(msgspec.json.encode([3, id_, {"status": "Accepted"}]).decode())
        thread.join()
    [commands] = sending
    skipped = [command for command in commands if command.id not in received]
    assert [(command.id, command.status) for command in skipped] == (
        [("c-0020", "timeout")] if switches else []
    )
    assert {command.status for command in commands if command.id in received} == {"answered"}


@pytest.mark.slow
def test_a_command_to_a_charge_point_of_the_mutant_server_that_is_away_ends_as_offline() -> None:
    with mutant_server() as server:
        [command] = send_commands(server, 1)
        assert command.status == "offline"


@pytest.mark.slow
def test_the_mutant_server_stands_still_once_for_two_seconds_for_all() -> None:
    with mutant_server("--stall-after", "0.3") as server:
        found = measure(server.url, charge_points=5, per_second=20, seconds=1)
        assert found.calls == 100
        assert found.service.most >= 1.5
        assert found.service.p50 < found.service.most / 2


@pytest.mark.slow
def test_the_mutant_server_draws_its_delays_and_journals_what_they_were(tmp_path: Path) -> None:
    journal = tmp_path / "delays"
    with mutant_server("--delays", str(journal)) as server:
        found = measure(server.url, charge_points=10, per_second=20, seconds=1)
    lines = [line.split() for line in journal.read_text().splitlines()]
    assert {action for action, _ in lines} == {"BootNotification", "Heartbeat"}
    delays = sorted(float(delay) for action, delay in lines if action == "Heartbeat")
    assert found.calls == len(delays) == 200
    assert 0.01 < delays[99] <= found.service.p50
    assert delays[-1] <= found.service.most
    assert any(later - earlier > 0.001 for earlier, later in pairwise(delays))


@pytest.mark.slow
def test_a_busy_mutant_server_refuses_each_third_request_of_its_admin_api() -> None:
    with mutant_server("--busy") as server, server.api() as api:
        statuses = [api.get("/transactions").status_code for _ in range(6)]
        assert sorted(statuses) == [200, 200, 200, 200, 429, 503]
