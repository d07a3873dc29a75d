"""Charging profiles and composite schedules over HTTP, with answers that each test chooses."""

from typing import Any

import pytest

from gateway.ocpp16.faults import timestamps
from state import commands, transactions
from tests.admin.api import TENANT, Api
from tests.admin.charging_profiles import START, a_profile
from tests.admin.fake_session import connected, is_silent
from tests.admin.problem import is_problem
from tests.admin.remembering import remembering
from tests.support.transactions import ANSWER, a_start, a_stop
from tests.support.waiting import until

BASE = f"/v1/tenants/{TENANT}/charge-points/CP-1"
PATH = f"{BASE}/charging-profiles"
COMPOSITE = f"{PATH}/composite-schedule"


def accepting(_action: str, _payload: Any) -> Any:
    return {"status": "Accepted"}


async def command(api: Api, action: str, payload: Any) -> dict[str, Any]:
    answer = await api.client.post(f"{BASE}/commands/{action}", json=payload)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def page(api: Api, **query: Any) -> dict[str, Any]:
    answer = await api.client.get(PATH, params=query)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def ids(api: Api, **query: Any) -> list[int]:
    return [one["charging_profile_id"] for one in (await page(api, **query))["items"]]


async def test_the_list_of_charging_profiles_contains_only_those_that_the_charge_point_accepted(
    api: Api,
) -> None:
    answers = {1: "Accepted", 2: "Rejected", 3: "NotSupported"}

    def serve(_action: str, payload: Any) -> Any:
        return {"status": answers[payload["csChargingProfiles"]["chargingProfileId"]]}

    answering, asked = remembering(serve)
    async with connected(api.store, TENANT, "CP-1", answering):
        assert await page(api) == {"items": [], "doubts": [], "next": None}
        sent = [await command(api, "SetChargingProfile", a_profile(id_)) for id_ in answers]
        assert [payload for _, payload in asked] == [a_profile(id_) for id_ in answers]
        [item] = (await page(api))["items"]
        accepted_at = item.pop("accepted_at")
        assert accepted_at >= sent[0]["created_at"]
        assert item == {
            "charging_profile_id": 1,
            "connector_id": 1,
            "purpose": "TxDefaultProfile",
            "stack_level": 0,
            "status": "installed",
            "transaction_id": None,
            "profile": a_profile(1)["csChargingProfiles"],
            "command": sent[0]["id"],
            "doubt": None,
        }
        read = await api.client.get(f"{PATH}/1")
        assert read.json() == item | {"accepted_at": accepted_at}
        is_problem(await api.client.get(f"{PATH}/2"), 404, "not-found")


async def test_the_list_of_charging_profiles_can_be_filtered_and_contains_no_profiles_that_were_cleared(
    api: Api,
) -> None:
    answering, _ = remembering(accepting)
    async with connected(api.store, TENANT, "CP-1", answering):
        maximum = {"chargingProfilePurpose": "ChargePointMaxProfile"}
        for payload in (
            a_profile(1, connector=0, **maximum),
            a_profile(2, connector=0),
            a_profile(3),
            a_profile(4, stackLevel=1),
        ):
            await command(api, "SetChargingProfile", payload)
        assert await ids(api) == [1, 2, 3, 4]
        assert await ids(api, connector_id=0) == [1, 2]
        assert await ids(api, purpose="TxDefaultProfile") == [2, 3, 4]
        assert await ids(api, connector_id=0, purpose="ChargePointMaxProfile") == [1]
        await command(api, "ClearChargingProfile", {"id": 1})
        assert await ids(api) == [2, 3, 4]
        await command(
            api,
            "ClearChargingProfile",
            {"connectorId": 1, "chargingProfilePurpose": "TxDefaultProfile", "stackLevel": 0},
        )
        assert await ids(api) == [2, 4]
        await command(api, "ClearChargingProfile", {})
        assert await ids(api) == []
        is_problem(await api.client.get(PATH, params={"purpose": "Mine"}), 422, "invalid-request")


