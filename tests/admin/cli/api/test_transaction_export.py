"""Exports are whole or not there, and several runs have each entry exactly once, whatever breaks."""

import csv
import fcntl
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio

from admin.cli.api import files, transaction_export
from admin.cli.api.client import Client, open_client
from admin.cli.api.errors import Refused, TryAgain
from admin.cli.api.profiles import Server
from admin.cli.api.transaction_export import export_completed, export_list
from admin.cli.failures import CommandRefused
from state.nodes.leases import Lease
from state.transactions.completed import BEGINNING
from tests.admin.api import TENANT, Api
from tests.admin.cli.api.run import Run
from tests.support.transactions import claimed, start_one, stop_one
from tests.support.up_process import one_line

SERVER = Server(url="http://x", api_key="k", key_from="a test", tenant="t")
PAGE = {"items": [], "after": "p0", "more": False, "gap": False}
NAMES = b'id,"a\r\nb"\r\n'


@pytest.fixture
async def client(api: Api) -> AsyncIterator[Client]:
    key = api.client.headers["Authorization"].removeprefix("Bearer ")
    async with open_client(Server(url=api.url, api_key=key, key_from="a test", tenant=TENANT)) as opened:
        yield opened


@pytest.fixture
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transaction_export, "_PAUSES_S", (0, 0))


async def charge(api: Api, lease: Lease, number: int) -> str:
    id_ = (await start_one(api.store, lease, meter_start=number)).id
    await stop_one(api.store, lease, id_)
    return f"{lease.keys.id}.{id_}"


def rows_of(file: Path) -> list[dict[str, str]]:
    with file.open(newline="") as read:
        return list(csv.DictReader(read))


def count(directory: Path) -> int:
    """Count the files of a directory, without the lock that keeps other runs out."""
    return sum(not file.name.endswith(".lock") for file in directory.iterdir())


async def test_two_runs_have_each_transaction_exactly_once(
    api: Api, client: Client, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lease, place = await claimed(api.store, "A", tenant=TENANT), tmp_path / "place"
    exported = []
    for day in (1, 2):
        ids = [await charge(api, lease, 10 * day + number) for number in range(5)]
        file = tmp_path / f"{day}.csv"
        await export_completed(client, {}, "table", file, place)
        rows = rows_of(file)
        assert [row["id"] for row in rows] == ids
        assert {row["revision"] for row in rows} == {"1"}
        assert file.stat().st_mode & 0o777 == 0o600
        exported += ids
        after = json.loads(place.read_text())["after"]
        assert capsys.readouterr().err == (
            f"wrote 5 entries to {file}; {place} has the place where the next run begins: {after}\n"
        )
    assert len(set(exported)) == 10
    file = tmp_path / "3.jsonl"
    await export_completed(client, {}, "json", file, place)
    assert file.read_bytes() == b""
    assert count(tmp_path) == 4


async def test_an_export_with_a_place_has_the_filters_of_the_server(
    api: Api, client: Client, tmp_path: Path
) -> None:
    a, b = [await claimed(api.store, name, tenant=TENANT) for name in ("A", "B")]
    await charge(api, a, 1)
    of_b = await charge(api, b, 1)
    await export_completed(client, {"charge_point": "B"}, "json", tmp_path / "f", tmp_path / "place")
    assert [json.loads(line)["id"] for line in (tmp_path / "f").read_text().splitlines()] == [of_b]


async def test_a_run_that_was_killed_before_its_file_got_its_name_is_finished_by_the_next(
    api: Api,
    client: Client,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    lease, place = await claimed(api.store, "A", tenant=TENANT), tmp_path / "place"
    first = await charge(api, lease, 1)
    with monkeypatch.context() as patch:
        patch.setattr(files, "_give_name", lambda part, _path, note: note(part))
        await export_completed(client, {}, "table", tmp_path / "1.csv", place)
    assert not (tmp_path / "1.csv").exists()
    second = await charge(api, lease, 2)
    capsys.readouterr()
    await export_completed(client, {}, "table", tmp_path / "2.csv", place)
    assert [row["id"] for row in rows_of(tmp_path / "1.csv")] == [first]
    assert [row["id"] for row in rows_of(tmp_path / "2.csv")] == [second]
    assert "its entries are in" in capsys.readouterr().err
    third = await charge(api, lease, 3)
    with monkeypatch.context() as patch:
        patch.setattr(files, "_give_name", lambda part, _path, note: note(part))
        await export_completed(client, {}, "table", tmp_path / "3.csv", place)
    await export_completed(client, {}, "table", tmp_path / "3.csv", place)  # The same command again.
    assert [row["id"] for row in rows_of(tmp_path / "3.csv")] == [third]
    assert count(tmp_path) == 4


async def test_an_export_that_could_not_store_its_place_leaves_no_file(
    api: Api, client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await charge(api, await claimed(api.store, "A", tenant=TENANT), 1)

    def fail(*_: object) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr(transaction_export, "write_private", fail)
    with pytest.raises(OSError, match="full"):
        await export_completed(client, {}, "table", tmp_path / "f", tmp_path / "place")
    assert count(tmp_path) == 0


async def test_an_export_never_overwrites_the_file_of_another_run(client: Client, tmp_path: Path) -> None:
    file = tmp_path / "f"
    file.write_text("kept")
    with pytest.raises(CommandRefused, match="exists already"):
        await export_completed(client, {}, "table", file, tmp_path / "place")
    assert file.read_text() == "kept"
    (tmp_path / "place").write_text(BEGINNING.encode())
    with pytest.raises(CommandRefused, match="holds no place of an export"):
        await export_completed(client, {}, "table", tmp_path / "g", tmp_path / "place")


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("--resume-file", "p"), "--resume-file needs --file"),
        (("--resume-file", "p", "--file", "f", "--open"), "leave out --open"),
        (("--resume-file", "p", "--file", "f", "--since", "2026-01-01"), "leave out --open"),
    ],
)
async def test_options_that_exclude_each_other_are_refused(
    run: Run, arguments: tuple[str, ...], error: str
) -> None:
    assert error in one_line(await run("transactions", "export", *arguments))


