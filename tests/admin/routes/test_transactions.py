"""Transactions and meter values over HTTP. The tests store them by the functions of state/."""

import msgspec
import pytest

from state import transactions
from state.store import Store
from state.transactions import Start, Started, Stop, meter_values
from tests.admin.api import TENANT, Api
from tests.admin.fake_session import FakeSession, connected
from tests.admin.problem import is_problem

PATH = f"/v1/tenants/{TENANT}/transactions"
BASE_MS = 1_767_225_600_000  # 2026-01-01T00:00:00Z


async def start(store: Store, session: FakeSession, minute: int, *, connector_id: int = 1) -> int:
    """Store a StartTransaction with a time `minute` minutes after the beginning of 2026.

    The time has no zone, because some charge points send such times.
    """
    fact = Start(
        connector_id=connector_id,
        id_tag="Tag",
        timestamp=f"2026-01-01T00:{minute:02}:00",
        started_ms=BASE_MS + minute * 60_000,
        plausible=True,
        meter_start=100,
        received_ms=store.server_time_ms(),
    )
    started = await transactions.start(store, session.lease, fact, b"{}")
    assert isinstance(started, Started)
    return started.id


async def stop(
    store: Store,
    session: FakeSession,
    transaction_id: int,
    data: bytes | None = None,
    *,
    stopped_ms: int = BASE_MS + 3_600_000,
) -> None:
    fact = Stop(
        transaction_id=str(transaction_id),
        timestamp="2026-01-01T01:00:00Z",
        stopped_ms=stopped_ms,
        meter_stop=1_600,
        id_tag="Other",
        reason="Remote",
        data=data,
        received_ms=store.server_time_ms(),
    )
    await transactions.stop(store, session.lease, fact, b"{}")


async def test_a_transaction_is_shown_while_it_is_open_and_after_it_has_stopped(api: Api) -> None:
    async with connected(api.store, TENANT, "CP.1") as session:
        number = await start(api.store, session, 5)
        expected = {
            "id": f"CP.1.{number}",
            "ocpp_transaction_id": number,
            "state": "open",
            "charge_point": "CP.1",
            "connector_id": 1,
            "id_tag": "Tag",
            "started_at": "2026-01-01T00:05:00.000Z",
            "meter_start": 100,
            "stopped_at": None,
            "meter_stop": None,
            "stop_id_tag": None,
            "reason": None,
            "energy_wh": None,
            "reservation_id": None,
            "as_sent": None,
            "stop_as_sent": None,
            "contradicting_stops": 0,
            "dropped_meter_values": 0,
            "archived": False,
            "ended": None,
            "joined": None,
            "superseded_by": None,
            "stopped_received_at": None,
            "revision": 0,
            "completed_at": None,
        }
        path = f"{PATH}/CP.1.{number}"
        found = (await api.client.get(path)).json()
        received = found.pop("started_received_at")
        assert found == expected
        await stop(api.store, session, number)
        found = (await api.client.get(path)).json()
        assert received <= found["stopped_received_at"]
        assert found["completed_at"] is not None
        expected |= {
            "started_received_at": received,
            "stopped_received_at": found["stopped_received_at"],
            "completed_at": found["completed_at"],
            "revision": 1,
            "state": "stopped",
            "stopped_at": "2026-01-01T01:00:00.000Z",
            "meter_stop": 1600,
            "stop_id_tag": "Other",
            "reason": "Remote",
            "energy_wh": 1500,
        }
        assert found == expected
        assert await api.read_all(PATH) == [expected]