async def test_a_listed_profile_is_marked_as_doubtful_if_the_charge_point_finds_nothing_to_clear(
    api: Api,
) -> None:
    answering, _ = remembering(lambda action, _: {"status": "Unknown" if action[0] == "C" else "Accepted"})
    async with connected(api.store, TENANT, "CP-1", answering):
        await command(api, "SetChargingProfile", a_profile(1))
        await command(api, "ClearChargingProfile", {})
        [item] = (await page(api))["items"]
        assert (item["doubt"]["why"], item["doubt"]["charging_profile_id"]) == ("not_found", 1)
        assert "found nothing to clear" in item["doubt"]["because"]
        assert (await composite(api, connector_id=1))["doubts"] == [item["doubt"]]
        await command(api, "SetChargingProfile", a_profile(1))
        assert (await page(api))["items"][0]["doubt"] is None


async def test_a_doubt_about_a_profile_is_listed_if_the_command_that_sends_the_profile_gets_no_answer(
    api: Api,
) -> None:
    async with connected(api.store, TENANT, "CP-1", is_silent) as session:
        sent = await api.client.post(f"{BASE}/commands/SetChargingProfile?wait=0", json=a_profile(7))
        id_ = sent.json()["id"]
        await until(lambda: bool(session.claimed))
        await commands.settle(api.store, session.lease.keys, id_, status="timeout")
        found = await page(api)
        assert found["items"] == []
        [doubt] = found["doubts"]
        assert (doubt["charging_profile_id"], doubt["why"], doubt["command"]) == (7, "timeout", id_)
        assert doubt["because"].startswith("SetChargingProfile had no answer")
        assert (await composite(api, connector_id=1))["doubts"] == [doubt]
        assert (await api.client.delete(f"{PATH}/7")).status_code == 204
        assert (await page(api))["doubts"] == []
        is_problem(await api.client.delete(f"{PATH}/7"), 404, "not-found")


async def test_an_operator_can_correct_the_list_of_charging_profiles(api: Api) -> None:
    async with connected(api.store, TENANT, "CP-1") as session:
        entered = await api.client.put(f"{PATH}/5", json=a_profile(5, (0, 6.1)))
        assert entered.status_code == 200, entered.text
        assert (entered.json()["command"], entered.json()["connector_id"]) == (None, 1)
        assert (await api.client.get(f"{PATH}/5")).json() == entered.json()
        again = await api.client.put(f"{PATH}/6", json=a_profile(6))
        assert again.status_code == 200
        assert await ids(api) == [6]
        assert (await api.client.delete(f"{PATH}/6")).status_code == 204
        assert await ids(api) == []
        for id_, level in ((7, 0), (8, 1)):
            await api.client.put(f"{PATH}/{id_}", json=a_profile(id_, stackLevel=level))
        await api.client.put(f"{PATH}/9", json=a_profile(9, connector=2))
        forgotten = await api.client.delete(PATH, params={"connector_id": 1})
        assert sorted(forgotten.json()["charging_profile_ids"]) == [7, 8]
        assert (await api.client.delete(PATH)).json() == {"charging_profile_ids": [9]}
        assert session.claimed == []


@pytest.mark.parametrize(
    ("id_", "body", "pointer"),
    [
        ("5", {}, "/connectorId"),
        ("5", a_profile(5, chargingProfileKind="Sometimes"), "/csChargingProfiles/chargingProfileKind"),
        ("5", a_profile(5, validTo="soon"), "/csChargingProfiles/validTo"),
        ("5", a_profile(6), "/csChargingProfiles/chargingProfileId"),
    ],
)
async def test_an_invalid_charging_profile_is_answered_422_with_a_json_pointer(
    api: Api, id_: str, body: Any, pointer: str
) -> None:
    async with connected(api.store, TENANT, "CP-1"):
        answer = await api.client.put(f"{PATH}/{id_}", json=body)
        document = answer.json()
        assert answer.status_code == 422, answer.text
        assert document["errors"][0]["pointer"] == pointer


async def test_requests_for_an_unknown_charge_point_or_charging_profile_are_answered_404(api: Api) -> None:
    for path in (PATH, f"{PATH}/1", f"{COMPOSITE}?connector_id=1"):
        is_problem(await api.client.get(path), 404, "not-found")
    is_problem(await api.client.put(f"{PATH}/1", json=a_profile(1)), 404, "not-found")
    is_problem(await api.client.delete(PATH), 404, "not-found")
    is_problem(await api.client.post(COMPOSITE, json={"connector_id": 1}), 404, "not-found")
    async with connected(api.store, TENANT, "CP-1"):
        for id_ in ("1", "x", "9" * 30):
            is_problem(await api.client.get(f"{PATH}/{id_}"), 404, "not-found")
            is_problem(await api.client.delete(f"{PATH}/{id_}"), 404, "not-found")


