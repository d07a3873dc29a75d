"""Programs that bill read completed transactions in their order, as pages or as files, each exactly once."""

import csv
from collections.abc import AsyncIterator
from io import StringIO
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from admin.archive.archive import Reader
from admin.archive.archiver import run_turn
from admin.archive.dropping import drop_archived
from state.errors import StoreUnavailable
from state.nodes.leases import Lease
from state.store import Store
from state.tenants import tenants
from state.transactions import archiving, completed, ending, forgetting, get, stop
from state.transactions.archiving import ArchiveNote
from state.transactions.ending import End
from tests.admin.api import TENANT, Api, serving
from tests.admin.problem import is_problem
from tests.support.finished import STOPPED_MS, finish
from tests.support.transactions import ANSWER, a_stop, claimed, start_one, stop_one

PATH = f"/v1/tenants/{TENANT}/transactions/completed"
END = End(ended_ms=7, time_source="given", meter=180, meter_source="given", received_ms=9, api_key="key")


async def charge(store: Store, lease: Lease, number: int, **changes: Any) -> str:
    """Start and stop a transaction that no other number gives. Returns its public id."""
    id_ = (await start_one(store, lease, meter_start=number, **changes)).id
    await stop_one(store, lease, id_)
    return f"{lease.keys.id}.{id_}"


async def end_one(store: Store, lease: Lease, number: int) -> str:
    id_ = (await start_one(store, lease, meter_start=number)).id
    found = await get(store, TENANT, f"{lease.keys.id}.{id_}")
    assert found is not None
    assert await ending.end(store, TENANT, found, END, force=True) == "ended"
    return f"{lease.keys.id}.{id_}"


async def poll(api: Api, after: str | None = None, **query: Any) -> dict[str, Any]:
    if after is not None:
        query["after"] = after
    response = await api.client.get(PATH, params=query)
    assert response.status_code == 200, response.text
    return dict(response.json())


async def poll_all(api: Api, after: str | None = None, **query: Any) -> tuple[list[dict[str, Any]], str]:
    """Poll until nothing more is there, and return all items and the last `after`."""
    found = []
    while True:
        page = await poll(api, after, **query)
        assert len(page["items"]) <= query.get("limit", 100)
        found += page["items"]
        after = str(page["after"])
        if not page["more"]:
            return found, after


def pairs(items: list[dict[str, Any]]) -> list[tuple[str, int]]:
    return [(item["id"], item["revision"]) for item in items]


async def download(api: Api, format_: str, **query: str) -> tuple[list[dict[str, Any]], str]:
    """Read a file, and return its rows and the `after` of the next one."""
    response = await api.client.get(PATH, params={"format": format_, **query})
    assert response.status_code == 200, response.text
    if format_ == "csv":
        rows: list[dict[str, Any]] = list(csv.DictReader(StringIO(response.text, newline="")))
    else:
        rows = [msgspec.json.decode(line) for line in response.content.splitlines()]
    return rows, response.headers["Csms-After"]


async def test_a_program_that_polls_gets_each_change_once_and_in_order(api: Api) -> None:
    a, b = await claimed(api.store, "A", tenant=TENANT), await claimed(api.store, "B", tenant=TENANT)
    first = await charge(api.store, a, 1)
    items, after = await poll_all(api)
    assert pairs(items) == [(first, 1)]
    assert items[0]["changed"] == "stop"
    assert items[0]["transaction"] == (await api.client.get(PATH.replace("completed", first))).json()
    assert (await poll(api, after))["items"] == []
    ended = await end_one(api.store, b, 2)
    number = ended.rpartition(".")[2]
    await stop(api.store, b, a_stop(number), ANSWER)
    await stop(api.store, b, a_stop(number, meter_stop=999), ANSWER)
    items, after = await poll_all(api, after, limit=1)
    assert pairs(items) == [(ended, 1), (ended, 2), (ended, 3)]
    assert [item["changed"] for item in items] == ["end", "stop_after_end", "contradicting_stop"]
    assert [item["transaction"]["revision"] for item in items] == [3, 3, 3]
    assert (await poll(api, after))["items"] == []


async def test_pages_and_files_of_a_filtered_list_have_all_that_match_and_nothing_else(api: Api) -> None:
    a, b = await claimed(api.store, "A", tenant=TENANT), await claimed(api.store, "B", tenant=TENANT)
    of_a = [await charge(api.store, a, n, id_tag="one" if n % 2 else "TWO") for n in range(9)]
    of_b = [await charge(api.store, b, n, id_tag="two") for n in range(9)]
    for query, expected in (
        ({}, [*of_a, *of_b]),
        ({"charge_point": "A"}, of_a),
        ({"id_tag": "two"}, [*of_a[::2], *of_b]),
        ({"charge_point": "A", "id_tag": "Two"}, of_a[::2]),
        ({"charge_point": "C"}, []),
    ):
        for limit in (1, 3, 4, 100):
            items, _ = await poll_all(api, limit=limit, **query)
            assert [item["id"] for item in items] == expected
        for format_ in ("csv", "jsonl"):
            rows, _ = await download(api, format_, **query)
            assert [row["id"] for row in rows] == expected


