"""The API reads transactions that have left the store from the archive, or says where the archive is."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from admin.archive.archive import Reader
from admin.archive.archiver import run_turn
from admin.archive.dropping import drop_archived
from state.paging import Bound, Page
from state.store import Store
from state.tenants import tenants
from state.transactions import archiving, meter_values, start
from state.transactions.archiving import ArchiveNote
from state.transactions.stored_values import StoredValues
from tests.admin.api import TENANT, Api, serving
from tests.admin.problem import is_problem
from tests.support.archives import entries
from tests.support.finished import STOPPED_MS, finish
from tests.support.transactions import ANSWER, a_start, claimed

LIST = f"/v1/tenants/{TENANT}/transactions"
NOTE = ArchiveNote(host="storage-1", directory="/srv/archive", through_ms=STOPPED_MS)
VALUES = [
    b'[{"timestamp":"2026-01-01T00:00:0%dZ","sampledValue":[{"value":"%d"}]}]' % (number, number)
    for number in range(5)
]


@pytest.fixture
async def archived_api(store: Store, tmp_path: Path) -> AsyncIterator[Api]:
    """Serve the API with an archive that this process can read."""
    await tenants.put(store, TENANT, name="Acme", auto_register=False)
    async with serving(store, archive=Reader(tmp_path)) as api:
        await run_turn(store, tmp_path)
        yield api


async def drop(store: Store, directory: Path, *, expected: int) -> None:
    """Archive what is due, and drop all that is archived."""
    await run_turn(store, directory)
    dropped = await drop_archived(store, directory, STOPPED_MS + 86_400_000)
    assert dropped.transactions == expected


async def read(api: Api, path: str, **query: Any) -> dict[str, Any]:
    response = await api.client.get(path, params=query)
    assert response.status_code == 200, response.text
    return dict(response.json())


async def walk(api: Api, **query: Any) -> list[tuple[str, bool]]:
    """List all pages of transactions as ids, each with whether it comes from the archive."""
    found = []
    while True:
        page = await read(api, LIST, **query)
        found += [(item["id"], item["archived"]) for item in page["items"]]
        assert len(page["items"]) <= query.get("limit", 100)
        if page["next"] is None:
            return found
        query["cursor"] = page["next"]


async def test_a_transaction_and_its_values_read_the_same_after_they_left_the_store(
    archived_api: Api, store: Store, tmp_path: Path
) -> None:
    number = await finish(store, "CP.1", *VALUES, tenant=TENANT)
    one = f"{LIST}/CP.1.{number}"
    before = await read(archived_api, one)
    values = await read(archived_api, f"{one}/meter-values", raw="true")
    assert len(values["raw"]) == 5
    await drop(store, tmp_path, expected=1)
    assert await read(archived_api, one) == {**before, "archived": True}
    assert await read(archived_api, f"{one}/meter-values", raw="true") == values


async def test_values_are_read_on_from_the_archive_if_the_transaction_leaves_the_store_between_two_pages(
    archived_api: Api, store: Store, tmp_path: Path
) -> None:
    number = await finish(store, "CP.1", *VALUES, tenant=TENANT)
    path = f"{LIST}/CP.1.{number}/meter-values"
    first = await read(archived_api, path, limit=2)
    await drop(store, tmp_path, expected=1)
    second = await read(archived_api, path, limit=2, cursor=first["next"])
    third = await read(archived_api, path, limit=2, cursor=second["next"])
    assert third["next"] is None
    items = [*first["items"], *second["items"], *third["items"]]
    assert [item["sampledValue"][0]["value"] for item in items] == ["0", "1", "2", "3", "4"]


async def test_values_are_whole_if_the_transaction_leaves_the_store_while_they_are_read(
    archived_api: Api, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = await finish(store, "CP.1", *VALUES, tenant=TENANT)
    path = f"{LIST}/CP.1.{number}/meter-values"
    before = await read(archived_api, path)
    read_page = meter_values.read_page

    async def read_late(*args: Any, **kwargs: Any) -> Page[StoredValues]:
        monkeypatch.undo()
        await drop(store, tmp_path, expected=1)
        return await read_page(*args, **kwargs)

    monkeypatch.setattr(meter_values, "read_page", read_late)
    assert await read(archived_api, path) == before
    assert len(before["items"]) == 5


async def test_a_cursor_that_no_page_returned_is_no_failure_of_the_archive(archived_api: Api) -> None:
    response = await archived_api.client.get(LIST, params={"cursor": "0" * 500})
    assert response.status_code in {200, 422}, response.text


@pytest.mark.parametrize(("limit", "most"), [(1, 1), (2, 50), (3, 2), (100, 1), (100, 3), (100, 50)])
async def test_a_list_has_each_transaction_of_the_store_and_the_archive_once_in_one_order(
    archived_api: Api,
    store: Store,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    limit: int,
    most: int,
) -> None:
    """A page reads up to `most` transactions from the archive."""
    monkeypatch.setattr("admin.routes.transactions.MOST", most)
    expected = {}
    for name in ("CP.1", "CP.2"):
        for _ in range(3):
            expected[f"{name}.{await finish(store, name, tenant=TENANT)}"] = True
    await drop(store, tmp_path, expected=6)
    for _ in range(2):
        expected[f"CP.1.{await finish(store, 'CP.1', tenant=TENANT)}"] = False
    await run_turn(store, tmp_path)  # These two are in the archive and in the store.
    lease = await claimed(store, "CP.2", tenant=TENANT)
    opened = await start(store, lease, a_start(meter_start=99_999, started_ms=STOPPED_MS), ANSWER)
    found = await walk(archived_api, limit=limit)
    assert dict(found) == {**expected, f"CP.2.{opened.id}": False}
    assert len(found) == 9
    assert found[0][0] == f"CP.2.{opened.id}"
    of_one = await walk(archived_api, limit=limit, charge_point="CP.1")
    assert dict(of_one) == {id_: where for id_, where in expected.items() if id_.startswith("CP.1.")}
    assert await walk(archived_api, limit=limit, open="true") == [(f"CP.2.{opened.id}", False)]
    assert len(await walk(archived_api, limit=limit, open="false")) == 8
    border = "2026-01-01T00:00:01Z"
    assert await walk(archived_api, limit=limit, since=border) == [(f"CP.2.{opened.id}", False)]
    assert len(await walk(archived_api, limit=limit, until=border)) == 8


async def test_a_page_reads_only_some_transactions_from_the_archive_and_a_file_has_all(
    archived_api: Api, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("admin.routes.transactions.MOST", 2)
    monkeypatch.setattr("admin.routes.completed_transactions.MOST", 2)
    names = {f"CP.1.{await finish(store, 'CP.1', tenant=TENANT)}" for _ in range(5)}
    await drop(store, tmp_path, expected=5)
    kept = f"CP.1.{await finish(store, 'CP.1', tenant=TENANT)}"
    for path, more in ((LIST, "next"), (f"{LIST}/completed", "more")):
        page = await read(archived_api, path)
        assert sum(item.get("archived", True) for item in page["items"]) == 2
        assert page[more]
        response = await archived_api.client.get(path, params={"format": "jsonl"})
        assert {msgspec.json.decode(line)["id"] for line in response.content.splitlines()} == {*names, kept}


async def test_a_page_of_the_store_that_ends_early_hides_nothing_behind_newer_open_transactions(
    archived_api: Api, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("state.transactions.listing._BOUND", Bound(read=5, loaded=5))
    archived = await finish(store, "CP.1", tenant=TENANT)
    await drop(store, tmp_path, expected=1)
    stored = await finish(store, "CP.2", tenant=TENANT)
    lease = await claimed(store, "CP.3", tenant=TENANT)
    for meter in range(12):
        await start(store, lease, a_start(meter_start=meter), ANSWER)
    # The store reads five members for a page of one, and all of them are open.
    found = await walk(archived_api, limit=1, open="false")
    assert found == [(f"CP.2.{stored}", False), (f"CP.1.{archived}", True)]


async def test_an_archived_transaction_cannot_be_ended_and_the_answer_says_when_it_stopped(
    archived_api: Api, store: Store, tmp_path: Path
) -> None:
    number = await finish(store, "CP.1", tenant=TENANT)
    await drop(store, tmp_path, expected=1)
    response = await archived_api.client.post(f"{LIST}/CP.1.{number}/end", json={})
    assert is_problem(response, 409, "already-stopped")
    assert "2026-01-01T01:00:00.000Z" in response.json()["detail"]


async def test_an_id_that_is_neither_in_the_store_nor_in_the_archive_is_not_found(archived_api: Api) -> None:
    for public_id in ("CP.1.5", "no id", "CP.1.-5"):
        assert is_problem(await archived_api.client.get(f"{LIST}/{public_id}"), 404, "not-found")


async def test_a_process_without_the_archive_says_where_it_is(api: Api, store: Store) -> None:
    page = await read(api, LIST)
    assert set(page) == {"items", "next"}
    assert "archive" not in (await api.client.get(f"{LIST}/CP.1.5")).json()
    await archiving.note_archive(store, NOTE)
    where = {"host": "storage-1", "directory": "/srv/archive", "until": "2026-01-01T01:00:01.000Z"}
    assert (await read(api, LIST))["archive"] == where
    for path in ("", "/meter-values"):
        response = await api.client.get(f"{LIST}/CP.1.5{path}")
        assert is_problem(response, 404, "not-found")
        assert response.json()["archive"] == where
        assert "/srv/archive" in response.json()["detail"]


async def test_a_damaged_file_is_named_in_the_problem(
    archived_api: Api, store: Store, tmp_path: Path
) -> None:
    number = await finish(store, "CP.1", *VALUES, tenant=TENANT)
    await drop(store, tmp_path, expected=1)
    [entry] = entries(tmp_path)
    (tmp_path / entry.file).write_bytes(b"x" * entry.size)
    for path in (f"{LIST}/CP.1.{number}", LIST):
        response = await archived_api.client.get(path)
        assert is_problem(response, 503, "archive-unreadable")
        assert entry.file in response.json()["detail"]


async def test_a_long_record_is_read_in_pages_like_a_short_one(
    archived_api: Api, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = await finish(store, "CP.1", *VALUES, tenant=TENANT)
    await drop(store, tmp_path, expected=1)
    path = f"{LIST}/CP.1.{number}"
    one, values = await read(archived_api, path), await read(archived_api, f"{path}/meter-values")
    for name in ("archive._HEAD", "reading.PIECE"):
        monkeypatch.setattr(f"admin.archive.{name}", 1)
    assert await read(archived_api, path) == one
    assert await walk(archived_api) == [(f"CP.1.{number}", True)]
    items: list[Any] = []
    query: dict[str, Any] = {"limit": 2}
    while "cursor" not in query or query["cursor"] is not None:
        page = await read(archived_api, f"{path}/meter-values", **query)
        items += page["items"]
        query["cursor"] = page["next"]
    assert items == values["items"]


async def test_an_archive_into_which_nothing_was_written_yet_is_empty_and_one_that_is_gone_is_unreadable(
    store: Store, tmp_path: Path
) -> None:
    await tenants.put(store, TENANT, name="Acme", auto_register=False)
    number = await finish(store, "CP.1", *VALUES, tenant=TENANT)
    async with serving(store, archive=Reader(tmp_path / "archive")) as api:
        assert await walk(api) == [(f"CP.1.{number}", False)]
        assert len((await read(api, f"{LIST}/CP.1.{number}/meter-values"))["items"]) == 5
        assert is_problem(await api.client.get(f"{LIST}/CP.1.1"), 404, "not-found")
        await archiving.note_archive(store, NOTE)
        assert is_problem(await api.client.get(LIST), 503, "archive-unreadable")
        assert is_problem(await api.client.get(f"{LIST}/CP.1.1"), 503, "archive-unreadable")