async def test_an_operator_cannot_enter_a_tx_profile_of_an_ended_transaction(api: Api) -> None:
    async with connected(api.store, TENANT, "CP-1") as session:
        started = await transactions.start(api.store, session.lease, a_start(), ANSWER)
        tx = a_profile(1, chargingProfilePurpose="TxProfile", transactionId=started.id)
        entered = await api.client.put(f"{PATH}/1", json=tx)
        assert entered.json()["transaction_id"] == f"CP-1.{started.id}"
        await transactions.stop(api.store, session.lease, a_stop(started.id), b"")
        assert await ids(api) == []
        is_problem(await api.client.put(f"{PATH}/1", json=tx), 422, "invalid-request")


async def test_the_charging_profile_of_an_accepted_remote_start_is_listed_as_awaiting_the_transaction(
    api: Api,
) -> None:
    answering, _ = remembering(accepting)
    tx = a_profile(3, chargingProfilePurpose="TxProfile")["csChargingProfiles"]
    async with connected(api.store, TENANT, "CP-1", answering):
        sent = await command(api, "RemoteStartTransaction", {"idTag": "X", "chargingProfile": tx})
        [item] = (await page(api, purpose="TxProfile"))["items"]
        assert (item["status"], item["connector_id"], item["charging_profile_id"]) == (
            "awaiting_transaction",
            None,
            3,
        )
        assert (item["command"], item["profile"]) == (sent["id"], tx)
        assert await ids(api, connector_id=1) == []


async def composite(api: Api, **query: Any) -> dict[str, Any]:
    answer = await api.client.get(COMPOSITE, params=query)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_the_composite_schedule_is_computed_from_all_charging_profiles(api: Api) -> None:
    async with connected(api.store, TENANT, "CP-1"):
        await api.client.put(f"{PATH}/1", json=a_profile(1, (0, 16.1), (3600, 6.0)))
        maximum = a_profile(2, (0, 10.0), connector=0, chargingProfilePurpose="ChargePointMaxProfile")
        await api.client.put(f"{PATH}/2", json=maximum)
        asked = {"connector_id": 1, "duration": 7200, "from": "2026-03-01T01:00:00+01:00"}
        found = await composite(api, **asked)
        assert found == {
            "connector_id": 1,
            "schedule_start": "2026-03-01T00:00:00.000Z",
            "duration": 7200,
            "charging_rate_unit": "A",
            "periods": [
                {"start_period": 0, "limit": 10.0, "number_phases": 3},
                {"start_period": 3600, "limit": 6.0, "number_phases": 3},
            ],
            "doubts": [],
        }
        watts = await composite(api, **asked, charging_rate_unit="W", voltage=110)
        assert [one["limit"] for one in watts["periods"]] == [3300.0, 1980.0]
        assert (await composite(api, connector_id=2))["periods"] == [
            {"start_period": 0, "limit": 10.0, "number_phases": 3}
        ]
        await api.client.delete(PATH)
        [period] = (await composite(api, connector_id=1))["periods"]
        assert period == {"start_period": 0, "limit": None, "number_phases": None}
        for wrong in (
            {},
            {"connector_id": -1},
            {"connector_id": 1, "duration": 0},
            {"connector_id": 1, "x": 1},
        ):
            is_problem(await api.client.get(COMPOSITE, params=wrong), 422, "invalid-request")


