"""`csms archive` writes what is due, and lists, verifies and reads the files."""

import json
from pathlib import Path

import pytest
import trio

from admin.archive import index, manifest
from admin.cli import archive
from state.nodes.duty import hold_duty
from state.store import Store, StoreConfig, open_store
from state.transactions import get
from tests.admin.api import PEPPER
from tests.support.archives import an_item, entries, payloads_of, put
from tests.support.finished import finish

DAY = "2026-11-29"


@pytest.fixture
def settings(redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let the command find a store and a directory. Returns the directory."""
    # The log of the command would go to the stderr of the whole run of tests.
    monkeypatch.setattr("gateway.service.logs.configure", lambda *_: None)
    monkeypatch.setenv("CSMS__STORE__URL", redis_url)
    monkeypatch.setenv("CSMS__SECURITY__PEPPER", PEPPER.decode())
    monkeypatch.setenv("CSMS__ARCHIVE__DIRECTORY", str(tmp_path / "archive"))
    return tmp_path / "archive"


def run_with_store(url: str, work: object) -> None:
    async def run() -> None:
        assert callable(work)
        async with open_store(StoreConfig(url=url)) as store:
            await work(store)

    trio.run(run)


def refusal(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().err


def test_the_command_archives_what_is_due_and_lets_old_transactions_leave_the_store(
    settings: Path, redis_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run_with_store(redis_url, finish)
    archive.write()
    assert capsys.readouterr().err == (
        f"Wrote 1 transactions to {settings}; 1 transactions left the store.\n"
    )
    archive.write()
    assert "Wrote 0 transactions" in capsys.readouterr().err
    assert [one.count for one in entries(settings)] == [1]


def test_the_command_refuses_while_another_process_archives(
    settings: Path, redis_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async def take(store: Store) -> None:
        number = await finish(store)
        await hold_duty(store, "archive", "another", 60_000)
        assert await get(store, "demo", f"CP.1.{number}") is not None

    run_with_store(redis_url, take)
    with pytest.raises(SystemExit, match="1"):
        archive.write()
    assert "another process is archiving" in refusal(capsys)
    assert not settings.exists()


@pytest.mark.usefixtures("settings")
def test_the_command_needs_the_directory_in_its_configuration(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("CSMS__ARCHIVE__DIRECTORY")
    with pytest.raises(SystemExit, match="1"):
        archive.write()
    assert "archive.directory is not set" in refusal(capsys)


def test_a_directory_that_cannot_be_written_is_one_line(
    settings: Path, redis_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run_with_store(redis_url, finish)
    settings.write_text("a file")
    with pytest.raises(SystemExit, match="1"):
        archive.write()
    assert refusal(capsys).startswith(f"csms archive write: the archive {settings} cannot be written: ")
    settings.unlink()
    archive.write()  # The failed attempt has given the duty back.
    assert "Wrote 1 transactions" in capsys.readouterr().err


def test_the_list_shows_the_files_of_all_tenants_or_of_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put(tmp_path, an_item(1))
    put(tmp_path, an_item(2, tenant="other"), tenant="other")
    archive.list_(tmp_path, json=True)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(line["tenant"], line["count"], line["day"]) for line in lines] == [
        ("demo", 1, DAY),
        ("other", 1, DAY),
    ]
    archive.list_(tmp_path, tenant="other")
    table = capsys.readouterr().out
    assert "other" in table
    assert "demo" not in table


def test_a_record_is_printed_by_its_public_id(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(tmp_path, an_item(1, b"[1]"))
    archive.read("CP.1.1", tenant="demo", directory=tmp_path)
    record = json.loads(capsys.readouterr().out)
    assert (record["id"], record["meter_values"][0]["values"]) == ("CP.1.1", [1])


@pytest.mark.parametrize(
    ("asked", "words"), [("CP.1.2", "no transaction CP.1.2"), ("x", "not a transaction")]
)
def test_a_transaction_that_is_not_there_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], asked: str, words: str
) -> None:
    put(tmp_path, an_item(1))
    with pytest.raises(SystemExit, match="1"):
        archive.read(asked, tenant="demo", directory=tmp_path)
    assert words in refusal(capsys)


def test_an_archive_that_is_whole_is_verified_with_the_numbers_of_its_files_and_records(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put(tmp_path, an_item(1, b"[1]"), an_item(2))
    put(tmp_path, an_item(1, b"[2]"))
    archive.verify(tmp_path)
    assert capsys.readouterr().out == "2 files with 3 records are whole.\n"


def test_every_damage_is_named_and_the_command_fails(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(1, 6):
        put(tmp_path, an_item(number))
    files = [entry.file for entry in entries(tmp_path)]
    (tmp_path / files[0]).unlink()
    content = (tmp_path / files[1]).read_bytes()
    (tmp_path / files[1]).write_bytes(content[:-1] + b"x")
    (tmp_path / f"demo/{DAY}/00000099.ndjson.gz").write_bytes(b"")
    with index.open_to_read(tmp_path) as opened:
        [entry] = [one for one in entries(tmp_path) if one.file == files[2]]
        opened.add(entry, [], (tmp_path / manifest.NAME).stat().st_size)
        opened._database.execute("DELETE FROM transactions WHERE id = 3")
        opened._database.commit()
    with pytest.raises(SystemExit, match="1"):
        archive.verify(tmp_path)
    captured = capsys.readouterr()
    assert captured.out.splitlines() == [
        f"{files[0]}: the file is missing",
        f"{files[1]}: the content is not the one that was written",
        f"{files[2]}: the index does not have CP.1.3 as it is",
        f"demo/{DAY}/00000099.ndjson.gz: the file is not in the manifest, so it does not count",
    ]
    assert "4 problems in 5 files" in captured.err
    assert payloads_of(tmp_path, 4) == []


def test_a_directory_without_an_archive_is_one_line_for_the_command_that_verifies(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="1"):
        archive.verify(tmp_path)
    assert "has no archive" in refusal(capsys)
    archive.list_(tmp_path, json=True)
    assert capsys.readouterr().out == ""
    with pytest.raises(SystemExit, match="1"):
        archive.list_(tmp_path / "missing")
    assert "is not a directory" in refusal(capsys)