async def test_two_files_have_each_entry_once_although_transactions_complete_while_the_first_is_read(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    lease = await claimed(api.store, "A", tenant=TENANT)
    before = [await charge(api.store, lease, number) for number in range(5)]
    during: list[str] = []
    find_end = completed.find_end

    async def find_end_late(*args: Any) -> completed.Place:
        place = await find_end(*args)
        during.append(await charge(api.store, lease, 5))
        return place

    monkeypatch.setattr(completed, "find_end", find_end_late)
    rows, after = await download(api, "csv")
    monkeypatch.undo()
    assert [row["id"] for row in rows] == before
    rows, after = await download(api, "csv", after=after)
    assert [row["id"] for row in rows] == during
    assert (await poll(api, after))["items"] == []


async def test_a_line_of_the_file_has_the_revision_of_the_entry_and_the_end_by_an_operator(api: Api) -> None:
    lease = await claimed(api.store, "A", tenant=TENANT)
    ended = await end_one(api.store, lease, 80)
    [row], _ = await download(api, "csv")
    assert row["id"] == ended
    expected = {
        "revision": "1",
        "changed": "end",
        "state": "ended",
        "charge_point": "A",
        "energy_wh": "100",
        "meter_stop": "",
        "ended_meter": "180",
        "ended_at": "1970-01-01T00:00:00.007Z",
        "archived": "false",
    }
    assert {name: row[name] for name in expected} == expected


@pytest.mark.parametrize("after", ["x", "c.", "AAAA"])
async def test_a_wrong_after_is_refused_by_its_name(api: Api, after: str) -> None:
    for format_ in ("json", "csv"):
        response = await api.client.get(PATH, params={"after": after, "format": format_})
        problem = is_problem(response, 422, "invalid-request")
        assert problem["errors"][0]["parameter"] == "after"


async def test_a_file_that_fails_in_the_middle_ends_with_an_error_of_the_connection(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    lease = await claimed(api.store, "A", tenant=TENANT)
    monkeypatch.setattr("admin.routes.completed_transactions._SCANNED", 2)
    for number in range(5):
        await charge(api.store, lease, number)
    read, calls = completed.read, 0

    async def read_once(*args: Any, **kwargs: Any) -> completed.Batch:
        nonlocal calls
        calls += 1
        if calls > 1:
            raise StoreUnavailable("gone", sent=False)
        return await read(*args, **kwargs)

    monkeypatch.setattr(completed, "read", read_once)
    with pytest.raises(httpx.RemoteProtocolError):
        await api.client.get(PATH, params={"format": "csv"})


@pytest.fixture
async def archived_api(store: Store, tmp_path: Path) -> AsyncIterator[Api]:
    await tenants.put(store, TENANT, name="Acme", auto_register=False)
    async with serving(store, archive=Reader(tmp_path)) as api:
        yield api


async def test_a_transaction_that_left_the_store_is_read_from_the_archive(
    archived_api: Api, store: Store, tmp_path: Path
) -> None:
    number = await finish(store, "CP.1", tenant=TENANT)
    before = (await poll(archived_api))["items"]
    await run_turn(store, tmp_path)
    assert (await drop_archived(store, tmp_path, STOPPED_MS + 86_400_000)).transactions == 1
    page = await poll(archived_api)
    assert pairs(page["items"]) == [(f"CP.1.{number}", 1)]
    expected = {**before[0], "transaction": {**before[0]["transaction"], "archived": True}}
    assert page["items"] == [expected]
    [row], _ = await download(archived_api, "csv")
    assert (row["id"], row["archived"]) == (f"CP.1.{number}", "true")


async def test_a_transaction_in_an_archive_that_this_process_cannot_read_is_named_and_the_page_says_where(
    api: Api,
) -> None:
    lease = await claimed(api.store, "A", tenant=TENANT)
    gone = await charge(api.store, lease, 1)
    note = ArchiveNote(host="storage-1", directory="/srv/archive", through_ms=STOPPED_MS)
    await archiving.note_archive(api.store, note)
    assert await forgetting.forget(api.store, TENANT, "A", int(gone.rpartition(".")[2]))
    page = await poll(api)
    assert pairs(page["items"]) == [(gone, 1)]
    assert page["items"][0]["transaction"] is None
    assert page["archive"]["host"] == "storage-1"
    [row], _ = await download(api, "csv")
    assert (row["id"], row["charge_point"], row["state"]) == (gone, "A", "")


async def test_a_transaction_that_was_destroyed_is_left_out(api: Api) -> None:
    lease = await claimed(api.store, "A", tenant=TENANT)
    gone, kept = await charge(api.store, lease, 1), await charge(api.store, lease, 2)
    assert await forgetting.forget(api.store, TENANT, "A", int(gone.rpartition(".")[2]))
    assert pairs((await poll(api))["items"]) == [(kept, 1)]