@pytest.mark.parametrize(("timestamp_ms", "limit"), [(-1800, 6.0), (None, 16.0)])
async def test_the_time_in_a_relative_charging_profile_is_counted_from_the_start_of_the_transaction(
    api: Api, timestamp_ms: int | None, limit: float
) -> None:
    """If the charge point's clock is not set, the profile begins at the receipt of StartTransaction."""
    async with connected(api.store, TENANT, "CP-1") as session:
        now_ms = api.store.server_time_ms()
        started_ms = 0 if timestamp_ms is None else now_ms + timestamp_ms * 1000
        fact = a_start(
            timestamp=timestamps.format_ms(started_ms),
            started_ms=started_ms,
            received_ms=now_ms,
            plausible=timestamp_ms is not None,
        )
        await transactions.start(api.store, session.lease, fact, ANSWER)
        relative = a_profile(1, (0, 16.0), (900, 6.0), chargingProfileKind="Relative")
        del relative["csChargingProfiles"]["chargingSchedule"]["startSchedule"]
        assert (await api.client.put(f"{PATH}/1", json=relative)).status_code == 200
        assert (await composite(api, connector_id=1, duration=60))["periods"][0]["limit"] == limit


def answer_with(**schedule: Any) -> Any:
    def serve(action: str, payload: Any) -> Any:
        if action != "GetCompositeSchedule":
            return {"status": "Accepted"}
        told = {"status": "Accepted", "connectorId": payload["connectorId"], "scheduleStart": START}
        return told | {"chargingSchedule": {"chargingRateUnit": "A"} | schedule}

    return serve


async def test_a_comparison_of_composite_schedules_lists_the_spans_in_which_the_limits_differ(
    api: Api,
) -> None:
    steps = [{"startPeriod": 0, "limit": 16.0}, {"startPeriod": 1800, "limit": 8.0}]
    answering, asked = remembering(answer_with(chargingSchedulePeriod=steps, duration=3600))
    async with connected(api.store, TENANT, "CP-1", answering):
        await command(api, "SetChargingProfile", a_profile(1, (0, 16.0), (2000, 8.0)))
        wanted = {"connector_id": 1, "duration": 3600, "charging_rate_unit": "W"}
        answer = await api.client.post(COMPOSITE, json=wanted)
        assert answer.status_code == 200, answer.text
        assert asked[-1] == (
            "GetCompositeSchedule",
            {"connectorId": 1, "duration": 3600, "chargingRateUnit": "W"},
        )
        found = answer.json()
        assert found["agrees"] is False
        assert found["differences"] == [{"start": 1800, "end": 2000, "ours": 16.0, "theirs": 8.0}]
        assert found["ours"]["schedule_start"] == "2026-03-01T00:00:00.000Z"
        assert found["ours"]["charging_rate_unit"] == "A"
        assert found["theirs"]["chargingSchedule"]["chargingSchedulePeriod"] == steps
        assert found["command"]["action"] == "GetCompositeSchedule"
        await command(api, "SetChargingProfile", a_profile(1, (0, 16.0), (1800, 8.0)))
        answer = await api.client.post(COMPOSITE, json=wanted)
        assert (answer.json()["agrees"], answer.json()["differences"]) == (True, [])


async def test_a_comparison_returns_null_instead_of_true_or_false_if_the_charge_point_rejects_the_request(
    api: Api,
) -> None:
    told = {"status": "Rejected"}
    answering, asked = remembering(lambda action, _: told if action[0] == "G" else {"status": "Accepted"})
    async with connected(api.store, TENANT, "CP-1", answering):
        await command(api, "SetChargingProfile", a_profile(1))
        found = (await api.client.post(COMPOSITE, json={"connector_id": 1, "duration": 60})).json()
        assert asked[-1][1] == {"connectorId": 1, "duration": 60}
        assert (found["agrees"], found["differences"], found["theirs"]) == (None, [], told)
        told["status"] = "Accepted"
        found = (await api.client.post(COMPOSITE, json={"connector_id": 1, "duration": 60})).json()
        assert found["agrees"] is False
        assert found["differences"] == [{"start": 0, "end": 60, "ours": 16.0, "theirs": None}]


async def test_a_comparison_with_a_charge_point_without_smart_charging_is_answered_502(api: Api) -> None:
    error = b'{"code":"NotSupported","description":"","details":{}}'
    answering, _ = remembering(lambda *_: error)
    async with connected(api.store, TENANT, "CP-1", answering):
        answer = await api.client.post(COMPOSITE, json={"connector_id": 1})
        assert is_problem(answer, 502, "call-error")["code"] == "NotSupported"
    async with connected(api.store, TENANT, "CP-1", is_silent):
        answer = await api.client.post(f"{COMPOSITE}?timeout=1", json={"connector_id": 1})
        is_problem(answer, 504, "deadline-passed")