async def test_transactions_are_listed_newest_first_and_can_be_filtered(api: Api) -> None:
    async with connected(api.store, TENANT, "A") as a, connected(api.store, TENANT, "B") as b:
        of_a = [await start(api.store, a, minute, connector_id=minute) for minute in (1, 3)]
        of_b = [await start(api.store, b, minute, connector_id=minute) for minute in (2, 4)]
        await stop(api.store, a, of_a[0])
        newest_first = [f"B.{of_b[1]}", f"A.{of_a[1]}", f"B.{of_b[0]}", f"A.{of_a[0]}"]

        async def ids(**query: str | int) -> list[str]:
            return [one["id"] for one in await api.read_all(PATH, **query)]

        for limit in (1, 2, 3, 100):
            assert await ids(limit=limit) == newest_first
        assert await ids(charge_point="A") == [newest_first[1], newest_first[3]]
        assert await ids(open="true") == newest_first[:3]
        assert await ids(open="false") == newest_first[3:]
        assert await ids(since="2026-01-01T00:03:00Z") == newest_first[:2]
        assert await ids(since="2026-01-01T02:03:00+02:00", charge_point="B") == newest_first[:1]


async def test_meter_values_are_listed_in_order_and_those_in_the_stop_transaction_request_come_last(
    api: Api,
) -> None:
    async with connected(api.store, TENANT, "CP-1") as session:
        number = await start(api.store, session, 1)
        now = api.store.server_time_ms()
        for step in range(3):
            value = {"timestamp": f"2026-01-01T00:0{step}:00Z", "sampledValue": [{"value": str(step)}]}
            await meter_values.append(
                api.store,
                session.lease,
                connector_id=1,
                transaction_id=str(number),
                payload=msgspec.json.encode([value]),
                received_ms=now + 10_000 * step,  # Some meter values are received after StopTransaction.
            )
        last = {
            "timestamp": "2026-01-01T01:00:00Z",
            "sampledValue": [{"value": "9", "context": "Transaction.End"}],
        }
        await stop(api.store, session, number, msgspec.json.encode([last]))
        answer = (await api.client.get(f"{PATH}/CP-1.{number}/meter-values")).json()
        assert answer["next"] is None
        found = answer["items"]
        assert [one["sampledValue"][0]["value"] for one in found] == ["0", "1", "2", "9"]
        assert [one["source"] for one in found] == [*["MeterValues"] * 3, "transactionData"]
        assert found[3]["sampledValue"] == last["sampledValue"]
        assert found[0]["timestamp"] == "2026-01-01T00:00:00.000Z"
        assert all(one["received_at"].endswith("Z") for one in found)


@pytest.mark.parametrize(
    ("at", "ms", "told"),
    [
        ("0001-01-01T00:00:00+14:00", -62_135_647_200_000, "0001-01-01T00:00:00.000Z"),
        ("9999-12-31T23:59:59-14:00", 253_402_351_199_000, "9999-12-31T23:59:59.999Z"),
    ],
)
async def test_a_start_time_outside_the_years_1_to_9999_is_shown_as_the_nearest_valid_time(
    api: Api, at: str, ms: int, told: str
) -> None:
    async with connected(api.store, TENANT, "CP-1") as session:
        fact = Start(
            connector_id=1,
            id_tag="Tag",
            timestamp=at,
            started_ms=ms,
            plausible=False,
            meter_start=0,
            received_ms=api.store.server_time_ms(),
        )
        await transactions.start(api.store, session.lease, fact, b"{}")
    assert [one["started_at"] for one in (await api.client.get(PATH)).json()["items"]] == [told]


@pytest.mark.parametrize(
    "name", ["CP-1.1", "CP-1", ".1", "CP-1.", "CP-1.x", "CP-1.99999999999999999999", "CP-1.%D9%A1"]
)
async def test_a_request_for_an_unknown_transaction_is_answered_404(api: Api, name: str) -> None:
    is_problem(await api.client.get(f"{PATH}/{name}"), 404, "not-found")
    is_problem(await api.client.get(f"{PATH}/{name}/meter-values"), 404, "not-found")


@pytest.mark.parametrize("query", ["since=yesterday", "since=2026-01-01T00:00:00", "open=maybe"])
async def test_a_query_with_an_invalid_filter_is_answered_422(api: Api, query: str) -> None:
    is_problem(await api.client.get(f"{PATH}?{query}"), 422, "invalid-request")


