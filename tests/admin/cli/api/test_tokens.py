import json
from pathlib import Path

from state.tenants import tokens
from tests.admin.api import PEPPER, TENANT, Api
from tests.admin.cli.api.run import Run
from tests.support.up_process import one_line


async def test_a_new_secret_goes_to_a_new_private_file_and_never_to_the_output(
    api: Api, run: Run, tmp_path: Path
) -> None:
    file = tmp_path / "secret"
    create = ("tokens", "create", "--label", "north", "--secret-file", str(file))
    done = await run(*create, "-o", "json")
    assert done.returncode == 0, done.stderr
    secret = file.read_text().strip()
    assert file.stat().st_mode & 0o777 == 0o600
    assert secret not in done.stdout + done.stderr
    found = await tokens.look_up(api.store, PEPPER, TENANT, secret)
    assert found.token is not None
    assert json.loads(done.stdout)["id"] == found.token.id
    again = one_line(await run(*create))
    assert f"{file} exists already; name a new file" in again
    assert file.read_text().strip() == secret


async def test_a_token_that_was_not_made_leaves_no_file(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    done = await run("tokens", "create", "--charge-point", "a/b", "--secret-file", str(file))
    assert "must not contain" in one_line(done)
    assert not file.exists()


async def test_tokens_are_listed_and_retired_and_revoked(api: Api, run: Run) -> None:
    made = await tokens.create(api.store, PEPPER, TENANT, "south")

    async def read() -> dict[str, object]:
        return dict(json.loads((await run("tokens", "list", "-o", "json")).stdout))

    assert (await read())["label"] == "south"
    assert (await run("tokens", "retire", made.id)).stdout == f"token {made.id} is now retired\n"
    assert (await read())["retired_at"]
    assert (
        await run("tokens", "retire", "--undo", made.id)
    ).stdout == f"token {made.id} is now not retired\n"
    assert (await read())["retired_at"] is None
    assert (
        await run("tokens", "revoke", made.id, "-o", "json")
    ).stdout == f'{{"id":"{made.id}","revoked":true}}\n'
    assert (await run("tokens", "list", "-o", "json")).stdout == ""
    assert "There is no such token" in one_line(await run("tokens", "revoke", made.id))