class _Body(httpx.AsyncByteStream):
    """A body that may break off."""

    def __init__(self, *chunks: bytes, breaks: bool = False) -> None:
        self._chunks, self._breaks = chunks, breaks

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self._chunks:
            await trio.lowlevel.checkpoint()
            yield chunk
        if self._breaks:
            raise httpx.RemoteProtocolError("peer closed the connection")


def answering(*answers: httpx.Response) -> tuple[Client, list[httpx.Request]]:
    """Return a client whose server gives these answers, and the requests that it gets."""
    left: Iterator[httpx.Response] = iter(answers)
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return next(left)

    http = httpx.AsyncClient(base_url=SERVER.url, transport=httpx.MockTransport(answer))
    return Client(SERVER, http), asked


def a_file(*chunks: bytes, after: str = "p1", breaks: bool = False) -> httpx.Response:
    return httpx.Response(200, headers={"Csms-After": after}, stream=_Body(*chunks, breaks=breaks))


def busy() -> httpx.Response:
    return httpx.Response(503, headers={"Retry-After": "0"}, json={"detail": "too many"})


@pytest.mark.usefixtures("no_pauses")
async def test_a_file_that_breaks_off_is_begun_again_with_the_same_place(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    client, asked = answering(
        httpx.Response(200, json=PAGE),
        a_file(NAMES, b"1,lost\r\n2,", breaks=True, after="p1"),
        busy(),
        a_file(NAMES, b'1,"two\r\nli', b'nes ""q"""\r\n2,x\r\n', after="p2"),
    )
    file, place = tmp_path / "f", tmp_path / "place"
    await export_completed(client, {}, "table", file, place)
    assert file.read_bytes() == NAMES + b'1,"two\r\nlines ""q"""\r\n2,x\r\n'
    assert json.loads(place.read_text())["after"] == "p2"
    assert len({str(request.url) for request in asked[1:]}) == 1
    said = capsys.readouterr().err
    assert said.count("beginning the file again") == 2
    assert "wrote 2 entries" in said


@pytest.mark.usefixtures("no_pauses")
async def test_a_file_that_breaks_off_again_and_again_leaves_nothing_and_keeps_the_old_place(
    tmp_path: Path,
) -> None:
    client, _ = answering(
        httpx.Response(200, json=PAGE), *(a_file(NAMES, b"1,", breaks=True) for _ in range(3))
    )
    with pytest.raises(TryAgain):
        await export_completed(client, {}, "table", tmp_path / "f", tmp_path / "place")
    assert count(tmp_path) == 0


async def test_output_to_stdout_that_breaks_off_is_an_error_and_not_begun_again(
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    client, asked = answering(a_file(b'{"id":"1"}\n', breaks=True))
    with pytest.raises(TryAgain):
        await export_list(client, {}, "json", None)
    assert len(asked) == 1
    assert capfdbinary.readouterr().out == b'{"id":"1"}\n'


async def test_missing_entries_and_an_archive_out_of_reach_are_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    archive = {"host": "storage-1", "directory": "/archive", "until": "2026-01-01T00:00:00.000Z"}
    client, _ = answering(
        httpx.Response(200, json=PAGE | {"gap": True, "archive": archive}), a_file(NAMES, b"1,\r\n")
    )
    await export_completed(client, {}, "table", tmp_path / "f", tmp_path / "place")
    said = capsys.readouterr().err
    assert "entries are missing" in said
    assert "in the archive storage-1:/archive have only their id" in said


async def test_a_server_without_the_list_of_completed_transactions_is_too_old(tmp_path: Path) -> None:
    document: dict[str, Any] = {"paths": {}}
    client, _ = answering(
        httpx.Response(404, json={"detail": "no such transaction"}), httpx.Response(200, json=document)
    )
    with pytest.raises(CommandRefused, match="is too old for this") as refused:
        await export_completed(client, {}, "table", tmp_path / "f", tmp_path / "place")
    assert not isinstance(refused.value, Refused)
    assert count(tmp_path) == 0


async def test_a_run_beside_another_one_with_the_same_resume_file_is_refused(
    client: Client, tmp_path: Path
) -> None:
    place = tmp_path / "place"
    with (tmp_path / "place.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(CommandRefused, match="another export with --resume-file"):
            await export_completed(client, {}, "table", tmp_path / "1.csv", place)
    assert count(tmp_path) == 0
    await export_completed(client, {}, "table", tmp_path / "1.csv", place)
    assert count(tmp_path) == 2
