import json
from pathlib import Path

import pytest

from state.store import Store
from state.tenants import id_tags
from state.tenants.id_tags import IdTag
from tests.admin.api import TENANT, Api
from tests.admin.cli.api.run import Run
from tests.support.up_process import one_line

HEADING = "tag,status,expiry_date,parent_id_tag,max_active_transactions"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "tags.csv"
    path.write_text(f"{HEADING}\nA1,,,,\nA2,Blocked,2030-01-31,FLEET,2\n")
    return path


@pytest.fixture
def wrong_file(tmp_path: Path) -> Path:
    path = tmp_path / "wrong.csv"
    path.write_text(f"{HEADING}\nA1,,,,\nA2,accepted,,,\nA3,,,,\n")
    return path


async def stored(store: Store) -> list[IdTag]:
    return list((await id_tags.list_(store, TENANT, cursor=None, limit=1000)).items)


async def test_a_dry_run_counts_and_changes_nothing(api: Api, run: Run, file: Path) -> None:
    done = await run("id-tags", "import", str(file), "--dry-run")
    assert done.stdout == "would be created: 2, would be changed: 0, unchanged: 0, wrong: 0\n"
    assert await stored(api.store) == []


async def test_an_import_sends_only_what_differs(api: Api, run: Run, file: Path) -> None:
    await id_tags.put(api.store, TENANT, IdTag(tag="a1", status="Blocked"))
    await id_tags.put(api.store, TENANT, IdTag(tag="OTHER"))
    first = await run("id-tags", "import", str(file), "-o", "json")
    second = await run("id-tags", "import", str(file), "-o", "json")
    counts = {"created": 1, "changed": 1, "unchanged": 0, "wrong": 0, "dry_run": False}
    assert json.loads(first.stdout) == counts
    assert json.loads(second.stdout) == counts | {"created": 0, "changed": 0, "unchanged": 2}
    assert [(tag.tag, tag.status, tag.max_active_transactions) for tag in await stored(api.store)] == [
        ("A1", "Accepted", None),
        ("A2", "Blocked", 2),
        ("OTHER", "Accepted", None),
    ]


async def test_an_export_can_be_imported_without_a_change(
    api: Api, run: Run, file: Path, tmp_path: Path
) -> None:
    assert (await run("id-tags", "import", str(file))).returncode == 0
    exported = tmp_path / "exported.csv"
    assert (await run("id-tags", "export", "--file", str(exported))).returncode == 0
    assert exported.read_text().splitlines()[0] == HEADING
    assert exported.stat().st_mode & 0o777 == 0o600
    again = await run("id-tags", "import", str(exported))
    assert again.stdout == "created: 0, changed: 0, unchanged: 2, wrong: 0\n"
    assert len(await stored(api.store)) == 2


async def test_a_wrong_row_keeps_the_file_out_unless_a_person_decides_otherwise(
    api: Api, run: Run, wrong_file: Path
) -> None:
    refused = await run("id-tags", "import", str(wrong_file))
    assert refused.returncode == 1
    row, summary = refused.stderr.splitlines()
    assert row == "row 3: status 'accepted' is unknown; write Accepted, Blocked, Expired or Invalid (tag A2)"
    assert summary == (
        "csms id-tags import: 1 of 3 rows are wrong, so nothing was imported; mend them, or give "
        "--skip-wrong to import the others"
    )
    assert await stored(api.store) == []
    done = await run("id-tags", "import", str(wrong_file), "--skip-wrong", "-o", "json")
    assert done.returncode == 1
    wrong, counts = map(json.loads, done.stdout.splitlines())
    assert (wrong["row"], wrong["tag"]) == (3, "A2")
    assert (counts["created"], counts["wrong"]) == (2, 1)
    assert [tag.tag for tag in await stored(api.store)] == ["A1", "A3"]


async def test_a_file_that_is_not_there_is_one_line(run: Run) -> None:
    said = one_line(await run("id-tags", "import", "/nonexistent.csv"))
    assert said == "csms id-tags import: cannot use /nonexistent.csv: No such file or directory"