async def test_transactions_are_filtered_by_the_time_of_their_stop_or_of_its_receipt(api: Api) -> None:
    """One transaction stopped in 1970 by the clock of its charge point."""
    async with connected(api.store, TENANT, "A") as session:
        numbers = [await start(api.store, session, minute, connector_id=minute) for minute in (3, 1, 2)]
        stopped = [BASE_MS + 60_000, 7_000, BASE_MS + 120_000]
        for number, stopped_ms in zip(numbers, stopped, strict=True):
            await stop(api.store, session, number, stopped_ms=stopped_ms)
        await start(api.store, session, 9)
        names = [f"A.{number}" for number in numbers]

        async def ids(**query: str | int) -> list[str]:
            """Read the pages and both files."""
            found = [one["id"] for one in await api.read_all(PATH, **query)]
            for format_ in ("csv", "jsonl"):
                response = await api.client.get(PATH, params={**query, "format": format_})
                assert response.status_code == 200, response.text
                lines = response.text.splitlines()
                if format_ == "csv":
                    assert [line.partition(",")[0] for line in lines] == ["id", *found]
                else:
                    assert [msgspec.json.decode(line)["id"] for line in lines] == found
            return found

        assert await ids(by="stop") == await ids(by="receipt", limit=1) == names
        assert await ids(by="stop", since="2026-01-01T00:02:00Z") == names[2:]
        assert await ids(by="stop", until="2026-01-01T00:01:00Z") == names[1:2]
        assert await ids(by="stop", since="2026-01-01T00:01:00Z", until="2026-01-01T00:02:00Z") == names[:1]
        assert await ids(by="receipt", since="2026-01-01T00:00:00Z", limit=2) == names
        assert await ids(by="receipt", until="2026-01-01T00:00:00Z") == []
        assert await ids(by="receipt", since="2126-01-01T00:00:00Z") == []
        assert len(await ids()) == 4
        problem = is_problem(
            await api.client.get(PATH, params={"by": "stop", "open": "true"}), 422, "invalid-request"
        )
        assert problem["errors"][0]["parameter"] == "by"
        wrong = await api.client.get(PATH, params={"by": "stop", "cursor": "AAAA"})
        assert is_problem(wrong, 422, "invalid-request")["errors"][0]["parameter"] == "cursor"


async def test_a_transaction_that_changed_is_listed_once_with_its_last_revision(api: Api) -> None:
    async with connected(api.store, TENANT, "A") as session:
        number = await start(api.store, session, 1)
        other = await start(api.store, session, 2)
        await api.client.post(f"{PATH}/A.{number}/end", json={"force": True})
        await stop(api.store, session, other)
        await stop(api.store, session, number)
        found = await api.read_all(PATH, by="receipt")
        assert [(one["id"], one["revision"]) for one in found] == [(f"A.{other}", 1), (f"A.{number}", 2)]


async def test_transactions_are_filtered_by_their_id_tag_in_any_case(api: Api) -> None:
    async with connected(api.store, TENANT, "A") as session:
        number = await start(api.store, session, 1)
        await stop(api.store, session, number)
        for by in ("start", "stop"):
            found = await api.read_all(PATH, id_tag="tAG", by=by)
            assert [one["id"] for one in found] == [f"A.{number}"]
            assert await api.read_all(PATH, id_tag="other", by=by) == []


async def test_a_file_has_all_transactions_of_the_list_whatever_its_limit_is(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("admin.routes.transactions._AT_ONCE", 2)
    async with connected(api.store, TENANT, "A") as session:
        for minute in range(5):
            await start(api.store, session, minute, connector_id=minute)
        listed = await api.read_all(PATH)
        response = await api.client.get(PATH, params={"limit": 1}, headers={"Accept": "application/x-ndjson"})
        assert [msgspec.json.decode(line) for line in response.content.splitlines()] == listed
        response = await api.client.get(PATH, headers={"Accept": "text/csv"})
        assert len(response.text.splitlines()) == 6
